/** What a session has seen, at a node: its own group's is shown, or refused; others say nothing of it. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { type BatchOperationSchema, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability, type Position as PositionMessage } from '#gen/walnut/v1/types_pb.ts';
import type { GetCommand } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { formatPosition, type Position, toLsn } from '#model/position.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createKeysViews } from '#server/keys-views.ts';
import { EPOCH, FakeNode } from '#test/server/fake-node.ts';
import { http1, type PlainAnswer, type Running, start } from '#test/server/running.ts';

const SEEN = 'x-walnut-positions';

/** The positions that Gets of the node asked for. */
function askedOf({ node }: Running): Position[] {
  return node.calls.flatMap(({ argument }) => (argument as Partial<GetCommand>).atLeast ?? []);
}

async function open(group: string) {
  const running = await start({ group: () => group });
  const get = (seen: string, path = '/v1/keys/k'): Promise<PlainAnswer> =>
    http1(running, 'GET', path, { headers: { [SEEN]: seen } });
  return { running, get };
}

describe('a node of a cluster', () => {
  it('shows what the session has seen of its group, and hears of no other', async () => {
    const { running, get } = await open('g1');
    const put = await http1(running, 'PUT', '/v1/keys/k', { body: 'x', headers: { [SEEN]: 'g2=7-7' } });
    const own = String(put.headers['x-walnut-position']);
    expect(put.headers[SEEN]).toBe(`g2=7-7,g1=${own}`);
    const answer = await get(String(put.headers[SEEN]));
    expect([answer.status, answer.headers[SEEN]]).toEqual([
      200,
      `g2=7-7,g1=${String(answer.headers['x-walnut-as-of'])}`,
    ]);
    expect(askedOf(running).map(formatPosition)).toEqual([own]);
  });

  it('proves what no read has proven, and forgets the group where it is lost', async () => {
    const { running, get } = await open('g1');
    running.node.hold = async () => {
      if (askedOf(running).at(-1)?.epoch === 4) throw new WalnutError('discarded_history', 'gone');
    };
    const lost = await get('g2=7-7,g1=4-9,g1=4294967300-1');
    expect([lost.status, lost.headers[SEEN]]).toEqual([410, 'g2=7-7']);
    expect(askedOf(running)).toEqual([{ epoch: 4, lsn: toLsn(9) }]);
  });

  it('keeps its group where a Get of a Batch names a position that is lost, and forgets it where an atomic Batch has lost it', async () => {
    const { running } = await open('g1');
    const { keyValue } = running.node.ports;
    const gone = new WalnutError('discarded_history', 'gone');
    keyValue.batch = async () => [{ kind: 'error', error: gone }];
    keyValue.atomicBatch = async () => {
      throw gone;
    };
    const ask = (get: object, atomic: boolean): Promise<PlainAnswer> =>
      http1(running, 'POST', '/walnut.v1.KVStore/Batch', {
        headers: { 'content-type': 'application/json', [SEEN]: 'g2=7-7,g1=4-9' },
        body: JSON.stringify({ operations: [{ get: { key: 'k', ...get } }], atomic }),
      });
    const own = { atLeast: { epoch: '5', lsn: '1' } };
    expect((await ask(own, false)).headers[SEEN]).toBe('g2=7-7,g1=4-9');
    expect((await ask({}, false)).headers[SEEN]).toBe('g2=7-7');
    expect((await ask(own, true)).headers[SEEN]).toBeUndefined();
    expect((await ask({}, true)).headers[SEEN]).toBe('g2=7-7');
  });

  it('leaves out a position that names another group, and waits for none', async () => {
    const { running } = await open('g1');
    const call = (rpc: string, message: object): Promise<PlainAnswer> =>
      http1(running, 'POST', `/walnut.v1.KVStore/${rpc}`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
      });
    const position = (group: string) => ({ epoch: '4', lsn: '9', group });
    await call('Get', { key: 'k', atLeast: position('g2') });
    await call('Batch', {
      operations: [{ get: { key: 'k', atLeast: position('g2') } }, { delete: { key: 'k' } }],
    });
    expect([running.node.calls.length > 0, askedOf(running)]).toEqual([true, []]);
    const awaited = await call('AwaitDurable', { position: position('g2') });
    expect(awaited.text).toContain('the position is of group g2, and this node is of group g1');
  });

  it('tells a session that only scans once what is lost, and keeps no position that a page has shown', async () => {
    const { running, get } = await open('g1');
    const { keyValue } = running.node.ports;
    const { awaitDurable } = keyValue;
    keyValue.awaitDurable = async (command, signal) => {
      if (command.position.epoch === 4) throw new WalnutError('discarded_history', 'gone');
      return awaitDurable(command, signal);
    };
    const lost = await get('g2=7-7,g1=4-9', '/v1/keys');
    expect([lost.status, lost.headers[SEEN]]).toEqual([410, 'g2=7-7']);
    await http1(running, 'PUT', '/v1/keys/k', { body: 'x' });
    const shown = await get('g2=7-7,g1=3-9', '/v1/keys');
    expect(shown.status).toBe(200);
    expect(shown.headers[SEEN]).toMatch(/^g2=7-7,g1=[0-9]+-[0-9]+$/);
    expect(shown.headers[SEEN]).not.toContain('g1=3-9');
  });

  it('refuses a page that is older than what the session has seen', async () => {
    const { get } = await open('g1');
    const answer = await get(`g1=${2 ** 52}-900000`, '/v1/keys');
    expect([answer.status, answer.text]).toEqual([
      503,
      expect.stringContaining('is behind what the session has seen'),
    ]);
  });
});

type Store = Client<typeof KVStore>;
type Op = MessageInitShape<typeof BatchOperationSchema>;

const VALUE = Buffer.from('v');
const NEVER = { case: 'expireAtMs' as const, value: 0n };
const set = (key: string): Op => ({ operation: { case: 'set', value: { key, value: VALUE } } });
const NO_PAUSES = { pause: async () => undefined };
const RECEIPT = { minAcks: 0, timeoutMs: 0 };
const WATCHED = { case: 'key', value: 'k' } as const;
const get = (key: string, atLeast?: PositionMessage): Op => ({
  operation: { case: 'get', value: atLeast === undefined ? { key } : { key, atLeast } },
});
const remove = (key: string): Op => ({ operation: { case: 'delete', value: { key } } });
const add: Op = { operation: { case: 'increment', value: { key: 'n', delta: 1n } } };
const touch: Op = { operation: { case: 'touch', value: { key: 'k', expiry: NEVER } } };

/** The positions of the results of a Batch, and of the whole where that has one. */
async function batch(keys: Store, options: object, operations: Op[], more: object = {}): Promise<unknown[]> {
  const { results, position } = await keys.batch({ operations, ...more }, options);
  const all = results.map(({ result }) =>
    result.case === 'get' ? result.value.asOf : positionOf(result.value),
  );
  return position === undefined ? all : [...all, position];
}

function positionOf(answer: unknown): unknown {
  return (answer as { readonly position: unknown }).position;
}

/** Every call whose answer has a position of the state, by every way that nodes carry it out. */
const CALLS: Readonly<Record<string, (keys: Store, options: object) => Promise<unknown[]>>> = {
  Set: async (keys, how) => [(await keys.set({ key: 'k', value: VALUE }, how)).position],
  'Set that waits': async (keys, how) => [
    (await keys.set({ key: 'k', value: VALUE, durability: Durability.LOCAL }, how)).position,
  ],
  'Set that asks for more': async (keys, how) => [
    (await keys.set({ key: 'k', value: VALUE, returnPrevious: true }, how)).position,
  ],
  'Set with a condition that is not met': async (keys, how) => [
    (await keys.set({ key: 'k', condition: { case: 'ifAbsent', value: true } }, how)).position,
  ],
  Get: async (keys, how) => [(await keys.get({ key: 'k' }, how)).asOf],
  'Get of nothing': async (keys, how) => [(await keys.get({ key: 'none' }, how)).asOf],
  'Get that waits': async (keys, how) => [(await keys.get({ key: 'k', waitMs: 1 }, how)).asOf],
  Increment: async (keys, how) => [(await keys.increment({ key: 'n', delta: 1n }, how)).position],
  Touch: async (keys, how) => [(await keys.touch({ key: 'k', expiry: NEVER }, how)).position],
  Delete: async (keys, how) => [(await keys.delete({ key: 'k' }, how)).position],
  'Batch of Gets': (keys, how) => batch(keys, how, [get('k'), get('none')]),
  'Batch of Sets': (keys, how) => batch(keys, how, [set('a'), set('b')]),
  'Batch of both and Deletes': (keys, how) =>
    batch(keys, how, [get('k'), set('k'), get('k'), remove('none'), remove('k')]),
  'Batch of Deletes that find nothing': (keys, how) => batch(keys, how, [remove('none'), remove('nil')]),
  'Batch of others': (keys, how) => batch(keys, how, [touch, add, get('k')]),
  'Batch with a name': (keys, how) =>
    batch(keys, how, [set('a'), remove('b')], { clientId: 7n, sequence: 1n }),
  'atomic Batch': (keys, how) => batch(keys, how, [set('a'), set('b')], { atomic: true }),
  'atomic Batch of all': (keys, how) => batch(keys, how, [get('k'), add, touch], { atomic: true }),
  Scan: async (keys, how) => [(await keys.scan({}, how)).asOf],
  DeletePrefix: async (keys, how) => [(await keys.deletePrefix({ prefix: 'x' }, how)).position],
  Explain: async (keys, how) => [(await keys.explain({ key: 'k' }, how)).asOf],
  AwaitDurable: async (keys, how) => {
    const { asOf } = await keys.get({ key: 'k' });
    return [(await keys.awaitDurable({ position: asOf as PositionMessage }, how)).durable];
  },
};

const TRANSPORTS = [
  ['JSON', 'own', { httpVersion: '1.1', useBinaryFormat: false }, createConnectTransport],
  ['JSON', 'node', { httpVersion: '2', useBinaryFormat: false }, createConnectTransport],
  ['protobuf', 'own', { httpVersion: '2', useBinaryFormat: true }, createConnectTransport],
  ['protobuf', 'node', { httpVersion: '1.1', useBinaryFormat: true }, createConnectTransport],
  ['a GET', 'own', { httpVersion: '1.1', useHttpGet: true }, createConnectTransport],
  ['gRPC', 'own', {}, createGrpcTransport],
  ['gRPC-Web', 'own', { httpVersion: '2' }, createGrpcWebTransport],
] as const;

describe.each(TRANSPORTS)('by %s, with the HTTP of %s', (_, http, how, createTransport) => {
  it.each(Object.keys(CALLS))('a node of a cluster tells its group in every answer: %s', async (rpc) => {
    let group = '';
    const running = await start({ group: () => group, http1: http, http2: http });
    const keys = createClient(KVStore, createTransport({ ...how, baseUrl: running.baseUrl } as never));
    const told: (string | null)[] = [];
    const onHeader = (headers: Headers): void => {
      told.push(headers.get(SEEN));
    };
    const call = async (options: object): Promise<PositionMessage[]> => {
      await keys.set({ key: 'k', value: VALUE });
      const carryOut = CALLS[rpc] as (typeof CALLS)[string];
      return (await carryOut(keys, { ...options, onHeader })) as PositionMessage[];
    };
    const groupsOf = (positions: readonly PositionMessage[]) => new Set(positions.map((each) => each.group));
    expect([groupsOf(await call({})), told.pop()]).toEqual([new Set(['']), null]);
    group = 'g1';
    for (const headers of [{}, { [SEEN]: '' }]) {
      const positions = await call({ headers });
      const newest = positions.map(({ lsn }) => Number(lsn)).sort((a, b) => b - a)[0];
      expect([groupsOf(positions), told.pop()]).toEqual([
        new Set(['g1']),
        `g1=${positions[0]?.epoch}-${newest}`,
      ]);
    }
  });
});

describe('a node of a cluster', () => {
  it('names no group in versions, and none before its first record', async () => {
    const { running } = await open('g1');
    const keys = createClient(
      KVStore,
      createConnectTransport({ baseUrl: running.baseUrl, httpVersion: '2' }),
    );
    const empty = await keys.get({ key: 'k' });
    expect([empty.asOf?.lsn, empty.asOf?.group]).toEqual([0n, '']);
    await keys.set({ key: 'k', value: VALUE });
    const { previous } = await keys.set({ key: 'k', value: VALUE, returnPrevious: true });
    const { version } = await keys.get({ key: 'k' });
    expect([previous?.version?.group, version?.group]).toEqual(['', '']);
  });

  it('tells the epoch of each answer, and all that a session of many groups has seen', async () => {
    const { running } = await open('g1');
    const keys = createClient(
      KVStore,
      createConnectTransport({ baseUrl: running.baseUrl, httpVersion: '2' }),
    );
    const told: (string | null)[] = [];
    const onHeader = (headers: Headers): void => {
      told.push(headers.get(SEEN));
    };
    const many = Array.from({ length: 30 }, (_, i) => `h${i}=7-7`).join(',');
    for (const epoch of [5, 6]) {
      running.node.epoch = epoch;
      await keys.set({ key: 'k' }, { onHeader });
      await keys.set({ key: 'k' }, { headers: { [SEEN]: many }, onHeader });
    }
    expect(told).toEqual(['g1=5-1', `${many},g1=5-2`, 'g1=6-3', `${many},g1=6-4`]);
  });

  it.each([true, false])(
    'reads by the shorter ways for a caller that sends a position back as it came, in protobuf: %s',
    async (useBinaryFormat) => {
      const { running } = await open('g1');
      const how = { baseUrl: running.baseUrl, httpVersion: '2', useBinaryFormat } as const;
      const keys = createClient(KVStore, createConnectTransport(how));
      const { position: atLeast } = await keys.set({ key: 'k', value: VALUE });
      const ways = (): string[] => running.node.calls.splice(0).map(({ port }) => port);
      ways();
      expect((await keys.get({ key: 'k', atLeast: atLeast as PositionMessage })).found).toBe(true);
      if (useBinaryFormat) await keys.batch({ operations: [get('k', atLeast), get('k', atLeast)] });
      expect(new Set(ways())).toEqual(new Set(['moment']));
      const others = { ...(atLeast as PositionMessage), group: 'g2' };
      expect((await keys.get({ key: 'k', atLeast: others })).found).toBe(true);
      expect(ways()).toEqual(['get']);
    },
  );

  it('tells its group to callers with rights on some keys, each call by itself', async () => {
    const node = new FakeNode();
    const views = createKeysViews(node.ports.keyValue, createNodeClock(), NO_PAUSES, () => 'g1');
    const keys = { read: ['k'], write: ['k'] };
    const told: string[] = [];
    const viewer = { keys, wish: undefined, tellPositions: (text: string) => told.push(text) };
    const command = { ...RECEIPT, key: 'k', value: VALUE, expiry: { kind: 'default' } as const };
    const { position } = await views(viewer).port.set({ ...command, returnPrevious: false });
    node.epoch++;
    await views(viewer).port.get({ key: 'k', waitMs: 0 });
    expect(position.group).toBe('g1');
    expect(told).toEqual([`g1=${EPOCH}-1`, `g1=${EPOCH + 1}-1`]);
    expect(() => views(viewer).port.get({ key: 'other', waitMs: 0 })).toThrow('you may not read this key');
  });

  it('names its group in a watch, and tells nothing by the header', async () => {
    const { running } = await open('g1');
    const rest = { canResume: true, isFragment: false, isInitialDone: false, wallShiftMs: 0 };
    const at = (lsn: number) => ({ events: [], position: { epoch: 7, lsn: toLsn(lsn) }, ...rest });
    running.node.watched = async function* (_command, _signal, outlet) {
      yield at(0);
      yield at(1);
      if (outlet?.isOpen === true) outlet.send(at(2), () => undefined);
      else yield at(2);
    };
    const names: unknown[] = [];
    for (const useBinaryFormat of [true, false]) {
      const how = { baseUrl: running.baseUrl, httpVersion: '2', useBinaryFormat } as const;
      const watch = createClient(KVStore, createConnectTransport(how)).watch({ what: WATCHED });
      for await (const { position } of watch) names.push([Number(position?.lsn), position?.group]);
    }
    const told = [
      [0, ''],
      [1, 'g1'],
      [2, 'g1'],
    ];
    expect(names).toEqual([...told, ...told]);
    const events = await http1(running, 'GET', '/v1/watch?key=k');
    expect([events.status, events.headers[SEEN]]).toEqual([200, undefined]);
    expect(events.text.match(/"group":"g1"/g)?.length).toBe(2);
  });
});

describe('what a caller without a session sees in /v1/keys', () => {
  it.each([
    ['g1', /^g1=\d+-\d+$/],
    ['', undefined],
  ])('of a node of group %j', async (group, told) => {
    const running = await start({ group: () => group });
    const header = told === undefined ? undefined : expect.stringMatching(told);
    const put = await http1(running, 'PUT', '/v1/keys/k', { body: 'x' });
    expect(put.headers[SEEN]).toEqual(header);
    for (const path of ['/v1/keys/k', '/v1/keys/missing', '/v1/keys']) {
      const answer = await http1(running, 'GET', path);
      expect([path, answer.headers[SEEN]]).toEqual([path, header]);
    }
  });
});

describe('by name are refused', () => {
  it.each(['/v1/keys/k', '/v1/keys', '/v1/watch'])(
    'positions at %s of a node of no cluster',
    async (path) => {
      const { running, get } = await open('');
      expect(await get('g1=1-1', path)).toMatchObject({
        status: 400,
        text: expect.stringContaining('this node is in none: expected at_least'),
      });
      expect(running.node.calls).toEqual([]);
    },
  );

  it('a choice of the node that reads, at a node', async () => {
    const running = await start({ group: () => 'g1' });
    const headers = { 'x-walnut-read-from': 'replica' };
    const answer = await http1(running, 'GET', '/v1/keys/k', { headers });
    expect([answer.status, answer.text]).toEqual([
      400,
      expect.stringContaining('call the one that is to answer'),
    ]);
  });
});
