/** The command line tool; its code is in `cmd/walnut/`. */
import { createProcessIo } from './walnut/cli-io.ts';
import { describeBug, runWalnut } from './walnut/program.ts';

process.on('uncaughtException', (error) => {
  // Node would end with exit code 1, which means "not found" here.
  const { message, exitCode } = describeBug(error);
  process.stderr.write(`walnut: ${message}\n`);
  process.exit(exitCode);
});
process.exitCode = await runWalnut(process.argv.slice(2), createProcessIo());
