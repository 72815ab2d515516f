/** `npm run build:executable`. */
import { buildExecutable, whyNot } from './build-executable.ts';

const why = whyNot();
if (why === undefined) process.stdout.write(`built ${await buildExecutable()}\n`);
else {
  process.stderr.write(`walnut: ${why}\n`);
  process.exitCode = 1;
}
