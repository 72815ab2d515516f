/**
 * Mutated messages against a real edge on a real socket. No answer may be a failure of the
 * server, and what reaches the node must stand in the message that was sent: no write where
 * the answer is an error, and no key that the message, decoded by other code, does not have.
 */

import { Agent, request } from 'node:http';
import { fromBinary, fromJsonString, type Message } from '@bufbuild/protobuf';
import { Identities } from '#auth/identities.ts';
import { isUserList, parseUserList } from '#auth/user-list.ts';
import { ConfigError } from '#config/config-error.ts';
import { loadConfig } from '#config/load-config.ts';
import { parseYaml } from '#config/yaml-source.ts';
import { WalnutError } from '#model/errors.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import { openServer } from '#server/open-server.ts';
import { AUTH_FILE, tokenOf, usersOf } from '#test/auth/users.ts';
import { NO_SETTINGS } from '#test/doubles/no-settings.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { FakeNode } from '#test/server/fake-node.ts';
import { type FuzzCase, mutate, nextCase } from './fuzz-cases.ts';

export interface FuzzCounts {
  messages: number;
  /** Requests that were answered without an error. */
  served: number;
  /** Records that the served ones wrote. */
  written: number;
  credentials: number;
  files: number;
}

const ENTRIES_MAX = 1_000;
const CONFIG = `server:
  port: 8080
  allowed_hosts: ["a.example"]
wal:
  directory: /data
  sync_interval: 5ms
storage:
  max_memory: 64MiB
`;

/** Throws at the first thing that is wrong, with the case. */
export async function fuzz(seed: number, messages: number): Promise<FuzzCounts> {
  const random = new SeededRandom(seed);
  const edge = await FuzzEdge.open();
  const counts = { messages: 0, served: 0, written: 0, credentials: 0, files: 0 };
  try {
    for (; counts.messages < messages; counts.messages++) {
      const kind = random.below(50);
      if (kind === 0) counts.files += tryFile(random);
      else if (kind === 1) counts.credentials += await edge.tryCredential(random);
      else await edge.tryCase(nextCase(random), counts);
    }
    return counts;
  } catch (error) {
    throw new Error(`message ${counts.messages} of seed ${seed}`, { cause: error });
  } finally {
    await edge.close();
  }
}

/** A configuration or a file of users: refused in words, or whole. */
function tryFile(random: SeededRandom): number {
  const users = JSON.stringify(AUTH_FILE);
  const text = mutate(random, Buffer.from(random.below(2) === 0 ? CONFIG : users), () =>
    Buffer.from(CONFIG),
  ).toString();
  const { values, problems } = parseYaml('file', text);
  if (problems.length === 0) {
    const parsed = parseUserList(values);
    if (isUserList(parsed) && parsed.some(({ hashes }) => hashes.length === 0))
      throw new Error(`a user without a hash: ${text}`);
  }
  try {
    loadConfig({ kind: 'master', file: 'file', text });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw new Error(text, { cause: error });
  }
  return 1;
}

class FuzzEdge {
  readonly #node = new FakeNode();
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #identities: Identities;
  #port = 0;
  #close: () => Promise<void> = async () => {};

  private constructor() {
    this.#identities = new Identities({
      clock: createNodeClock(),
      mode: 'required',
      users: usersOf(),
      random: createNodeRandom(),
      onAnonymous: () => {},
      onFailure: () => {},
      derive: async () => Buffer.alloc(32, 9),
    });
  }

  static async open(): Promise<FuzzEdge> {
    const edge = new FuzzEdge();
    const server = await openServer({
      ports: edge.#node.ports,
      clock: createNodeClock(),
      logger: silentLogger,
      metrics: new Metrics(),
      host: '127.0.0.1',
      port: 0,
      hostNames: [],
      corsOrigins: new Set(),
      settings: NO_SETTINGS,
      identities: edge.#identities,
      isIdentityRequired: true,
      valueBytesMax: 65_536,
      batchBytesMax: 65_536,
      bodyBytesMax: 64 << 20,
      answerBytesMax: 64 << 20,
      version: '0.0.0-fuzz',
      openFilesMax: 1_024,
      http1: 'own',
      http2: 'own',
    });
    edge.#port = server.port;
    edge.#close = () => server.close(0);
    return edge;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.#close();
  }

  async tryCase(one: FuzzCase, counts: FuzzCounts): Promise<void> {
    const node = this.#node;
    const before = node.lsn;
    node.calls.length = 0;
    const { status, text } = await this.#send(one);
    const shown = `${one.verb} ${one.path} ${one.type} ${one.body.toString('hex')} → ${status} ${text}`;
    if (status === 500 || text.includes('"code":"internal"'))
      throw new Error(`a failure of the server: ${shown}`);
    if (status >= 400 && node.lsn !== before) throw new Error(`an error wrote: ${shown}`);
    checkCalls(one, node.calls, shown);
    for (const key of node.entries.keys())
      if (!key.startsWith('own:')) throw new Error(`a foreign key: ${key}: ${shown}`);
    if (node.entries.size > ENTRIES_MAX) node.entries.clear();
    if (status < 400) counts.served++;
    counts.written += node.lsn - before;
  }

  /** A header that is nearly right makes nobody known. */
  async tryCredential(random: SeededRandom): Promise<number> {
    const right = `Bearer ${tokenOf('app')}`;
    const text = mutate(random, Buffer.from(right), () => Buffer.from('Basic YXBwOg==')).toString('latin1');
    if (text.replace(/^bearer +/i, 'Bearer ') === right) return 0;
    // From a new address each time, so that no password is paced.
    const remoteAddress = `10.${random.below(256)}.${random.below(256)}.1`;
    const found = await this.#identities.identify(text, {}, { remoteAddress, certificateNames: undefined });
    if (!(found instanceof WalnutError))
      throw new Error(`${JSON.stringify(text)} is taken for ${found.name}`);
    return 1;
  }

  #send({ verb, path, user, type, body }: FuzzCase): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${tokenOf(user)}`,
        'content-length': body.length,
        ...(type === undefined ? {} : { 'content-type': type }),
      };
      const options = {
        host: '127.0.0.1',
        port: this.#port,
        method: verb,
        path,
        headers,
        agent: this.#agent,
      };
      const outgoing = request(options, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }
}

/** What reached the node stands in the message, if the message can be read at all. */
function checkCalls({ input, type, body }: FuzzCase, calls: FakeNode['calls'], shown: string): void {
  if (input === undefined || calls.length === 0) return;
  let message: Message;
  try {
    message =
      type === 'application/json'
        ? fromJsonString(input, body.toString(), { ignoreUnknownFields: true })
        : fromBinary(input, body);
  } catch (error) {
    throw new Error(`what cannot be read reached the node: ${shown}`, { cause: error });
  }
  const keys = keysIn(message);
  for (const key of calls.flatMap(({ argument }) => keysIn(argument)))
    if (!keys.includes(key)) throw new Error(`the message does not have ${JSON.stringify(key)}: ${shown}`);
}

/** The fields `key` of a message or a command, and of what it consists of. */
function keysIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return [];
  return Object.entries(value).flatMap(([name, field]) =>
    name === 'key' && typeof field === 'string' ? [field] : keysIn(field),
  );
}
