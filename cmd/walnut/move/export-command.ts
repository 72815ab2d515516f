/** `walnut export`: the entries of a group as NDJSON, which `walnut import` reads. */
import type { Command } from 'commander';
import type { ScanResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { createNodeClients, shortCall } from '../call/connection.ts';
import { persist } from '../call/persist.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import type { CommandHost, Invocation } from '../command-host.ts';
import { countOf } from '../output/output.ts';
import { MoveProgress } from './move-progress.ts';
import { entryLine } from './moved-entry.ts';

const PAGE_ENTRIES = 200;
const PATIENCE_MS = 60_000;

export function addExportCommand(program: Command, host: CommandHost): void {
  program
    .command('export')
    .summary('print all entries as NDJSON, for import')
    .description(
      'Prints the entries whose key begins with PREFIX (without PREFIX all), one JSON object a line, in no ' +
        'order, with their deadlines and content types. Entries written meanwhile may be missing: for the state at ' +
        'one position, make a backup. Exits 0 only if all was printed.',
    )
    .argument('[prefix]')
    .addHelpText(
      'after',
      `
Examples:
  walnut export > all.ndjson
  walnut export user: | gzip > users.ndjson.gz
  walnut export --address old:8080 | walnut import - --address new:8080`,
    )
    .action(host.action(runExport));
}

async function runExport(invocation: Invocation): Promise<ExitCode> {
  const { io } = invocation;
  const { kv } = createNodeClients(invocation.address);
  const prefix = invocation.args[0] ?? '';
  const progress = new MoveProgress('exporting', undefined, io);
  const policy = { patienceMs: PATIENCE_MS, interrupted: io.interrupted };
  let [exported, cursor] = [0, ''];
  do {
    const request = { prefix, cursor, limit: PAGE_ENTRIES };
    const page: ScanResponse = await persist(() => kv.scan(request, shortCall(invocation.io)), policy);
    if (page.entries.length > 0) await io.write(`${page.entries.map(entryLine).join('\n')}\n`);
    exported += page.entries.length;
    progress.done(exported, 'exported');
    cursor = page.nextCursor;
    if (io.interrupted.aborted && cursor !== '')
      throw new CliError(EXIT.interrupted, `interrupted after ${countOf(exported, 'entry', 'entries')}`);
  } while (cursor !== '');
  return EXIT.ok;
}
