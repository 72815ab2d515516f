/** What callers of a gateway say by headers: what their session has seen, who is to read, and who they are. */
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { BatchRequestSchema, GetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import { openGatewayServer } from '#server/open-gateway-server.ts';
import { AUTH_FILE, tokenOf, usersOf } from '#test/auth/users.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { FakeCluster } from '#test/routing/fake-cluster.ts';
import { http1, onCleanup, type PlainAnswer, type Running } from '#test/server/running.ts';

/** By the slot hash: `bar` is of g1, `foo` of g2. */
const [OF_G1, OF_G2] = ['bar', 'foo'];
const MIB = 1_024 * 1_024;
const SEEN = 'x-walnut-positions';
const GET = toBinary(GetRequestSchema, create(GetRequestSchema, { key: OF_G1 }));
const OPERATIONS = [{ operation: { case: 'get' as const, value: { key: OF_G1 } } }];
const BATCH = toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations: OPERATIONS }));

async function open(identities?: Identities) {
  const cluster = new FakeCluster(['g1', 'g2']);
  const metrics = new Metrics();
  const server = await openGatewayServer({
    gateway: {
      map: undefined,
      readiness: () => ({ isReady: true, role: 'gateway', state: 'serving', reasons: [] }),
      view: () => ({ clusterId: '', mapEpoch: 1, mapAgeMs: 0, isFollowing: true, groups: [], retries: 0 }),
      whenMapHeard: () => undefined,
    },
    keyValue: cluster.keys,
    relay: cluster.keys.relay,
    ...{ clock: createNodeClock(), logger: silentLogger, metrics, version: '0.0.0' },
    ...{ host: '127.0.0.1', port: 0, hostNames: [], corsOrigins: new Set<string>() },
    ...{ valueBytesMax: MIB, batchBytesMax: MIB, bodyBytesMax: 64 * MIB, answerBytesMax: 64 * MIB },
    ...{ openFilesMax: 1_024, http1: HTTP1, http2: HTTP2 },
    ...(identities === undefined ? {} : { identities, isIdentityRequired: true }),
  });
  onCleanup(() => server.close(0));
  const running = { server } as Running;
  const increment = (key: string, headers: Record<string, string> = {}): Promise<PlainAnswer> =>
    http1(running, 'POST', `/v1/keys/${key}?increment=1`, { headers });
  const get = (key: string, headers: Record<string, string> = {}): Promise<PlainAnswer> =>
    http1(running, 'GET', `/v1/keys/${key}`, { headers });
  const rpc = (name: string, request: unknown, headers: Record<string, string> = {}): Promise<PlainAnswer> =>
    http1(running, 'POST', `/walnut.v1.KVStore/${name}`, {
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(request),
    });
  const binary = async (
    name: string,
    bytes: Uint8Array,
    headers: Record<string, string> = {},
  ): Promise<void> => {
    const all = {
      'content-type': 'application/proto',
      authorization: `Bearer ${tokenOf('both')}`,
      ...headers,
    };
    const answer = await http1(running, 'POST', `/walnut.v1.KVStore/${name}`, { headers: all, body: bytes });
    expect([answer.status, answer.text]).toEqual([200, expect.anything()]);
  };
  const seen = (id: string): string => `${id}=${cluster.group(id).epoch}-${cluster.group(id).lsn}`;
  return { cluster, running, increment, get, rpc, binary, seen };
}

describe('x-walnut-positions at a gateway', () => {
  it('is in answers of keys, and grows by each group that is sent back', async () => {
    const { increment, get, seen } = await open();
    const first = await increment(OF_G1);
    expect(first.headers[SEEN]).toBe(seen('g1'));
    const second = await increment(OF_G2, { [SEEN]: String(first.headers[SEEN]) });
    expect(second.headers[SEEN]).toBe(`${seen('g1')},${seen('g2')}`);
    const third = await get(OF_G1, { [SEEN]: String(second.headers[SEEN]) });
    expect([third.status, third.headers[SEEN]]).toEqual([404, `${seen('g2')},${seen('g1')}`]);
  });

  it('is in the answer of an rpc that brings it, empty too, and positions name their groups', async () => {
    const { rpc, seen, cluster } = await open();
    const plain = await rpc('Increment', { key: OF_G1 });
    expect(plain.headers[SEEN]).toBeUndefined();
    const { epoch, lsn } = cluster.group('g1');
    expect(JSON.parse(plain.text)).toMatchObject({
      position: { epoch: String(epoch), lsn: String(lsn), group: 'g1' },
    });
    const begun = await rpc('Increment', { key: OF_G2 }, { [SEEN]: '' });
    expect(begun.headers[SEEN]).toBe(seen('g2'));
    const operations = [OF_G1, OF_G2].map((key) => ({ increment: { key } }));
    const batch = await rpc('Batch', { operations }, { [SEEN]: '' });
    expect(batch.headers[SEEN]).toBe(`${seen('g1')},${seen('g2')}`);
    const positions = (JSON.parse(batch.text) as { results: { increment: { position: object } }[] }).results;
    expect(positions.map(({ increment: { position } }) => position)).toMatchObject([
      { group: 'g1' },
      { group: 'g2' },
    ]);
  });

  it('is what a read of its group must show, and of no other', async () => {
    const { get, seen, cluster } = await open();
    await get(OF_G1, { [SEEN]: `${seen('g1')},${seen('g2')}` });
    expect(cluster.epochsAsked).toEqual([cluster.group('g1').epoch]);
  });

  it('is told once where it is lost, and is without that group then', async () => {
    const { get, seen, cluster } = await open();
    const before = `${seen('g1')},${seen('g2')}`;
    cluster.group('g1').loseAll();
    const lost = await get(OF_G1, { [SEEN]: before });
    expect([lost.status, lost.headers[SEEN]]).toEqual([410, seen('g2')]);
    expect((await get(OF_G1, { [SEEN]: String(lost.headers[SEEN]) })).status).toBe(404);
  });

  it('asks also for what no read has proven', async () => {
    const { get, seen, cluster } = await open();
    const before = seen('g1');
    cluster.group('g1').loseAll();
    // A write after the failover, which did not have to include what was seen before.
    const lost = await get(OF_G1, { [SEEN]: `${before},${seen('g1')}` });
    expect([lost.status, lost.headers[SEEN]]).toEqual([410, '']);
  });

  it.each([
    ['what is none', 'g1', 'expected what an answer had there'],
    ['a group that there is not', 'g9=1-1', 'is of group g9, and the map of epoch 1 has none of that name'],
  ])('of %s is refused', async (_, text, why) => {
    const { get, rpc, cluster } = await open();
    for (const answer of [
      await get(OF_G1, { [SEEN]: text }),
      await rpc('Get', { key: OF_G1 }, { [SEEN]: text }),
    ]) {
      expect(answer.status).toBe(400);
      expect(answer.text).toContain(why);
    }
    expect(cluster.asked).toEqual([]);
  });

  it('is refused for a watch, which says itself where it begins', async () => {
    const { running } = await open();
    const answer = await http1(running, 'GET', '/v1/watch?key=bar', { headers: { [SEEN]: '' } });
    expect([answer.status, answer.text]).toEqual([
      400,
      expect.stringContaining('for calls that have one answer'),
    ]);
  });
});

describe('x-walnut-read-from at a gateway', () => {
  it('chooses who reads, for one call', async () => {
    const { get, rpc, cluster } = await open();
    await get(OF_G1, { 'x-walnut-read-from': 'replica' });
    await rpc('Get', { key: OF_G2 }, { 'x-walnut-read-from': 'replica' });
    await get(OF_G1);
    expect(cluster.asked).toEqual(['g1-2:1', 'g2-2:1', 'g1-1:1']);
  });

  it('stands in OpenAPI with the header of sessions, for a watch alone', async () => {
    const { running } = await open();
    const { paths } = JSON.parse((await http1(running, 'GET', '/openapi.json')).text);
    const headersOf = (path: string, method: string): string[] =>
      paths[path][method].parameters
        .map(({ name }: { name: string }) => name)
        .filter((name: string) => [SEEN, 'x-walnut-read-from'].includes(name));
    expect(headersOf('/v1/keys/{key}', 'get')).toEqual([SEEN, 'x-walnut-read-from']);
    expect(headersOf('/walnut.v1.KVStore/Batch', 'post')).toEqual([SEEN, 'x-walnut-read-from']);
    expect(headersOf('/v1/watch', 'get')).toEqual(['x-walnut-read-from']);
  });

  it('refuses another word', async () => {
    const { get } = await open();
    const answer = await get(OF_G1, { 'x-walnut-read-from': 'slave' });
    expect([answer.status, answer.text]).toEqual([
      400,
      expect.stringContaining('expected master, replica, nearest'),
    ]);
  });
});

describe('the user of a call', () => {
  const identities = (): Identities =>
    new Identities({
      clock: new VirtualClock(),
      mode: 'required',
      users: usersOf(AUTH_FILE),
      random: createNodeRandom(),
      onAnonymous: () => {},
      onFailure: () => {},
    });

  it('is told to the node, and nobody where nobody is known', async () => {
    const { get, rpc, cluster } = await open(identities());
    await get(OF_G1, { authorization: `Bearer ${tokenOf('reader')}` });
    await rpc(
      'Batch',
      { operations: [{ get: { key: OF_G2 } }] },
      { authorization: `Bearer ${tokenOf('both')}` },
    );
    expect([cluster.users, cluster.passed]).toEqual([['reader', 'both'], []]);
    const { get: unknown, cluster: open2 } = await open();
    await unknown(OF_G1);
    expect(open2.users).toEqual([undefined]);
  });

  it('is told with what is passed on as bytes', async () => {
    const { binary, cluster } = await open(identities());
    await binary('Get', GET);
    await binary('Batch', BATCH);
    expect([cluster.users, cluster.passed]).toEqual([
      ['both', 'both'],
      ['get', 'batch'],
    ]);
  });

  it('is told where a call in protobuf has to be decoded', async () => {
    const { binary, cluster, seen } = await open(identities());
    cluster.group('g1').history.add(77);
    const ofUnknownEpoch = { key: OF_G1, atLeast: { epoch: 77n, lsn: 1n } };
    await binary('Get', toBinary(GetRequestSchema, create(GetRequestSchema, ofUnknownEpoch)));
    await binary('Get', GET, { [SEEN]: seen('g1') });
    await binary('Batch', BATCH, { 'x-walnut-read-from': 'replica' });
    expect([cluster.users, cluster.passed]).toEqual([['both', 'both', 'both'], []]);
    expect(cluster.asked.at(-1)).toBe('g1-2:1');
  });

  it('is told again where a passed Batch has to go to another group', async () => {
    const { binary, cluster } = await open(identities());
    const fates = ['moved', 'answer'] as const;
    cluster.fate = () => fates[Math.min(cluster.asked.length - 1, 1)] as 'moved' | 'answer';
    await binary('Batch', BATCH);
    expect([cluster.users, cluster.asked]).toEqual([['both'], ['g1-1:1', 'g1-1:1']]);
  });

  it('cannot be another one that a caller names', async () => {
    const { get, cluster } = await open(identities());
    const headers = { authorization: `Bearer ${tokenOf('reader')}`, 'x-walnut-on-behalf-of': 'chief' };
    const answer = await get(OF_G1, headers);
    expect([answer.status, cluster.users]).toEqual([403, []]);
    expect(answer.text).toContain('believed of users with the role gateway only');
  });
});

describe('a call whose deadline is over while it waits in the gateway', () => {
  it.each([
    ['Increment', { key: OF_G1 }],
    ['Get', { key: OF_G1 }],
    ['Batch', { operations: [{ increment: { key: OF_G1 } }] }],
    ['DeletePrefix', { prefix: `{${OF_G1}}` }],
  ])('says that nothing was done: %s', async (name, request) => {
    const { cluster, rpc } = await open();
    cluster.fate = () => 'dead';
    // A busy machine may be late by more than the tenth of 100 ms that an answer has.
    const answer = await rpc(name, request, { 'connect-timeout-ms': '400' });
    expect(answer.status).toBe(504);
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'deadline_exceeded',
      details: [{ type: 'walnut.v1.Refusal', debug: { nothingDone: true } }],
    });
  });
});
