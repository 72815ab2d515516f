/**
 * The certificate of a real master, the tokens of its users and the users themselves, changed
 * again and again while others write: no write of a user that stays may fail, and who is
 * removed is out, with open streams too.
 */
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { Agent, type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { hashOfToken, newToken } from '#auth/secret-hash.ts';
import { createNodeRandom } from '#platform/random.ts';
import { Authority, type Issued } from '#test/doubles/certificates.ts';
import { connect } from '../../client/connect.ts';
import { NodeProcess, pause } from './node-process.ts';
import { until } from './until.ts';

export interface Rotations {
  /** Acknowledged ones of users that stay. */
  writes: number;
  /** Those among them that made a connection of their own. */
  connected: number;
  /** What their calls failed with; at most ten. */
  readonly failures: string[];
  /** From the removal of a user to the refusal of its calls, in milliseconds. */
  readonly callsOutMs: number[];
  /** From the removal of a user to the end of its stream, in milliseconds. */
  readonly streamsOutMs: number[];
}

const WRITERS = 4;
const FAILURES_MAX = 10;
const WAIT_MS_MAX = 30_000;
const POLL_MS = 10;
const VALUE = Buffer.from('value');
const random = createNodeRandom();

interface User {
  readonly name: string;
  readonly tokens?: readonly string[];
  readonly certificates?: readonly string[];
}

/** How a caller says who it is. */
type Credential = Pick<RequestOptions, 'headers' | 'cert' | 'key'>;

export async function rotateAgainAndAgain(
  directory: string,
  rounds: number,
  onRound: (round: number) => void = () => {},
): Promise<Rotations> {
  const rig = await RotationRig.start(directory);
  try {
    for (let round = 1; round <= rounds; round++) {
      onRound(round);
      await rig.rotate(round);
    }
    await rig.stopWriting();
    return rig.counts;
  } finally {
    await rig.end();
  }
}

class RotationRig {
  readonly counts: Rotations = { writes: 0, connected: 0, failures: [], callsOutMs: [], streamsOutMs: [] };
  readonly #directory: string;
  readonly #authority = new Authority();
  readonly #agent = new Agent({ keepAlive: true });
  #node: NodeProcess | undefined;
  #token = newToken(random);
  #isOver = false;
  #writing: Promise<unknown> = Promise.resolve();
  /** Writers that use the token of now. */
  #switched = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(directory: string): Promise<RotationRig> {
    await mkdir(directory, { recursive: true });
    const rig = new RotationRig(directory);
    await rig.#giveCertificate();
    await rig.#put('ca.crt', rig.#authority.cert);
    await rig.#giveUsers([{ name: 'app', tokens: [rig.#token] }]);
    const tls = [
      'mode=required',
      'client_auth=request',
      ...rig.#paths('cert=node.crt', 'key=node.key', 'client_ca=ca.crt'),
    ];
    const node = new NodeProcess({
      binary: 'master',
      sets: [
        ...rig.#paths('wal.directory=data', 'auth.file=auth.yaml'),
        'auth.mode=required',
        ...tls.map((each) => `server.tls.${each}`),
      ],
    });
    rig.#node = node;
    if (!(await node.ready())) throw new Error(`the node ended: ${node.output}`);
    const writers = Array.from({ length: WRITERS }, (_, i) => rig.#write(i));
    rig.#writing = Promise.all([...writers, rig.#writeOnNewConnections()]);
    return rig;
  }

  async rotate(round: number): Promise<void> {
    const [before, now] = [this.#token, newToken(random)];
    const leaverToken = newToken(random);
    const guest = this.#authority.issue({ dns: [`guest-${round}.example`] });
    const leaving: User[] = [
      { name: `leaver-${round}`, tokens: [leaverToken] },
      { name: `guest-${round}`, certificates: [`dns:guest-${round}.example`] },
    ];
    await this.#giveUsers([{ name: 'app', tokens: [before, now] }, ...leaving]);
    await this.#giveCertificate();
    const credentials: readonly Credential[] = [bearer(leaverToken), guest];
    for (const each of [bearer(now), ...credentials])
      await this.#until(async () => (await this.#status(each)) !== 401, 'the new users are in');
    this.#switched = 0;
    this.#token = now;
    const streams = await Promise.all(credentials.map((each) => this.#openStream(each)));
    await this.#until(() => this.#switched === WRITERS, 'the writers have the new token');

    const removedMs = performance.now();
    const streamsOut = streams.map(async ({ ended }) => {
      await ended;
      this.counts.streamsOutMs.push(performance.now() - removedMs);
    });
    await this.#giveUsers([{ name: 'app', tokens: [now] }]);
    const callsOut = [bearer(before), ...credentials].map(async (each) => {
      await this.#until(async () => (await this.#status(each)) === 401, 'the removed users are out');
      this.counts.callsOutMs.push(performance.now() - removedMs);
    });
    await Promise.all([...streamsOut, ...callsOut]);
  }

  async stopWriting(): Promise<void> {
    this.#isOver = true;
    await this.#writing;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    this.#agent.destroy();
    await this.#node?.destroy();
    await this.#writing;
  }

  /** On one connection, until there is a new token. */
  async #write(writer: number): Promise<void> {
    while (!this.#isOver) {
      const token = this.#token;
      const client = connect({
        address: `https://127.0.0.1:${this.#node?.port}`,
        tls: { ca: this.#authority.cert },
        token,
      });
      this.#switched++;
      for (let i = 0; token === this.#token && !this.#isOver; i++) {
        await this.#count(() => client.set(`writer:${writer}:${i % 100}`, VALUE));
        await pause(2);
      }
      await client.close();
    }
  }

  async #writeOnNewConnections(): Promise<void> {
    while (!this.#isOver) {
      const isDone = await this.#count(async () => {
        const agent = new Agent({ keepAlive: false, maxCachedSessions: 0 });
        const status = await this.#status({ ...bearer(this.#token), agent }, 'PUT');
        if (status > 299) throw new Error(`a write on a connection of its own was answered ${status}`);
      });
      if (isDone) this.counts.connected++;
      await pause(5);
    }
  }

  async #count(write: () => Promise<unknown>): Promise<boolean> {
    try {
      await write();
      this.counts.writes++;
      return true;
    } catch (error) {
      if (!this.#isOver && this.counts.failures.length < FAILURES_MAX)
        this.counts.failures.push((error as Error).message);
      return false;
    }
  }

  #status(credential: Credential & Pick<RequestOptions, 'agent'>, method = 'GET'): Promise<number> {
    return new Promise((resolve, reject) => {
      const outgoing = request(this.#options(method, '/v1/keys/own', credential), (incoming) => {
        incoming.resume();
        incoming.on('end', () => resolve(incoming.statusCode ?? 0));
      });
      outgoing.on('error', reject);
      outgoing.end(method === 'PUT' ? 'value' : undefined);
    });
  }

  /** Resolves when it is there. */
  async #openStream(credential: Credential): Promise<{ readonly ended: Promise<unknown> }> {
    const outgoing = request(this.#options('GET', '/v1/watch?prefix=none', credential));
    outgoing.end();
    const [incoming] = await once(outgoing, 'response');
    if (incoming.statusCode !== 200) throw new Error(`a stream was answered ${incoming.statusCode}`);
    incoming.on('error', () => {});
    incoming.resume();
    return { ended: once(incoming, 'close') };
  }

  #options(
    method: string,
    path: string,
    credential: Credential & Pick<RequestOptions, 'agent'>,
  ): RequestOptions {
    return {
      host: '127.0.0.1',
      port: this.#node?.port,
      method,
      path,
      ca: this.#authority.cert,
      agent: this.#agent,
      ...credential,
    };
  }

  #until(isDone: () => boolean | Promise<boolean>, what: string): Promise<void> {
    const said = () => `${what}; the node says ${this.#node?.output.slice(-2_000)}`;
    return until(said, isDone, { msMax: WAIT_MS_MAX, everyMs: POLL_MS });
  }

  async #giveCertificate(): Promise<void> {
    const { cert, key }: Issued = this.#authority.issue();
    await this.#put('node.key', key);
    await this.#put('node.crt', cert);
  }

  async #giveUsers(users: readonly User[]): Promise<void> {
    const listed = users.map(({ name, tokens = [], certificates = [] }) => ({
      name,
      roles: ['reader', 'writer'],
      ...(tokens.length === 0 ? {} : { tokens: tokens.map(hashOfToken) }),
      ...(certificates.length === 0 ? {} : { certificates }),
    }));
    await this.#put('auth.yaml', JSON.stringify({ users: listed }));
  }

  /** Whole, by a rename. */
  async #put(name: string, text: string): Promise<void> {
    const path = join(this.#directory, name);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }

  /** `key=NAME` → `key=PATH`. */
  #paths(...settings: readonly string[]): string[] {
    return settings.map((each) => each.replace('=', `=${this.#directory}/`));
  }
}

function bearer(token: string): Credential {
  return { headers: { authorization: `Bearer ${token}` } };
}
