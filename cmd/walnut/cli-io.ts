/**
 * The part of its process that the command line tool uses: streams, terminal, environment,
 * Ctrl-C. Tests supply their own; nothing else in `cmd/walnut` uses `process`.
 */
import { fstatSync } from 'node:fs';
import { isOnATerminal } from '#platform/shutdown-signals.ts';
import { createWriteOut } from '#platform/standard-output.ts';

/** A terminal that lines are typed at. */
export interface Terminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream & { readonly columns?: number };
}

export interface CliIo {
  /** Writes the whole text to stdout. Rejects with the system's error if that fails. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** Writes to stderr. Never fails: if nobody can read stderr, the exit code must suffice. */
  note(text: string): void;
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Undefined unless stdin and stdout are a terminal. Opens stdin, which most commands leave alone. */
  openTerminal(): Terminal | undefined;
  readonly isOutTerminal: boolean;
  readonly isErrTerminal: boolean;
  /** The width of the terminal; undefined if it is unknown or there is no terminal. */
  readonly columns: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first Ctrl-C or SIGTERM. */
  readonly interrupted: AbortSignal;
}

const STDIN = 0;
/** Ctrl-C reaches a child twice (terminal and launcher), so repeats within this time are one. */
const REPEAT_MS = 2_000;

/** The `CliIo` of this process. A second Ctrl-C after two seconds ends the process at once. */
export function createProcessIo(): CliIo {
  // A failure to write progress or advice must not end the command.
  process.stderr.on('error', () => undefined);
  return {
    write: createWriteOut(),
    note: (text) => void process.stderr.write(text),
    stdin: { [Symbol.asyncIterator]: readStdin },
    openTerminal: () => {
      const { stdin: input, stdout: output } = process;
      return output.isTTY === true && input.isTTY === true ? { input, output } : undefined;
    },
    isOutTerminal: process.stdout.isTTY === true,
    isErrTerminal: process.stderr.isTTY === true,
    columns: process.stdout.columns,
    env: process.env,
    interrupted: listenForInterruption(),
  };
}

/** Node's own stream treats a directory as an empty file. */
async function* readStdin(): AsyncGenerator<Uint8Array> {
  if (fstatSync(STDIN).isDirectory()) {
    const error = new Error('EISDIR: cannot read standard input, which is a directory');
    throw Object.assign(error, { code: 'EISDIR', syscall: 'read' });
  }
  yield* process.stdin as AsyncIterable<Uint8Array>;
}

function listenForInterruption(): AbortSignal {
  const interruption = new AbortController();
  let firstMs = 0;
  const onSignal = (code: number) => (): void => {
    if (!interruption.signal.aborted) {
      firstMs = Date.now();
      interruption.abort();
    } else if (Date.now() - firstMs > REPEAT_MS) {
      process.exit(code);
    }
  };
  process.on('SIGINT', onSignal(130));
  process.on('SIGTERM', onSignal(143));
  // A process without a terminal, as under nohup, ignores SIGHUP. SIGUSR1 would open Node's
  // debugger.
  process.on('SIGHUP', isOnATerminal() ? onSignal(129) : () => undefined);
  if (process.platform !== 'win32') process.on('SIGUSR1', () => undefined);
  return interruption.signal;
}
