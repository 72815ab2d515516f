/**
 * Every method, for every kind of caller, on keys of its own and of others, in clear text, by
 * TLS and with a client certificate: allowed or refused as the table of methods and the roles
 * say, and nothing is done where refused.
 * What is expected is worked out here, not by the code under test.
 */
import { Agent as HttpAgent, request } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import type { Operation } from '#model/access.ts';
import { operationsOf } from '#model/methods.ts';
import { createNodeRandom } from '#platform/random.ts';
import { AUTH_FILE, tokenOf, USER_NAMES, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { CLIENTS, SERVERS, startTls } from '#test/rpc/tls/running-tls.ts';
import { onCleanup, type PlainAnswer, type Running, start } from '#test/server/running.ts';

const MAY: Readonly<Record<string, readonly string[]>> = {
  reader: ['read'],
  writer: ['write'],
  both: ['read', 'write'],
  monitor: ['observe', 'metrics'],
  operator: ['observe', 'metrics', 'admin'],
  chief: ['observe', 'metrics', 'admin', 'read', 'write'],
  replica: ['replicate', 'follow', 'observe', 'read'],
  observer: ['follow', 'observe', 'read'],
  coordinator: ['coordinate', 'observe'],
  gateway: ['read', 'write', 'observe'],
  metrics: ['metrics'],
  app: ['read', 'write'],
  viewer: ['read'],
  feeder: ['write'],
  checkpointer: ['admin'],
  getter: ['read'],
  explainer: ['read'],
  stranger: [],
  impostor: [],
};
/** Those whose keys begin with `own:`. */
const OWNERS = ['app', 'viewer', 'feeder'];
/** Methods that the users with few methods may call. */
const FEW: Readonly<Record<string, RegExp>> = {
  replica: /\.Replication\/|KVStore\/GetUpdates$|Admin\/Status$/,
  observer: /Replication\/(RegisterObserver|Observe|FetchSnapshot)$|KVStore\/GetUpdates$|Admin\/Status$/,
  coordinator: /Admin\/Status$/,
  gateway: /\.KVStore\/|Admin\/Status$/,
  checkpointer: /Admin\/Checkpoint$/,
  getter: /KVStore\/Get$/,
  explainer: /KVStore\/Explain$/,
};

/** What single operations need on their key; other methods take no key. */
const KEYED: Readonly<Record<string, 'read' | 'write'>> = {
  Get: 'read',
  Explain: 'read',
  Set: 'write',
  Delete: 'write',
  Increment: 'write',
  Touch: 'write',
  DeletePrefix: 'write',
};

function bodyOf(method: string, key: string): object {
  if (method === 'DeletePrefix') return { prefix: key };
  if (method === 'Touch') return { key, ttlMs: '1000' };
  if (method === 'Batch') return { operations: [{ set: { key, value: 'eA==' } }] };
  return method in KEYED ? { key } : {};
}

/** How a caller reaches the server and says who it is: by a token, or by a client certificate. */
const WAYS = ['clear text', 'TLS', 'a client certificate'] as const;
type Way = (typeof WAYS)[number];

const certificateOf = (name: string): string => `${name}.users.example`;
const USERS = usersOf({
  ...AUTH_FILE,
  users: AUTH_FILE.users.map((user) => ({ ...user, certificates: [`dns:${certificateOf(user.name)}`] })),
});

interface Caller {
  readonly running: Running;
  /** On a connection that is kept. */
  ask(
    verb: string,
    path: string,
    headers?: Record<string, string>,
    body?: string | Buffer,
  ): Promise<PlainAnswer>;
}

async function open(name: string, way: Way): Promise<Caller> {
  const identities = new Identities({
    clock: new VirtualClock(),
    mode: 'required',
    users: USERS,
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  const guarded = { identities, isIdentityRequired: true };
  const isKnown = name !== 'stranger';
  const hasToken = isKnown && way !== 'a client certificate';
  const credential = hasToken ? { authorization: `Bearer ${tokenOf(name)}` } : {};
  if (way === 'clear text') {
    const running = await start(guarded);
    const agent = new HttpAgent({ keepAlive: true, maxSockets: 1 });
    return { running, ask: asking(running, request, { agent }, credential) };
  }
  const running = await startTls({ clientAuth: 'request' }, guarded);
  const own = isKnown && !hasToken ? CLIENTS.issue({ dns: [certificateOf(name)] }) : {};
  const agent = new HttpsAgent({ keepAlive: true, maxSockets: 1, ca: SERVERS.cert, ...own });
  return { running, ask: asking(running, requestHttps, { agent }, credential) };
}

function asking(
  { server }: Running,
  send: typeof request,
  { agent }: { readonly agent: HttpAgent },
  credential: Record<string, string>,
): Caller['ask'] {
  onCleanup(() => agent.destroy());
  return (method, path, headers = {}, body = '') =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: server.port, method, path, agent };
      const outgoing = send({ ...options, headers: { ...credential, ...headers } }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const all = Buffer.concat(chunks);
          const { statusCode: status = 0, headers: answered } = response;
          resolve({ status, headers: answered, body: all, text: all.toString() });
        });
      });
      outgoing.on('error', reject);
      outgoing.end(body);
    });
}

/** What the answer must be: the status of a refusal, or undefined for anything else. */
function expected(
  caller: string,
  { name, access = 'admin', wholeSpace }: Operation,
  key: string,
): number | undefined {
  if (access === 'health' || access === 'open') return undefined;
  if (caller === 'stranger' || caller === 'impostor') return 401;
  if (access === 'known') return undefined;
  const may = MAY[caller] ?? [];
  const isNamed = FEW[caller]?.test(name) ?? true;
  const isWhole = wholeSpace === undefined || (may.includes(wholeSpace) && !OWNERS.includes(caller));
  const has = access === 'either' ? may.includes('read') || may.includes('write') : may.includes(access);
  if (!isNamed || !isWhole || !has) return 403;
  const needs = KEYED[name.slice(name.lastIndexOf('/') + 1)];
  const isForeign = OWNERS.includes(caller) && !key.startsWith('own:');
  return needs !== undefined && isForeign ? 403 : undefined;
}

const OPERATIONS = operationsOf('node');
const RPCS = OPERATIONS.filter(
  ({ name }) => /^\/walnut/.test(name) && !/Watch$|FetchSnapshot$|Scrub$/.test(name),
);
const STREAMS = OPERATIONS.filter(({ name }) => /KVStore\/Watch$|FetchSnapshot$|Scrub$/.test(name));
const PAGES = OPERATIONS.filter(({ name }) => !name.includes('.'));

const ROUTES = [
  ['GET', '/v1/keys/KEY', 'Get'],
  ['HEAD', '/v1/keys/KEY', 'Get'],
  ['GET', '/v1/keys/KEY?explain', 'Explain'],
  ['GET', '/v1/keys/KEY?explain=true', 'Explain'],
  ['GET', '/v1/keys/KEY?%65xplain', 'Explain'],
  ['GET', '/v1/keys/KEY?explain=false', 'Get'],
  ['GET', '/v1/keys/KEY?wait=1s', 'Get'],
  ['PUT', '/v1/keys/KEY', 'Set'],
  ['POST', '/v1/keys/KEY?increment=1', 'Increment'],
  ['DELETE', '/v1/keys/KEY', 'Delete'],
  ['GET', '/v1/keys', 'Scan'],
] as const;

describe.each(WAYS)('by %s', (way) => {
  it.each([...USER_NAMES, 'stranger', 'impostor'])(
    '%s may call what the table says, and no more',
    async (name) => {
      const { running, ask } = await open(name, way);
      for (const operation of RPCS) {
        const method = operation.name.slice(operation.name.lastIndexOf('/') + 1);
        for (const key of ['own:k', 'foreign']) {
          const json = { 'content-type': 'application/json' };
          const answer = await ask('POST', operation.name, json, JSON.stringify(bodyOf(method, key)));
          check(running, name, operation, key, answer);
        }
      }
      for (const operation of PAGES)
        check(running, name, operation, '', await ask(operation.isHeld ? 'HEAD' : 'GET', operation.name));
      for (const [verb, path, method] of ROUTES) {
        const operation = OPERATIONS.find(
          (each) => each.name === `/walnut.v1.KVStore/${method}`,
        ) as Operation;
        for (const key of ['own:k', 'foreign'])
          check(running, name, operation, key, await ask(verb, path.replace('KEY', key)));
      }
      await checkStreams(running, name, ask);
    },
  );
});

async function checkStreams(running: Running, name: string, ask: Caller['ask']): Promise<void> {
  for (const operation of STREAMS) {
    const type = { 'content-type': 'application/connect+json' };
    const { text } = await ask('POST', operation.name, type, Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]));
    const status = expected(name, operation, '');
    const refusal = status === 401 ? '"unauthenticated"' : '"permission_denied"';
    expect([operation.name, text.includes(refusal)]).toEqual([operation.name, status !== undefined]);
    if (status !== undefined) expect(running.node.calls).toEqual([]);
    running.node.calls.length = 0;
  }
}

function check(
  running: Running,
  caller: string,
  operation: Operation,
  key: string,
  answer: PlainAnswer,
): void {
  const wanted = expected(caller, operation, key);
  const refused = answer.status === 401 || answer.status === 403 ? answer.status : undefined;
  expect([caller, operation.name, key, refused]).toEqual([caller, operation.name, key, wanted]);
  if (wanted === 401) expect(answer.headers['www-authenticate']).toMatch(/^Bearer .*Basic /);
  if (wanted !== undefined) expect(running.node.calls).toEqual([]);
  running.node.calls.length = 0;
}
