/**
 * A real `cmd/master.ts` on 127.0.0.1 and a port of its own, optionally under
 * strace, which injects faults into its system calls. It writes its log lines
 * to a file's worth of memory here; `address` comes from the line `listening`.
 *
 * `strace -D` makes the master itself the child, so signals and exit codes are
 * its own. One pool thread, because strace counts calls per thread.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '#test/house/source-files.ts';

export interface MasterOptions {
  readonly directory: string;
  /** `section.key=value`. */
  readonly sets?: readonly string[];
  /** Arguments of strace before the command, without `-D`, `-f` and `-o`; the trace goes to `traceFile`. */
  readonly strace?: readonly string[] | undefined;
  readonly traceFile?: string | undefined;
  /** One pool thread, so that a tracer attached later can count calls. */
  readonly hasOneThread?: boolean;
  /** A command line to put before the master's, such as a shell that lowers a limit. */
  readonly wrapper?: readonly string[] | undefined;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly atMs: number;
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads from JSON it checks by value.
  readonly body: any;
}

const START_MS_MAX = 60_000;
const CALL_MS_MAX = 30_000;
const POLL_MS = 10;

export class MasterProcess {
  readonly exited: Promise<Exit>;
  exit: Exit | undefined;
  readonly #child: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  #output = '';

  constructor(options: MasterOptions) {
    const { directory, sets = [], strace, traceFile = '/dev/null', wrapper = [] } = options;
    const hasOneThread = options.hasOneThread ?? strace !== undefined;
    const settings = [
      'server.port=0',
      'server.address=127.0.0.1',
      'wal.fsync=always',
      'log.format=json',
      `wal.directory=${directory}`,
      ...sets,
    ];
    const tracer =
      strace === undefined ? [] : ['strace', '-D', '-f', '-ttt', '-y', '-o', traceFile, ...strace];
    const node = [process.execPath, join(ROOT, 'cmd/master.ts')];
    const line = [...wrapper, ...tracer, ...node, ...settings.flatMap((each) => ['--set', each])];
    const [command = '', ...args] = line;
    const env = { ...process.env, UV_THREADPOOL_SIZE: hasOneThread ? '1' : '4' };
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    this.#child.stdout?.on('data', (bytes: Buffer) => this.#note(bytes));
    this.#child.stderr?.on('data', (bytes: Buffer) => this.#note(bytes));
    this.exited = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('exit', (code, signal) => {
        this.exit = { code, signal, atMs: Date.now() };
        resolve(this.exit);
      });
    });
    this.exited.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** From the line `listening`; 0 before it. */
  get port(): number {
    return Number(/"address":"127\.0\.0\.1:(\d+)"/.exec(this.#output)?.[1] ?? 0);
  }

  /** Everything it has said. */
  get output(): string {
    return this.#output;
  }

  /** True once it takes writes; false where it ended before. */
  async ready(): Promise<boolean> {
    for (const endMs = Date.now() + START_MS_MAX; Date.now() < endMs; ) {
      if (this.exit !== undefined) return false;
      if (this.#output.includes('"recovered"')) return true;
      await pause(POLL_MS);
    }
    throw new Error(`not ready within a minute: ${this.#output}`);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Kills and waits for the end. */
  async destroy(): Promise<Exit> {
    if (this.exit === undefined) this.#child.kill('SIGKILL');
    const exit = await this.exited;
    this.#agent.destroy();
    return exit;
  }

  /** One Connect call in JSON. Rejects where no answer comes. */
  call(method: string, body: object): Promise<Answer> {
    const payload = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    return new Promise((resolve, reject) => {
      const path = `/walnut.v1.${method}`;
      const outgoing = request({
        host: '127.0.0.1',
        port: this.port,
        path,
        method: 'POST',
        headers,
        agent: this.#agent,
      });
      outgoing.on('error', reject);
      outgoing.setTimeout(CALL_MS_MAX, () => outgoing.destroy(new Error('no answer in time')));
      let isAnswered = false;
      // Whatever becomes of the connection, the caller hears of it.
      outgoing.on('close', () => {
        if (!isAnswered) reject(new Error('no answer'));
      });
      outgoing.on('response', (incoming) => {
        isAnswered = true;
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        // A connection cut in the middle of an answer is no answer.
        incoming.on('close', () => {
          if (!incoming.complete) return reject(new Error('the answer was cut off'));
          resolve({
            status: incoming.statusCode ?? 0,
            body: JSON.parse(Buffer.concat(chunks).toString() || '{}'),
          });
        });
      });
      outgoing.end(payload);
    });
  }

  #note(bytes: Buffer): void {
    this.#output += bytes.toString();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Runs `work` with a scratch directory that is gone afterwards. */
export async function withScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'walnut-torture-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Runs a command to its end; the exit code, or -1 where it could not be run. */
export function runCommand(
  command: string,
  args: readonly string[],
): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    child.stderr.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    child.on('error', () => resolve({ code: -1, output }));
    child.on('close', (code) => resolve({ code: code ?? -1, output }));
  });
}

/** Traces a process that runs already, from now until `detach`. Resolves once it is attached. */
export async function attachStrace(
  pid: number,
  args: readonly string[],
  traceFile: string,
): Promise<{ detach: () => Promise<void> }> {
  const line = ['-f', '-ttt', '-y', '-o', traceFile, ...args, '-p', String(pid)];
  const child = spawn('strace', line, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => {
    child.on('error', () => resolve());
    child.on('close', () => resolve());
  });
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  for (let i = 0; i < 1_000 && !said.includes('attached') && child.exitCode === null; i++)
    await pause(POLL_MS);
  if (!said.includes('attached')) throw new Error(`strace cannot attach: ${said}`);
  return {
    detach: async () => {
      if (child.exitCode === null) child.kill('SIGTERM');
      await ended;
    },
  };
}

/** Why system calls cannot be failed here; undefined where they can. */
export async function whyNoStrace(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'strace is for Linux';
  const { code, output } = await runCommand('strace', ['-f', '-e', 'trace=fdatasync', 'true']);
  return code === 0
    ? undefined
    : `strace does not run here: ${output.trim().split('\n').at(-1) || 'not installed'}`;
}

/** What strace has written so far. */
export function readTrace(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
