/** The command line tool; its code is in `cmd/walnut/`. */
import { createProcessIo } from './walnut/cli-io.ts';
import { reportBug, runWalnut } from './walnut/program.ts';

process.on('uncaughtException', (error) => {
  // Node would end with exit code 1, which means "not found" here.
  process.exit(reportBug(error, process.argv.slice(2), createProcessIo()));
});
process.exitCode = await runWalnut(process.argv.slice(2), createProcessIo());
