/** A `CliIo` that keeps what is written, and one call to run the tool with it. */
import type { CliIo, Terminal } from '../../cmd/walnut/cli-io.ts';
import { runWalnut } from '../../cmd/walnut/program.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly outBytes: Buffer;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Record<string, string>;
  readonly stdin?: Uint8Array;
  readonly isTerminal?: boolean;
  readonly terminal?: Terminal;
  readonly columns?: number;
  readonly interrupted?: AbortSignal;
  readonly onWrite?: (chunk: string | Uint8Array) => void;
}

export interface MemoryIo {
  readonly io: CliIo;
  readonly out: Buffer[];
  readonly err: string[];
}

export function memoryIo(options: RunOptions = {}): MemoryIo {
  const out: Buffer[] = [];
  const err: string[] = [];
  const io: CliIo = {
    write: async (chunk) => {
      out.push(Buffer.from(chunk));
      options.onWrite?.(chunk);
    },
    note: (text) => void err.push(text),
    stdin: (async function* () {
      if (options.stdin !== undefined) yield options.stdin;
    })(),
    openTerminal: () => options.terminal,
    isOutTerminal: options.isTerminal === true,
    isErrTerminal: options.isTerminal === true,
    columns: options.columns,
    env: options.env ?? {},
    interrupted: options.interrupted ?? new AbortController().signal,
  };
  return { io, out, err };
}

export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { io, out, err } = memoryIo(options);
  const code = await runWalnut(args, io);
  const outBytes = Buffer.concat(out);
  return { code, out: outBytes.toString('utf8'), outBytes, err: err.join('') };
}
