/** The command line tool; its code is in `cmd/walnut/`. */
import { createProcessIo } from './walnut/cli-io.ts';
import { describeBug, runWalnut } from './walnut/program.ts';

process.on('uncaughtException', (error) => {
  // Node's own code for it is 1, which is an answer here: "not found".
  const { message, exitCode } = describeBug(error);
  process.stderr.write(`walnut: ${message}\n`);
  process.exit(exitCode);
});
process.exitCode = await runWalnut(process.argv.slice(2), createProcessIo());
