/** What a session promises where a forced promotion discards records. */
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { Session } from '../../client/session.ts';
import { WalnutClient, type WalnutClientOptions } from '../../client/walnut-client.ts';
import { SimulatedGroup } from './simulated-group.ts';

const NODES = ['m:1', 'a:1'];
const bytes = (value: string): Uint8Array => Buffer.from(value);

/** `epoch` by its term alone. */
const at = (term: number, lsn: number, nonce = 0): Position =>
  create(PositionSchema, { epoch: BigInt(term * 2 ** 32 + nonce), lsn: BigInt(lsn) });

function open(options: Partial<WalnutClientOptions> = {}, group = new SimulatedGroup(NODES)) {
  const clock = new VirtualClock();
  const client = new WalnutClient(
    { addresses: NODES, ...options },
    {
      clock,
      random: new SeededRandom(1),
      open: (address) => ({ transport: group.transportTo(address), close: () => undefined }),
    },
  );
  /** Lets time pass until the call is settled; DATA_LOSS is told as such. */
  const settle = async (call: Promise<unknown>): Promise<unknown> => {
    let end: unknown;
    call.then(
      () => (end = 'done'),
      (error: { code: Code }) => (end = Code[error.code]),
    );
    for (let i = 0; i < 50 && end === undefined; i++) await clock.settle();
    if (end === undefined) await clock.advanceUntil(() => end !== undefined, 60_000);
    return end;
  };
  const set = (key: string): Promise<unknown> => settle(client.set(key, bytes('1')));
  const get = (key: string): Promise<unknown> => settle(client.get(key));
  return { group, clock, client, settle, set, get };
}

/** Two records that the client has written, of which a forced promotion discards the second. */
async function afterLoss(options: Partial<WalnutClientOptions>, kept = 1) {
  const opened = open(options);
  expect([await opened.set('a'), await opened.set('b')]).toEqual(['done', 'done']);
  opened.group.promote('a:1', kept);
  return opened;
}

const UNNAMED = { namedWrites: false };

describe('a session over a forced promotion that discards what it has seen', () => {
  it('tells it at the next read, once', async () => {
    const { get } = await afterLoss(UNNAMED);
    expect([await get('b'), await get('b')]).toEqual(['DataLoss', 'done']);
  });

  it('refuses a write that has a name, once', async () => {
    const { set, get } = await afterLoss({});
    expect([await set('c'), await set('c'), await get('b')]).toEqual(['DataLoss', 'done', 'done']);
  });

  it('tells it after writes that tell nothing, and keeps what they wrote', async () => {
    const { client, set, get } = await afterLoss(UNNAMED);
    for (let i = 0; i < 3; i++) expect(await set('c')).toBe('done');
    const { token } = client.session;
    expect(await get('b')).toBe('DataLoss');
    expect(client.session.token).toEqual(token);
    expect([await get('b'), await get('c')]).toEqual(['done', 'done']);
  });

  it.each([
    ['a scan', (client: WalnutClient) => client.scan('').next()],
    ['a Get with a fill lease', (client: WalnutClient) => client.get('b', { fillLeaseMs: 1_000 })],
    ['an atomic Batch that reads', (client: WalnutClient) => client.atomic([{ get: { key: 'b' } }])],
    ['awaitDurable', (client: WalnutClient) => client.awaitDurable()],
  ])('tells it by %s after a write', async (_, call) => {
    const { client, set, get, settle } = await afterLoss(UNNAMED);
    await set('c');
    expect([await settle(call(client)), await get('b')]).toEqual(['DataLoss', 'done']);
  });

  it('tells it by a scan, which carries no position, before it gives entries', async () => {
    const { client, get, settle } = await afterLoss(UNNAMED);
    expect([await settle(client.scan('').next()), await get('b')]).toEqual(['DataLoss', 'done']);
  });

  it('tells the reads of a Batch, and carries out its writes', async () => {
    const { group, client, set, settle } = await afterLoss(UNNAMED);
    await set('c');
    const calls = [client.set('d', bytes('1')), client.get('b'), client.get('a')];
    expect(await Promise.all(calls.map(settle))).toEqual(['done', 'DataLoss', 'DataLoss']);
    expect(group.state.has('d')).toBe(true);
  });

  it('tells it where writes came between two promotions', async () => {
    const { group, set, get } = await afterLoss(UNNAMED, 2);
    await set('c');
    group.promote('m:1', 3);
    await set('d');
    // The record of c is gone, those of a and b are not.
    expect([await get('b'), await get('b')]).toEqual(['DataLoss', 'done']);
  });

  it('tells nothing where nothing was discarded, and asks once', async () => {
    const { client, set, get } = await afterLoss(UNNAMED, 2);
    await set('c');
    expect(client.session.unproven).toHaveLength(1);
    expect([await get('b'), await get('b')]).toEqual(['done', 'done']);
    expect(client.session.unproven).toEqual([]);
  });

  it('gives no read out while nobody can say', async () => {
    const { group, client, set, get } = await afterLoss({ ...UNNAMED, timeoutMs: 500 });
    await set('c');
    group.fault = (_, rpc) => (rpc === 'get' ? 'refused' : 'none');
    expect([await get('a'), await set('d')]).toEqual(['Unavailable', 'done']);
    expect(client.session.unproven).toHaveLength(1);
    group.fault = () => 'none';
    expect([await get('a'), client.session.unproven]).toEqual(['DataLoss', []]);
  });

  it('tells it to a caller, not to the near cache, which reads by itself', async () => {
    const { group, clock, client, set, get } = open({ ...UNNAMED, near: { prefix: '' } });
    expect([await set('a'), await set('b'), await get('a')]).toEqual(['done', 'done', 'done']);
    group.promote('a:1', 1);
    const before = group.gets;
    await clock.advance(2_000);
    expect(group.gets).toBeGreaterThan(before);
    expect([await get('b'), await get('b')]).toEqual(['DataLoss', 'done']);
    await client.close();
  });

  it('tells it in another process', async () => {
    const { group, client, set } = await afterLoss(UNNAMED);
    await set('c');
    const session = Session.from(String(client.session));
    const other = open({ ...UNNAMED, session }, group);
    expect([await other.get('a'), await other.get('a')]).toEqual(['DataLoss', 'done']);
  });
});

describe('the positions of a session', () => {
  it.each<[string, Position, Position, Position | undefined, number]>([
    ['of one epoch: the newer has the older', at(1, 5), at(1, 9), undefined, 0],
    ['of one epoch, in the other order', at(1, 9), at(1, 5), undefined, 0],
    ['of a higher term', at(1, 5), at(2, 9), undefined, 1],
    ['of a lower term, which comes late', at(2, 9), at(1, 5), undefined, 1],
    ['of another epoch of the term', at(1, 5), at(1, 9, 7), undefined, 1],
    ['of another epoch of the term, behind', at(1, 9), at(1, 5, 7), undefined, 1],
    ['of a higher term, by a read that asked for the older one', at(1, 5), at(2, 9), at(1, 5), 0],
    ['of a higher term, by a read that asked for more', at(1, 5), at(2, 9), at(1, 6), 0],
    ['of a higher term, by a read that asked for less', at(1, 5), at(2, 9), at(1, 4), 1],
    ['of a higher term, by a read that asked for another epoch', at(1, 5), at(2, 9), at(1, 6, 7), 1],
  ])('%s', (_, first, second, included, unproven) => {
    const session = new Session(first);
    session.observe(second, included);
    expect(session.unproven).toHaveLength(unproven);
  });

  it('are forgotten once an answer of the newest history includes them', () => {
    const session = new Session(at(1, 5));
    session.observeWrite(at(2, 9));
    session.observe(at(1, 8), at(1, 5));
    expect(session.unproven).toEqual([at(1, 8)]);
    session.observe(at(2, 9), at(1, 8));
    expect(session.unproven).toEqual([]);
  });

  it('are none of the epoch of the token, which has them', () => {
    const session = new Session(at(1, 9));
    session.doubt(at(2, 5));
    session.observe(at(2, 6));
    expect(session.unproven).toEqual([at(1, 9)]);
    expect(session.toString()).toBe(`s1.${2 * 2 ** 32}-6.${2 ** 32}-9`);
  });

  it('come with a session that is joined', () => {
    const [one, other] = [new Session(at(2, 9)), new Session(at(1, 5))];
    other.observeWrite(at(2, 10));
    one.join(other);
    expect([one.token, one.unproven]).toEqual([at(2, 10), [at(1, 5)]]);
  });

  it('are all that may be told as lost, what is unproven too', () => {
    const session = new Session(at(1, 5));
    session.observeWrite(at(2, 9));
    const before = session.positions;
    expect(before).toEqual([at(1, 5), at(2, 9)]);
    session.onDiscarded(at(1, 5));
    for (const position of before) session.doubt(position);
    expect([session.token, session.unproven]).toEqual([at(2, 9), [at(1, 5)]]);
  });

  it('are in the text where all are unproven: a loss that is still to be told is told elsewhere', () => {
    const session = new Session();
    for (const term of [1, 2]) session.doubt(at(term, 5));
    const again = Session.from(String(session));
    expect([again.token, again.unproven]).toEqual([at(1, 5), [at(2, 5)]]);
  });

  it('are a text that stays short', () => {
    const session = new Session(at(1, 5));
    for (let term = 2; term < 20; term++) session.observeWrite(at(term, 2 ** 52 + term));
    const { token, unproven } = session;
    expect(unproven).toHaveLength(4);
    expect(String(session).length).toBeLessThanOrEqual(180);
    const again = Session.from(String(session));
    expect([again.token, again.required, again.unproven]).toEqual([token, token, unproven]);
    expect(() => Session.from(`${session}.1-1`)).toThrow('is no session');
  });
});
