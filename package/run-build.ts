/** `npm run build:package`. */
import { buildPackage } from './build-package.ts';
import { endAtArguments } from './no-arguments.ts';

endAtArguments('build:package', 'Compiles what is published to dist/package.');
process.stdout.write(`built ${buildPackage()}\n`);
