/** `npm run build:package`. */
import { buildPackage } from './build-package.ts';

process.stdout.write(`built ${buildPackage()}\n`);
