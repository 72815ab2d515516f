/** `walnut wal dump`: prints the records of a log as JSON lines, once or continuously. */
import { type Command, InvalidArgumentError } from 'commander';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { parseCount, parseDurationMs, parsePath } from '../arguments.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, usageError } from '../command-host.ts';
import { cleanPath, onLogDirectory } from './log-files.ts';
import { recordToJson } from './record-json.ts';
import { type LogTrouble, WalReader } from './wal-reader.ts';

interface DumpOptions {
  readonly from?: number;
  readonly to?: number;
  readonly follow?: boolean;
  readonly every?: number;
  readonly values: boolean;
}

const POLL_MS_DEFAULT = 200;
const POLL_MS_MIN = 10;
const LINES_BYTES = 64 * 1_024;

export function addDumpCommand(wal: Command, host: CommandHost): void {
  wal
    .command('dump')
    .summary('print records as JSON lines')
    .description(
      'Prints the records of the log in DIR as JSON, one per line: position, time, type, and for data ' +
        'the mutations with values in base64. Writes nothing to DIR. The node may be running. Damage is ' +
        'reported on stderr and skipped. Exits 1 if there was damage.',
    )
    .argument('<dir>', 'wal.directory', parsePath)
    .option('--from <lsn>', 'the first LSN to print', parseCount(1))
    .option('--to <lsn>', 'the last LSN to print', parseCount(1))
    .option('--follow', 'continue as the log grows, until --to or Ctrl-C')
    .option(
      '--every <duration>',
      `with --follow: how often to look (default: ${POLL_MS_DEFAULT}ms)`,
      parsePollMs,
    )
    .option('--no-values', 'print the sizes of values only')
    .addHelpText(
      'after',
      `
The log reaches back to what the newest snapshot and wal.retention leave; state older than that is
in the snapshot. Deadlines (expireAtMs) and times are of the log clock.

Examples:
  walnut wal dump data/master --no-values
  walnut wal dump data/master --from 1000 --to 1099
  walnut wal dump data/master --follow | jq -c 'select(.type == "data") | .mutations[].key'`,
    )
    .action(host.offline<DumpOptions>(runDump));
}

function parsePollMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms >= POLL_MS_MIN) return ms;
  throw new InvalidArgumentError(`Expected at least ${POLL_MS_MIN}ms.`);
}

async function runDump(invocation: Invocation, options: DumpOptions): Promise<ExitCode> {
  const { io, args, tell } = invocation;
  const directory = cleanPath(args[0] ?? '');
  const { from = 0, to = Number.MAX_SAFE_INTEGER, follow = false } = options;
  if (from > to) throw usageError(`--from ${from} is behind --to ${to}`);
  const clock = createNodeClock();
  const fileSystem = createNodeFileSystem();
  const lines = new Lines((text) => io.write(text));
  let hasDamage = false;
  const reader = new WalReader({
    fileSystem,
    clock,
    directory,
    fromLsn: from,
    toLsn: to,
    onRecord: (frame, { file, byte }) => {
      if (io.interrupted.aborted) throw new InterruptedError();
      const { json, isRefused } = recordToJson(frame, options.values);
      hasDamage ||= isRefused;
      return lines.add({ ...json, file, byte });
    },
    onTrouble: (trouble) => {
      hasDamage ||= trouble.kind === 'damage' || trouble.kind === 'gap';
      tell(describeTrouble(trouble));
    },
  });
  const readAll = async (): Promise<void> => {
    for (;;) {
      await reader.readOn(follow);
      await lines.flush();
      if (!follow || reader.isDone) return;
      await clock.sleep(options.every ?? POLL_MS_DEFAULT, io.interrupted);
      if (io.interrupted.aborted) throw new InterruptedError();
    }
  };
  try {
    await onLogDirectory(fileSystem, directory, readAll);
  } catch (error) {
    await lines.flush();
    if (error instanceof InterruptedError) return EXIT.interrupted;
    throw error;
  }
  return hasDamage ? EXIT.negative : EXIT.ok;
}

class InterruptedError extends Error {}

function describeTrouble({ kind, file, byte, lsn, why }: LogTrouble): string {
  const what = kind === 'end' ? 'unfinished end (torn, or being written)' : kind;
  return `${what}: ${file}: byte ${byte}, LSN ${lsn}: ${why}`;
}

/** JSON values as lines, written in pieces. */
class Lines {
  readonly #write: (text: string) => Promise<void>;
  #text = '';

  constructor(write: (text: string) => Promise<void>) {
    this.#write = write;
  }

  async add(value: unknown): Promise<void> {
    this.#text += `${JSON.stringify(value)}\n`;
    if (this.#text.length >= LINES_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '') await this.#write(text);
  }
}
