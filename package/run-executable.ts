/** `npm run build:executable`. */
import { buildExecutable, whyNot } from './build-executable.ts';
import { endAtArguments } from './no-arguments.ts';

endAtArguments('build:executable', 'Builds dist/executable/walnut for the platform that it runs on.');
const why = whyNot();
if (why === undefined) process.stdout.write(`built ${await buildExecutable()}\n`);
else {
  process.stderr.write(`walnut: ${why}\n`);
  process.exitCode = 1;
}
