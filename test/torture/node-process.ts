/**
 * A real `cmd/master.ts`, or another binary that serves, in a process of its own. Its log
 * lines are kept here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { BINARIES } from '#test/doubles/binaries.ts';

export interface NodeProcessOptions {
  readonly binary: 'master' | 'slave' | 'node' | 'gateway' | 'coordinator';
  /** Default: a free one, known from the line `listening` on. */
  readonly port?: number | undefined;
  /** `section.key=value`. */
  readonly sets: readonly string[];
  /** Such as `--force-role`. */
  readonly flags?: readonly string[] | undefined;
  /** A command line to put before the node's, such as a tracer or a shell that lowers a limit. */
  readonly wrapper?: readonly string[] | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** For Node itself, such as those that the launcher gives. */
  readonly nodeFlags?: readonly string[] | undefined;
  /** The checkout whose binaries run; default this one, or what is built of it. */
  readonly root?: string | undefined;
  /** Where it is reached; default 127.0.0.1, where it also binds a free port. */
  readonly host?: string | undefined;
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
/** Code in a directory that is gone after the test would stay in the cache of compiled code. */
const UNCACHED = { NODE_DISABLE_COMPILE_CACHE: '1' };

export class NodeProcess {
  readonly host: string;
  /** Resolves once it has ended and `output` has all that it said. */
  readonly exited: Promise<Exit>;
  exit: Exit | undefined;
  readonly #child: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  #output = '';
  #port = 0;

  constructor(options: NodeProcessOptions) {
    const { binary, sets, flags = [], wrapper = [], env = {}, nodeFlags = [] } = options;
    const { host = '127.0.0.1', root = BINARIES } = options;
    this.host = host;
    this.#port = options.port ?? 0;
    const settings = [`server.port=${this.#port}`, `server.address=${host}`, 'log.format=json', ...sets];
    const node = [process.execPath, ...nodeFlags, join(root, `cmd/${binary}.ts`)];
    const line = [...wrapper, ...node, ...settings.flatMap((each) => ['--set', each]), ...flags];
    const [command = '', ...args] = line;
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '4', ...(root === BINARIES ? {} : UNCACHED), ...env },
    });
    this.#child.stdout?.on('data', (bytes: Buffer) => this.#note(bytes));
    this.#child.stderr?.on('data', (bytes: Buffer) => this.#note(bytes));
    this.exited = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('exit', (code, signal) => {
        this.exit = { code, signal, atMs: Date.now() };
      });
      this.#child.on('close', () => resolve(this.exit as Exit));
    });
    this.exited.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** 0 where it is not known yet. */
  get port(): number {
    if (this.#port === 0) this.#port = Number(/"address":"[^"]*:(\d+)","role"/.exec(this.#output)?.[1] ?? 0);
    return this.#port;
  }

  /** Everything it has said. */
  get output(): string {
    return this.#output;
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  /** True once it has recovered; false where it ended before. */
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

  /** One Connect call in JSON. Rejects where no answer comes in time. */
  call(method: string, body: object, timeoutMs = CALL_MS_MAX): Promise<Answer> {
    const payload = JSON.stringify(body);
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    return new Promise((resolve, reject) => {
      const path = `/walnut.v1.${method}`;
      const outgoing = request({
        host: this.host,
        port: this.port,
        path,
        method: 'POST',
        headers,
        agent: this.#agent,
      });
      outgoing.on('error', reject);
      outgoing.setTimeout(timeoutMs, () => outgoing.destroy(new Error('no answer in time')));
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
