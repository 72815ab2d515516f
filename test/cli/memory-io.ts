/** A `CliIo` that keeps what is written, and one call to run the tool with it. */
import type { CliIo } from '../../cmd/walnut/cli-io.ts';
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
  readonly interrupted?: AbortSignal;
  readonly onWrite?: () => void;
}

export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const out: Buffer[] = [];
  let err = '';
  const io: CliIo = {
    write: async (chunk) => {
      out.push(Buffer.from(chunk));
      options.onWrite?.();
    },
    note: (text) => {
      err += text;
    },
    stdin: (async function* () {
      if (options.stdin !== undefined) yield options.stdin;
    })(),
    isOutTerminal: options.isTerminal === true,
    isErrTerminal: options.isTerminal === true,
    env: options.env ?? {},
    interrupted: options.interrupted ?? new AbortController().signal,
  };
  const code = await runWalnut(args, io);
  const outBytes = Buffer.concat(out);
  return { code, out: outBytes.toString('utf8'), outBytes, err };
}
