/**
 * What the command line tool sees of its process: streams, terminal or not,
 * environment, Ctrl-C. The tests bring their own; nothing else in `cmd/walnut`
 * touches `process`.
 */
import pc from 'picocolors';
import { isOnATerminal } from '#platform/shutdown-signals.ts';

export interface CliIo {
  /** Writes to stdout; resolves when the stream has room again. */
  write(chunk: string | Uint8Array): Promise<void>;
  /** Writes to stderr. */
  note(text: string): void;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly isOutTerminal: boolean;
  readonly isErrTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first Ctrl-C or SIGTERM. */
  readonly interrupted: AbortSignal;
}

export type Colors = ReturnType<typeof pc.createColors>;

/** Colours only on a terminal, and not where NO_COLOR (https://no-color.org) is set. */
export function chooseColors(io: CliIo, isTerminal: boolean): Colors {
  const hasOptedOut = (io.env.NO_COLOR ?? '') !== '' || io.env.TERM === 'dumb';
  return pc.createColors(isTerminal && !hasOptedOut);
}

/** Ctrl-C reaches a child twice (terminal and launcher), so repeats within this time are one. */
const REPEAT_MS = 2_000;

/** The process itself. A second Ctrl-C after two seconds ends it at once. */
export function createProcessIo(): CliIo {
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
  // A reader that went away (`| head`) is no failure of ours, and nothing is left to say.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  // What is said beside the answer (progress, advice) must not end the command where it cannot be written.
  process.stderr.on('error', () => undefined);
  return {
    write: writeToStdout,
    note: (text) => void process.stderr.write(text),
    stdin: process.stdin,
    isOutTerminal: process.stdout.isTTY === true,
    isErrTerminal: process.stderr.isTTY === true,
    env: process.env,
    interrupted: interruption.signal,
  };
}

function writeToStdout(chunk: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(chunk)) resolve();
    else process.stdout.once('drain', resolve);
  });
}
