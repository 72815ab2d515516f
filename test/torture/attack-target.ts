/** A real master, and what a well-behaved client sees of it while somebody attacks it. */
import { readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { hashOfToken, hashPassword, newToken } from '#auth/secret-hash.ts';
import { createNodeRandom } from '#platform/random.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { NodeProcess, pause } from './node-process.ts';

export interface Target {
  readonly port: number;
  readonly isTls: boolean;
  /** The header of a user that may read and write. */
  readonly authorization: string;
}

export interface Figures {
  /** Resident memory in MiB: before, at most while the attack went on, and after it. */
  readonly beforeMiB: number;
  readonly peakMiB: number;
  readonly afterMiB: number;
  /** Calls of the well-behaved client meanwhile, and those of them that failed. */
  readonly calls: number;
  readonly failed: number;
  readonly p99Ms: number;
  /** Those that the node still has when the attackers have gone. */
  readonly connectionsLeft: number;
}

/** How much memory an attack may take: what the bodies, the answers and the connections of a node may have. */
export const GROWTH_MIB_MAX = 1_024;

/** What the well-behaved client sends by turns: a body that is expanded at once, one that takes its turn, and reads. */
const BODIES = [gzipSync('v'), undefined, gzipSync(Buffer.alloc(100_000, 'v')), undefined];
const CALL_EVERY_MS = 2;
const MEMORY_EVERY_MS = 50;
/** How long the node may take to notice that the attackers have gone. */
const SETTLE_MS_MAX = 20_000;
/** What the well-behaved client and the look at the metrics have open. */
const OWN_CONNECTIONS = 2;

export class AttackTarget implements Target {
  readonly node: NodeProcess;
  readonly isTls: boolean;
  readonly authorization: string;
  /** The header of the well-behaved client. */
  readonly #own: string;
  readonly #agent: Agent;

  private constructor(
    node: NodeProcess,
    isTls: boolean,
    tokens: { readonly attacker: string; readonly own: string },
  ) {
    this.node = node;
    this.isTls = isTls;
    this.authorization = `Bearer ${tokens.attacker}`;
    this.#own = `Bearer ${tokens.own}`;
    const options = { keepAlive: true, maxSockets: 1 };
    this.#agent = isTls ? new HttpsAgent({ ...options, rejectUnauthorized: false }) : new Agent(options);
  }

  /** `openFiles`: the node's limit of open files, where it should be low. */
  static async start(directory: string, isTls: boolean, openFiles?: number): Promise<AttackTarget> {
    const random = createNodeRandom();
    const tokens = { attacker: newToken(random), own: newToken(random) };
    const hashes = [hashOfToken(tokens.own), await hashPassword('a password of ann', random)];
    const roles = ['reader', 'writer'];
    const users = [
      { name: 'ann', roles: [...roles, 'metrics'], tokens: hashes },
      { name: 'eve', roles, tokens: [hashOfToken(tokens.attacker)] },
    ];
    const put = async (name: string, text: string): Promise<string> => {
      const path = join(directory, name);
      await writeFile(path, text, { mode: 0o600 });
      return path;
    };
    const { cert, key } = new Authority().issue();
    const tls = ['mode=required', `cert=${await put('node.crt', cert)}`, `key=${await put('node.key', key)}`];
    const node = new NodeProcess({
      binary: 'master',
      sets: [
        `wal.directory=${join(directory, 'data')}`,
        'auth.mode=required',
        `auth.file=${await put('auth.yaml', JSON.stringify({ users }))}`,
        ...(isTls ? tls.map((each) => `server.tls.${each}`) : []),
      ],
      ...(openFiles === undefined ? {} : { wrapper: ['prlimit', `--nofile=${openFiles}:${openFiles}`] }),
    });
    if (!(await node.ready())) throw new Error(`the node ended: ${node.output}`);
    return new AttackTarget(node, isTls, tokens);
  }

  get port(): number {
    return this.node.port;
  }

  async measure(attack: (target: Target) => Promise<void>): Promise<Figures> {
    const beforeMiB = await this.#memoryMiB();
    const client = this.#callMeanwhile();
    const memory = this.#watchMemory();
    try {
      await attack(this);
    } finally {
      client.stop();
      memory.stop();
    }
    const { calls, failed, p99Ms } = await client.counts;
    const peakMiB = Math.max(await memory.peakMiB, beforeMiB);
    const connectionsLeft = await this.#settle();
    return { beforeMiB, peakMiB, afterMiB: await this.#memoryMiB(), calls, failed, p99Ms, connectionsLeft };
  }

  async end(): Promise<void> {
    this.#agent.destroy();
    await this.node.destroy();
  }

  #callMeanwhile() {
    let isOver = false;
    const run = async () => {
      const times: number[] = [];
      let failed = 0;
      while (!isOver) {
        const startMs = performance.now();
        const body = BODIES[times.length % BODIES.length];
        const verb = body === undefined ? 'GET' : 'PUT';
        const status = await this.#ask(verb, '/v1/keys/well-behaved', body).then(
          (answer) => answer.status,
          () => 0,
        );
        times.push(performance.now() - startMs);
        if (status < 200 || status > 299) failed++;
        await pause(CALL_EVERY_MS);
      }
      times.sort((a, b) => a - b);
      const p99Ms = times[Math.floor(times.length * 0.99)] ?? 0;
      return { calls: times.length, failed, p99Ms: Math.round(10 * p99Ms) / 10 };
    };
    return {
      counts: run(),
      stop: () => {
        isOver = true;
      },
    };
  }

  #watchMemory() {
    let isOver = false;
    const run = async () => {
      let peakMiB = 0;
      while (!isOver) {
        peakMiB = Math.max(peakMiB, await this.#memoryMiB());
        await pause(MEMORY_EVERY_MS);
      }
      return peakMiB;
    };
    return {
      peakMiB: run(),
      stop: () => {
        isOver = true;
      },
    };
  }

  /** Waits until the node has noticed that the attackers are gone; the connections that it still has. */
  async #settle(): Promise<number> {
    let left = Number.NaN;
    for (const endMs = Date.now() + SETTLE_MS_MAX; Date.now() < endMs; await pause(20)) {
      const { text } = await this.#ask('GET', '/metrics');
      left = Number(/^walnut_connections (\d+)$/m.exec(text)?.[1]);
      if (left <= OWN_CONNECTIONS) break;
    }
    return left;
  }

  /** 0 where the system does not tell. */
  async #memoryMiB(): Promise<number> {
    const status = await readFile(`/proc/${this.node.pid}/status`, 'utf8').catch(() => '');
    return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1_024);
  }

  /** `body`: of a PUT, gzipped. */
  #ask(method: string, path: string, body?: Buffer): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const coding = method === 'PUT' ? { 'content-encoding': 'gzip' } : {};
      const headers = { authorization: this.#own, ...coding };
      const options = { host: '127.0.0.1', port: this.port, method, path, headers, agent: this.#agent };
      const outgoing = (this.isTls ? requestHttps : request)(options, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      });
      outgoing.on('error', reject);
      outgoing.setTimeout(SETTLE_MS_MAX, () => outgoing.destroy(new Error('no answer in time')));
      outgoing.end(method === 'PUT' ? body : undefined);
    });
  }
}
