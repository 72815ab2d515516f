/** The command line tool; its code is in `cmd/walnut/`. */
import { createProcessIo } from './walnut/cli-io.ts';
import { runWalnut } from './walnut/program.ts';

process.exitCode = await runWalnut(process.argv.slice(2), createProcessIo());
