/** A master whose longest turns are read, and requests to it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { asShipped } from '../unary/processes.ts';
import type { StallMessage } from './stall-messages.ts';

const ROOT = join(import.meta.dirname, '../..');
const START_MS_MAX = 30_000;
/** The status of RESOURCE_EXHAUSTED. */
const TOO_MUCH = 429;

export class ProbedServer {
  readonly #child: ChildProcess;
  readonly port: number;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(directory: string): Promise<ProbedServer> {
    const sets = [
      'server.port=0',
      'server.address=127.0.0.1',
      `wal.directory=${directory}`,
      'log.format=json',
    ];
    const args = sets.flatMap((set) => ['--set', set]);
    const { nodeFlags, env } = asShipped('cmd/master.ts', args);
    const probe = ['--import', join(import.meta.dirname, 'stall-probe.ts')];
    const argv = [...nodeFlags, ...probe, join(ROOT, 'cmd/master.ts'), ...args];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env });
    return new ProbedServer(child, await portOf(child));
  }

  readLongestMs(): Promise<number> {
    return new Promise((resolve) => {
      const onMessage = (message: unknown): void => {
        // The node itself tells its parent that it listens to signals.
        if (typeof message !== 'number') return;
        this.#child.off('message', onMessage);
        resolve(message);
      };
      this.#child.on('message', onMessage);
      this.#child.send('read');
    });
  }

  send({ name, path, verb, type, isGzip, isRefused = false, body }: StallMessage): Promise<Buffer> {
    const headers = { 'content-type': type, 'content-length': body.length };
    const encoding = isGzip ? { 'content-encoding': 'gzip' } : {};
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, path, method: verb, agent: this.#agent };
      const sent = request({ ...options, headers: { ...headers, ...encoding } }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer = Buffer.concat(chunks);
          const { statusCode = 0 } = response;
          if (isRefused ? statusCode === TOO_MUCH : statusCode < 300) resolve(answer);
          else reject(new Error(`${name}: ${statusCode} ${answer.toString('utf8', 0, 300)}`));
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  stop(): Promise<void> {
    this.#agent.destroy();
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGTERM');
    return ended;
  }
}

function portOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (): void => reject(new Error(`the server is not ready: ${output.slice(-500)}`));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail();
    }, START_MS_MAX);
    child.once('exit', fail);
    child.stderr?.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      const port = /"address":"127\.0\.0\.1:(\d+)"[\s\S]*"recovered"/.exec(output)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      output = '';
      resolve(Number(port));
    });
  });
}
