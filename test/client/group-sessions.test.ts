/** A session of a client at a gateway: a position of each group, sent back as it came; and at a node, which names its own. */
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createRouterTransport } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { afterAnswer, formatHeader, parseHeader, withPositions } from '../../client/group-positions.ts';
import { Session } from '../../client/session.ts';
import { WalnutClient } from '../../client/walnut-client.ts';
import { errorResult } from './simulated-group.ts';

const SEEN = 'x-walnut-positions';
const at = (group: string, epoch: number, lsn: number): Position =>
  create(PositionSchema, { group, epoch: BigInt(epoch), lsn: BigInt(lsn) });
const seen = (text: string) => parseHeader(text) as readonly Position[];

describe('what a session has seen of groups', () => {
  it.each([
    ['nothing else was answered', 'g1=1-5', '', 'g2=1-1', 'g1=1-5,g2=1-1'],
    ['it was replaced', 'g1=1-5', 'g1=1-5', 'g1=2-9', 'g1=2-9'],
    ['both stay, which no read has proven', 'g1=1-5', 'g1=1-5', 'g1=1-5,g1=2-9', 'g1=1-5,g1=2-9'],
    ['a call beside it has seen more', 'g1=1-7', 'g1=1-5', 'g1=1-6', 'g1=1-7'],
    ['a call beside it has seen more than is proven', 'g1=1-7', 'g1=1-5', 'g1=2-9', 'g1=1-7,g1=2-9'],
    ['the group has lost it', 'g1=1-5,g2=1-1', 'g1=1-5,g2=1-1', 'g2=1-1', 'g2=1-1'],
    ['the group has lost that, and what came after it', 'g1=1-7', 'g1=1-5', '', ''],
    ['another epoch was seen beside the loss', 'g1=1-5,g1=2-9', 'g1=1-5', '', 'g1=2-9'],
  ] as const)('is right where %s', (_, before, sent, answered, after) => {
    expect(formatHeader(afterAnswer(seen(before), seen(sent), seen(answered)))).toBe(after);
  });

  it('is bounded for a group, and in one header', () => {
    const ofOne = Array.from({ length: 9 }, (_, i) => at('g1', i + 1, 1));
    expect(withPositions([], ofOne).map(({ epoch }) => Number(epoch))).toEqual([5, 6, 7, 8, 9]);
    const ofMany = Array.from({ length: 900 }, (_, i) => at(`g${i}`, 1, 1));
    expect(formatHeader(ofMany).length).toBeLessThanOrEqual(8_192);
    expect(parseHeader(`g1=1-1,nonsense`)).toBeUndefined();
  });
});

describe('the text of a session of groups', () => {
  it('goes to another process and back, with what an earlier version had', () => {
    const session = Session.from('s1.4294967297-12');
    session.observeWrite(at('g-1', 8_589_934_593, 7));
    session.observe(at('g2', 4_294_967_298, 3));
    const text = String(session);
    expect(text).toBe('s2.4294967297-12.g-1_8589934593-7.g2_4294967298-3');
    expect(String(Session.from(text))).toBe(text);
    expect(String(Session.from('s1.4294967297-12'))).toBe('s1.4294967297-12');
    expect(text).toMatch(/^[\w.-]+$/);
  });

  it.each([
    's2',
    's2.1-2',
    's2.g1_1-0',
    's2.g1_9007199254740993-1',
    's2.g 1_1-1',
    's1.g1_1-1',
    `s2.${'g'.repeat(65)}_1-1`,
    's3',
    's3.g1',
    's3.1-2',
    's3.g1.1-0',
    's3.g1.g2_1-1',
    `s3.${'g'.repeat(65)}.1-1`,
  ])('is refused where it is none: %s', (text) => {
    expect(() => Session.from(text)).toThrow(/is no session/);
  });
});

/** A gateway that answers as the test says, and notes what calls bring. */
function open(session = new Session()) {
  const clock = new VirtualClock();
  const brought: (string | null)[] = [];
  const asked: bigint[] = [];
  /** What calls of AwaitDurable may wait, milliseconds. */
  const waits: number[] = [];
  /** What the next answers have as header; undefined: none. */
  const answers: (string | undefined)[] = [];
  const failures: ConnectError[] = [];
  /** Keys that are not answered in time. */
  const late = new Set<string>();
  const lsns = { g1: 0n, g2: 0n };
  const transport = createRouterTransport(({ service }) =>
    service(KVStore, {
      batch: ({ operations }, { requestHeader, responseHeader }) => {
        brought.push(requestHeader.get(SEEN));
        const failure = failures.shift();
        if (failure !== undefined) throw failure;
        const told = answers.shift();
        if (told !== undefined) responseHeader.set(SEEN, told);
        const results = operations.map(({ operation: { value } }) => {
          if (late.has(value?.key ?? '')) return errorResult('deadline_exceeded', 'late');
          const group = value?.key.startsWith('a') === true ? 'g1' : 'g2';
          const position = at(group, 1, Number(++lsns[group]));
          return { result: { case: 'set' as const, value: { applied: true, position } } };
        });
        return { results };
      },
      get: () => ({ asOf: at('g1', 1, 1) }),
      awaitDurable: async ({ position, timeoutMs }, { requestHeader }) => {
        asked.push(position?.epoch ?? 0n);
        waits.push(timeoutMs);
        if (timeoutMs > 1) await clock.sleep(1_500);
        // Nodes of before name their group to sessions alone.
        return { durable: at(requestHeader.get(SEEN) === null ? '' : 'g2', 7, 9) };
      },
    }),
  );
  const seams = { clock, random: new SeededRandom(1), open: () => ({ transport, close: () => undefined }) };
  const client = new WalnutClient({ address: 'gateway:1', session }, seams);
  const settle = async <T>(call: Promise<T>): Promise<T | ConnectError> => {
    let end: { readonly value: T | ConnectError } | undefined;
    call.then(
      (value) => (end = { value }),
      (value: ConnectError) => (end = { value }),
    );
    for (let i = 0; i < 50 && end === undefined; i++) await clock.settle();
    return (end as unknown as { readonly value: T | ConnectError }).value;
  };
  const set = (key: string) => settle(client.set(key, Buffer.from('x')));
  return {
    client,
    clock,
    session: client.session,
    set,
    settle,
    brought,
    asked,
    waits,
    answers,
    failures,
    late,
  };
}

describe('a client at a gateway', () => {
  it('sends what it has seen of each group with its next call, whichever key that is of', async () => {
    const { set, brought, session } = open();
    await set('a');
    await set('b');
    await set('a');
    expect(brought.slice(1)).toEqual(['g1=1-1', 'g1=1-1,g2=1-1']);
    expect(formatHeader(session.sent?.positions ?? [])).toBe('g2=1-1,g1=1-2');
    expect(session.token).toBeUndefined();
  });

  it('forgets a group where the answer tells that it was lost, once', async () => {
    const { set, session, failures } = open(Session.from('s2.g1_1-5.g2_1-6'));
    failures.push(new ConnectError('gone', Code.DataLoss, { [SEEN]: 'g2=1-6' }));
    expect(await set('b')).toMatchObject({ code: Code.DataLoss });
    expect(String(session)).toBe('s2.g2_1-6');
  });

  it('takes what the gateway says it has seen', async () => {
    const { set, session, answers } = open(Session.from('s2.g1_1-5'));
    answers.push('g1=9-9');
    await set('b');
    expect(String(session)).toBe('s2.g1_9-9.g2_1-1');
  });

  it('takes what an answer to a part of a Batch says it has seen, where the rest fails', async () => {
    const { client, clock, session, answers, failures, late } = open(Session.from('s2.g1_1-5.g2_1-6'));
    answers.push('g2=1-6');
    late.add('b');
    const calls = ['a', 'b'].map((key) => client.set(key, Buffer.from('x')).catch((error) => error));
    for (let i = 0; i < 20; i++) await clock.settle();
    late.clear();
    failures.push(new ConnectError('gone', Code.InvalidArgument));
    await clock.advance(1_000);
    expect((await Promise.all(calls))[1]).toMatchObject({ code: Code.InvalidArgument });
    expect(String(session)).toBe('s2.g2_1-6');
  });

  it('waits for all positions together no longer than for one', async () => {
    const { client, clock, waits } = open(Session.from('s2.g1_1-5.g2_1-6'));
    const call = client.awaitDurable({ timeoutMs: 2_000 });
    for (let i = 0; i < 3; i++) await clock.advance(1_500);
    await call;
    expect(waits).toEqual([2_000, 500]);
  });

  it('asks whose a position is that an earlier version had, before it reads', async () => {
    const { client, settle, asked, session } = open(Session.from('s2.7-3.g1_1-5'));
    await settle(client.get('a'));
    expect(asked).toEqual([7n]);
    expect(String(session)).toContain('g2_7-3');
    expect(session.unproven).toEqual([]);
  });
});

/** A node of group g1, which names it and tells positions unasked, or another group from some moment on. */
function openNode(session = new Session()) {
  const brought: (string | null)[] = [];
  const atLeast: (Position | undefined)[] = [];
  const node = { group: 'g1', lsn: 4 };
  const transport = createRouterTransport(({ service }) =>
    service(KVStore, {
      batch: ({ operations }, { requestHeader, responseHeader }) => {
        const { group } = node;
        brought.push(requestHeader.get(SEEN));
        const results = operations.map(({ operation }) => {
          if (operation.case === 'get') atLeast.push(operation.value.atLeast);
          const position = at(group, 1, ++node.lsn);
          responseHeader.set(SEEN, formatHeader([position]));
          return operation.case === 'get'
            ? { result: { case: 'get' as const, value: { asOf: position } } }
            : { result: { case: 'set' as const, value: { applied: true, position } } };
        });
        return { results };
      },
      get: (_, { responseHeader }) => {
        const asOf = at(node.group, 1, node.lsn);
        responseHeader.set(SEEN, formatHeader([asOf]));
        return { asOf };
      },
    }),
  );
  const seams = {
    ...{ clock: new VirtualClock(), random: new SeededRandom(1) },
    open: () => ({ transport, close: () => undefined }),
  };
  return { client: new WalnutClient({ address: 'node:1', session }, seams), brought, atLeast, node };
}

describe('a client at a node of a cluster', () => {
  it('has a session as at a node of a plain group, although answers name the group', async () => {
    const { client, brought, atLeast } = openNode();
    const { position } = await client.set('a', Buffer.from('x'));
    expect(position).toEqual(at('g1', 1, 5));
    await client.get('a');
    await client.get('a');
    expect(atLeast).toEqual([at('', 1, 5), at('', 1, 6)]);
    expect(brought).toEqual([null, null, null]);
    const { session } = client;
    expect([String(session), session.isOfGroups, session.token]).toEqual(['s3.g1.1-7', false, at('', 1, 7)]);
    expect([session.required, session.positions]).toEqual([at('', 1, 5), [at('g1', 1, 7)]]);
  });

  it.each([
    ['a text of a node, whose group it names first', Session.from('s3.g1.1-2'), 'g1'],
    ['a text of an earlier version', Session.from('s1.1-2'), ''],
    ['what was seen of the group alone', Session.ofGroups([at('g1', 1, 1), at('g1', 1, 2)]).partOf('g1'), ''],
  ])('goes on with %s', async (_, session, group) => {
    const { client, brought, atLeast } = openNode(session);
    await client.get('a');
    await client.get('a');
    expect(atLeast).toEqual([at(group, 1, 2), at('', 1, 5)]);
    expect([brought, String(session)]).toEqual([[null, null], 's3.g1.1-6']);
  });

  it('has one of groups once an answer names another one', async () => {
    const { client, brought, node } = openNode();
    await client.set('a', Buffer.from('x'));
    node.group = 'g2';
    await client.get('a');
    await client.get('a');
    expect(brought).toEqual([null, null, 'g1=1-5,g2=1-6']);
  });
});

describe('the session of a node of a cluster', () => {
  const ofNode = (...seen: readonly Position[]): Session => {
    const session = new Session();
    session.onNode();
    for (const position of seen) session.observeWrite(position);
    return session;
  };

  it('is that of one group where it had seen no other before', () => {
    const session = Session.ofGroups([at('g1', 1, 5), at('g1', 2 ** 33, 3)]);
    session.onNode();
    expect([String(session), session.isOfGroups]).toEqual(['s3.g1.8589934592-3.1-5', false]);
    const other = Session.ofGroups([at('g1', 1, 5), at('g2', 1, 6)]);
    other.onNode();
    expect([other.isOfGroups, String(other)]).toEqual([true, 's2.g1_1-5.g2_1-6']);
  });

  it('keeps what is unproven of its group, and tells a loss of it once', () => {
    const session = ofNode(at('g1', 1, 5), at('g1', 2 ** 33, 3));
    expect(session.unproven).toEqual([at('', 1, 5)]);
    session.onDiscarded(at('', 1, 5));
    expect([session.unproven, String(session)]).toEqual([[], 's3.g1.8589934592-3']);
  });

  it('joins one of its group, and one of another with the names of both', () => {
    const session = ofNode(at('g1', 1, 5));
    session.join(ofNode(at('g1', 1, 7)));
    expect(String(session)).toBe('s3.g1.1-7');
    session.join(new Session(at('', 1, 8)));
    expect(String(session)).toBe('s3.g1.1-8');
    session.join(ofNode(at('g2', 3, 1)));
    expect(String(session)).toBe('s2.g1_1-8.g2_3-1');
    session.join(ofNode(at('g1', 1, 9)));
    expect(String(session)).toBe('s2.g2_3-1.g1_1-9');
  });

  it.each([
    ['has seen nothing', () => new Session()],
    [
      'was begun anew',
      () => {
        const session = ofNode(at('g3', 1, 1));
        session.reset();
        return session;
      },
    ],
    ['has a position of which nobody has said the group', () => new Session(at('', 1, 4))],
  ])('gives its group to one that %s', (_, begin) => {
    const session = begin();
    session.join(ofNode(at('g1', 1, 5)));
    expect([String(session), session.positions]).toEqual(['s3.g1.1-5', [at('g1', 1, 5)]]);
    session.join(ofNode(at('g2', 2 ** 33, 7)));
    expect(String(session)).toBe('s2.g1_1-5.g2_8589934592-7');
    const atGateway = begin();
    atGateway.join(ofNode(at('g1', 1, 5)));
    atGateway.observe(at('g2', 2 ** 33, 7));
    expect(String(atGateway)).toBe('s2.g1_1-5.g2_8589934592-7');
  });

  it('joins a newer position of its group, which a gateway gave', () => {
    const session = ofNode(at('g1', 1, 5));
    session.join(Session.from('s2.g1_1-9'));
    expect([String(session), session.required]).toEqual(['s3.g1.1-9', at('', 1, 9)]);
    session.join(Session.from('s2.g1_1-7.g2_1-3'));
    expect(String(session)).toBe('s2.g1_1-9.g2_1-3');
    const begun = ofNode();
    begun.join(Session.from('s2.g1_1-5'));
    expect(String(begun)).toBe('s3.g1.1-5');
  });

  it('goes to another process as a text that names the group', () => {
    const text = String(ofNode(at('g-1', 1, 5), at('g-1', 2 ** 33, 3)));
    expect(text).toBe('s3.g-1.8589934592-3.1-5');
    const session = Session.from(text);
    // It names the group until an answer is of it.
    expect([String(session), session.unproven]).toEqual([text, [at('g-1', 1, 5)]]);
    expect(session.token).toEqual(at('g-1', 2 ** 33, 3));
    expect(session.positions).toEqual([at('g-1', 1, 5), at('g-1', 2 ** 33, 3)]);
    const joined = new Session();
    joined.join(session);
    expect([joined.token, joined.unproven]).toEqual([session.token, session.unproven]);
    joined.observe(at('g-1', 2 ** 33, 4));
    expect([joined.token, joined.unproven]).toEqual([at('', 2 ** 33, 4), [at('', 1, 5)]]);
    session.observe(at('g2', 1, 1));
    expect(String(session)).toBe('s2.g-1_1-5.g-1_8589934592-3.g2_1-1');
  });

  it('goes on at a cluster, which knows the group by its name', () => {
    const session = ofNode(at('g1', 1, 5), at('g1', 2 ** 33, 3));
    expect([String(session.partOf('g1')), String(session.partOf('g2'))]).toEqual([
      's1.8589934592-3.1-5',
      's1',
    ]);
  });
});
