/**
 * What the command line tool sees of its process: streams, terminal or not,
 * environment, Ctrl-C. The tests bring their own; nothing else in `cmd/walnut`
 * touches `process`.
 */
import { fstatSync } from 'node:fs';
import { isOnATerminal } from '#platform/shutdown-signals.ts';
import { createWriteOut } from '#platform/standard-output.ts';

export interface CliIo {
  /** Writes all of it to stdout; rejects with the system's error where that fails. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** Writes to stderr. Never fails: the exit code has to do where nobody can read it. */
  note(text: string): void;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly isOutTerminal: boolean;
  readonly isErrTerminal: boolean;
  /** Of the terminal; undefined where it does not say, or there is none. */
  readonly columns: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first Ctrl-C or SIGTERM. */
  readonly interrupted: AbortSignal;
}

const STDIN = 0;
/** Ctrl-C reaches a child twice (terminal and launcher), so repeats within this time are one. */
const REPEAT_MS = 2_000;

/** The process itself. A second Ctrl-C after two seconds ends it at once. */
export function createProcessIo(): CliIo {
  // What is said beside the answer (progress, advice) must not end the command where it cannot be written.
  process.stderr.on('error', () => undefined);
  return {
    write: createWriteOut(),
    note: (text) => void process.stderr.write(text),
    stdin: { [Symbol.asyncIterator]: readStdin },
    isOutTerminal: process.stdout.isTTY === true,
    isErrTerminal: process.stderr.isTTY === true,
    columns: process.stdout.columns,
    env: process.env,
    interrupted: listenForInterruption(),
  };
}

/** Node's own stream takes a directory for an empty file. */
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
  // Without a terminal to lose, as under nohup, a hang-up changes nothing. SIGUSR1 would open Node's debugger.
  process.on('SIGHUP', isOnATerminal() ? onSignal(129) : () => undefined);
  if (process.platform !== 'win32') process.on('SIGUSR1', () => undefined);
  return interruption.signal;
}
