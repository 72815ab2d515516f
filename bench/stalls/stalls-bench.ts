/**
 * The largest messages of the unary rpcs, one at a time: the longest turn of the server's
 * event loop with each, in processor time of its thread.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../figures.ts';
import type { Figure, SuiteReport } from '../report.ts';
import { asShipped } from '../unary/processes.ts';
import { FILLS, type StallMessage, stallMessages } from './stall-messages.ts';

export interface StallsBench {
  readonly rounds: number;
  /** Messages whose name has this text. */
  readonly only: string;
}

const ROOT = join(import.meta.dirname, '../..');
const START_MS_MAX = 30_000;
/** What ends after its answer, such as the release of memory, belongs to the message. */
const AFTER_MS = 30;
/** The status of RESOURCE_EXHAUSTED. */
const TOO_MUCH = 429;

export async function benchStalls({ rounds, only }: StallsBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-stalls-'));
  const server = await ProbedServer.start(directory);
  try {
    for (const body of FILLS) await server.send(batch(body));
    const mark = JSON.parse(String(await server.send(MARK))) as { position: { epoch: string; lsn: string } };
    const after = { epoch: BigInt(mark.position.epoch), lsn: BigInt(mark.position.lsn) };
    await server.send(batch(FILLS[0] as Uint8Array));
    const figures: Figure[] = [];
    for (const message of stallMessages(after)) {
      if (message.name.includes(only)) figures.push(await measure(server, message, rounds));
    }
    const how = 'one message at a time; processor time of the longest turn of the event loop';
    return { suite: 'stalls', how, pairs: [], figures };
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

const BATCH_PATH = '/walnut.v1.KVStore/Batch';

function batch(body: Uint8Array): StallMessage {
  return { name: 'fill', path: BATCH_PATH, verb: 'POST', type: 'application/proto', isGzip: false, body };
}

const MARK: StallMessage = {
  ...batch(Buffer.from('{"key":"mark"}')),
  path: '/walnut.v1.KVStore/Set',
  type: 'application/json',
};

async function measure(server: ProbedServer, message: StallMessage, rounds: number): Promise<Figure> {
  // The first one compiles what the others run.
  await server.send(message);
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await server.readLongestMs();
    await server.send(message);
    await new Promise((resolve) => setTimeout(resolve, AFTER_MS));
    values.push(await server.readLongestMs());
  }
  process.stderr.write(`${median(values).toFixed(0)} ms  ${message.name}\n`);
  return { what: message.name, unit: 'ms', values, aim: 'at most 50' };
}

class ProbedServer {
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.#port = port;
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
      this.#child.once('message', (ms) => resolve(Number(ms)));
      this.#child.send('read');
    });
  }

  send({ name, path, verb, type, isGzip, isRefused = false, body }: StallMessage): Promise<Buffer> {
    const headers = { 'content-type': type, 'content-length': body.length };
    const encoding = isGzip ? { 'content-encoding': 'gzip' } : {};
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.#port, path, method: verb, agent: this.#agent };
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
