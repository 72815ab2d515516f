/** A client of several nodes: where calls go, what is repeated, and what errors say. */
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Durability, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { addressesOf } from '../../client/addresses.ts';
import { connect } from '../../client/connect.ts';
import { CallError } from '../../client/failures.ts';
import type { SetOptions } from '../../client/operations.ts';
import { Session } from '../../client/session.ts';
import { WalnutClient, type WalnutClientOptions } from '../../client/walnut-client.ts';
import { errorResult, type Fault, SimulatedGroup } from './simulated-group.ts';

const NODES = ['m:1', 'a:1', 'b:1'];
const text = (value: Uint8Array): string => Buffer.from(value).toString();

function open(options: Partial<WalnutClientOptions> = {}, group = new SimulatedGroup(NODES), seed = 1) {
  const clock = new VirtualClock();
  const client = new WalnutClient(
    { addresses: NODES, ...options },
    {
      clock,
      random: new SeededRandom(seed),
      open: (address) => ({ transport: group.transportTo(address), close: () => undefined }),
    },
  );
  /** Lets time pass until the call is settled. */
  const settle = async <T>(call: Promise<T>): Promise<T> => {
    let isSettled = false;
    void call.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    for (let i = 0; i < 20 && !isSettled; i++) await clock.settle();
    if (!isSettled) await clock.advanceUntil(() => isSettled, 120_000);
    return call;
  };
  const failure = async (call: Promise<unknown>): Promise<CallError> => {
    const error = await settle(call).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CallError);
    return error as CallError;
  };
  return { group, clock, client, settle, failure };
}

/** True for a call that waits for none before it. */
function isBesides(name: string): boolean {
  return name === 'explain' || name === 'getUpdates';
}

describe('a client of a group', () => {
  it('writes at the master, wherever that is, and goes on with the next one', async () => {
    const { group, client, settle } = open();
    group.master = 'b:1';
    await settle(client.set('k', Buffer.from('1')));
    group.master = 'a:1';
    await settle(client.set('k', Buffer.from('2')));
    expect(text((await settle(client.get('k'))).value)).toBe('2');
    expect(group.seen).toEqual([
      ['b:1', 'set'],
      ['b:1', 'set'],
      ['a:1', 'set'],
      ['a:1', 'get'],
    ]);
  });

  it('reads replicas, and the master what they do not have yet', async () => {
    const { group, client, settle } = open({ readFrom: 'replica' });
    await settle(client.set('k', Buffer.from('1')));
    expect(text((await settle(client.get('k'))).value)).toBe('1');
    expect(group.seen.map(([address]) => address)).toEqual(['m:1', expect.not.stringMatching('m:1'), 'm:1']);
    for (const address of NODES) group.sync(address);
    await settle(client.get('k'));
    expect(group.seen.at(-1)?.[0]).not.toBe('m:1');
  });

  it('reads a key after the write of it that is under way, at the master', async () => {
    const { group, client, settle } = open({ readFrom: 'replica' });
    for (const address of NODES) group.sync(address);
    const [, mine, other] = await settle(
      Promise.all([client.set('k', Buffer.from('1')), client.get('k'), client.get('other')]),
    );
    expect([text(mine.value), other.found]).toEqual(['1', false]);
    expect(group.seen).toContainEqual(['m:1', 'set get']);
  });

  it('sends a write again whose answer was lost, and it is carried out once', async () => {
    const { group, client, settle } = open();
    const faults: Fault[] = ['none', 'none', 'none', 'none', 'lost_answer', 'lost_request', 'lost_answer'];
    group.fault = () => faults.shift() ?? 'none';
    expect((await settle(client.increment('n'))).value).toBe(1n);
    expect(text(group.state.get('n') as Uint8Array)).toBe('1');
    expect(group.seen.length).toBeGreaterThan(1);
  });

  it('does not send a write without a name again', async () => {
    const { group, client, failure } = open({ namedWrites: false });
    let attempts = 0;
    group.fault = () => (attempts++ < 3 ? 'none' : 'lost_answer');
    const error = await failure(client.increment('n'));
    expect([error.code, error.outcome, error.attempts]).toEqual([Code.Unavailable, 'unknown', 1]);
    expect(text(group.state.get('n') as Uint8Array)).toBe('1');
  });

  it('says that nothing was done where all nodes refused', async () => {
    const { group, client, failure } = open();
    group.fault = () => 'refused';
    const error = await failure(client.set('k', Buffer.from('1')));
    expect([error.code, error.outcome, error.attempts > 5]).toEqual([Code.Unavailable, 'not_done', true]);
    expect((await failure(client.set('a\ud800', Buffer.from('1')))).outcome).toBe('not_done');
  });

  it('sends again what a gateway had no answer for in time, and tells the others at once', async () => {
    const { group, client, settle, clock } = open({ addresses: ['m:1'] });
    let late = 3;
    group.instead = ({ operation }) =>
      operation.value?.key === 'slow' && late-- > 0 ? errorResult('deadline_exceeded', 'late') : undefined;
    const slow = client.increment('slow');
    const fast = client.increment('fast');
    expect((await settle(fast)).value).toBe(1n);
    expect([late, clock.monotonicMs()]).toEqual([2, 0]);
    expect((await settle(slow)).value).toBe(1n);
    expect(group.seen.slice(-4).map(([, kinds]) => kinds)).toEqual([
      ...['increment increment', 'increment', 'increment', 'increment'],
    ]);
  });

  it.each([
    [true, 'not_done'],
    [false, 'unknown'],
  ])('says of what a gateway never answers whether nothing was done: %s', async (nothingDone, outcome) => {
    const { group, client, settle, failure } = open({ addresses: ['m:1'], timeoutMs: 2_000 });
    group.instead = ({ operation }) =>
      operation.value?.key === 'slow' ? errorResult('deadline_exceeded', 'late', nothingDone) : undefined;
    const slow = failure(client.set('slow', Buffer.from('1')));
    const fast = client.set('fast', Buffer.from('1'));
    expect((await settle(fast)).applied).toBe(true);
    const error = await slow;
    expect([error.code, error.outcome, error.attempts > 2]).toEqual([Code.DeadlineExceeded, outcome, true]);
  });

  it('gives a caller up without its neighbours', async () => {
    const { group, client, settle, failure } = open();
    const aborter = new AbortController();
    const { signal } = aborter;
    let release: (() => void) | undefined;
    group.hold = () => new Promise((resolve) => (release = resolve));
    const sent = failure(client.set('a', Buffer.from('1'), { signal }));
    const read = failure(client.get('a', { signal }));
    const neighbour = client.set('b', Buffer.from('1'));
    while (release === undefined) await settle(Promise.resolve());
    const queued = failure(client.set('c', Buffer.from('1'), { signal }));
    aborter.abort();
    const outcomes = (await Promise.all([sent, read, queued])).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(['unknown', 'not_done', 'not_done']);
    group.hold = () => undefined;
    release();
    expect((await settle(neighbour)).applied).toBe(true);
    await settle(client.set('d', Buffer.from('1')));
    expect(group.state.has('c')).toBe(false);
    expect((await failure(client.get('a', { signal }))).code).toBe(Code.Canceled);
  });

  it.each<[string, (client: WalnutClient, signal: AbortSignal) => Promise<unknown>]>([
    ['a set', (client, signal) => client.set('k', Buffer.from('1'), { signal })],
    ['a get', (client, signal) => client.get('k', { signal })],
    ['a get with a lease', (client, signal) => client.get('k', { fillLeaseMs: 1, signal })],
    ['an atomic Batch', (client, signal) => client.atomic([{ delete: { key: 'k' } }], { signal })],
    [
      'an atomic Batch that waits for others',
      (client, signal) => client.atomic([{ delete: { key: 'k' } }], { minAcks: 1, signal }),
    ],
    ['deletePrefix', (client, signal) => client.deletePrefix('k', { signal })],
    ['awaitDurable', (client, signal) => client.awaitDurable({ signal })],
    ['explain', (client, signal) => client.explain('k', 1, { signal })],
    ['getUpdates', (client, signal) => client.getUpdates({ signal })],
    ['a scan', (client, signal) => Array.fromAsync(client.scan('k', { signal }))],
  ])('says that nothing was done of %s that was given up before it was sent', async (_, call) => {
    const { group, client, settle, failure } = open();
    await settle(client.set('before', Buffer.from('1')));
    let sent = 0;
    group.fault = () => {
      sent++;
      return 'none';
    };
    const given = { code: Code.Canceled, outcome: 'not_done', attempts: 0 };
    expect(await failure(call(client, AbortSignal.abort()))).toMatchObject(given);
    expect(sent).toBe(0);
    // The same of one that waits for its turn: it ends at once.
    let release: (() => void) | undefined;
    group.hold = () => new Promise((resolve) => (release = resolve));
    const before = client.set('before', Buffer.from('2'));
    while (release === undefined) await settle(Promise.resolve());
    const aborter = new AbortController();
    const waiting = failure(call(client, aborter.signal));
    aborter.abort();
    if (!isBesides(_)) expect(await waiting).toMatchObject(given);
    group.hold = () => undefined;
    release();
    await settle(before);
    await waiting;
  });

  it('ends a scan where it is closed or given up, also between two entries', async () => {
    const { group, client, failure } = open();
    group.entries = ['a', 'b'];
    const aborter = new AbortController();
    const one = client.scan('', { signal: aborter.signal });
    const other = client.scan('');
    for (const each of [one, other]) expect((await each.next()).value).toMatchObject({ key: 'a' });
    aborter.abort();
    expect(await failure(one.next())).toMatchObject({ code: Code.Canceled, outcome: 'not_done' });
    await client.close();
    expect((await failure(other.next())).rawMessage).toBe('this client is closed');
  });

  it('says of a deletePrefix that failed after a page that some of it is done', async () => {
    const { group, client, failure } = open({ timeoutMs: 300 });
    let pages = 0;
    group.fault = (_, rpc) => (rpc === 'deletePrefix' && pages++ > 0 ? 'refused' : 'none');
    expect((await failure(client.deletePrefix('k'))).outcome).toBe('unknown');
  });

  it('goes on where what it tells its caller throws', async () => {
    const onRetry = (): void => {
      throw new Error('of the caller');
    };
    const { group, client, settle } = open({ onRetry });
    const faults: Fault[] = ['refused'];
    group.fault = () => faults.shift() ?? 'none';
    expect((await settle(client.set('k', Buffer.from('1')))).applied).toBe(true);
    expect(faults).toEqual([]);
  });

  it('ends a Batch that nobody waits for, so that later calls do not', async () => {
    const { group, clock, client, failure } = open();
    await client.get('before');
    const [one, two] = [new AbortController(), new AbortController()];
    group.hold = () => new Promise(() => undefined);
    const calls = [one, two].map(({ signal }) => failure(client.set('a', Buffer.from('1'), { signal })));
    await clock.settle();
    one.abort();
    group.hold = () => undefined;
    let isSettled = false;
    const later = client.set('b', Buffer.from('1')).then(() => {
      isSettled = true;
    });
    await clock.settle();
    expect(isSettled).toBe(false);
    two.abort();
    // Turns of the event loop and no time: else the Batch would end by its own time limit.
    for (let i = 0; i < 50 && !isSettled; i++) await clock.settle();
    expect(isSettled).toBe(true);
    await Promise.all([...calls, later]);
    expect(group.state.has('b')).toBe(true);
  });

  describe.each([
    ['for replicas', { minAcks: 1 }],
    ['for a quorum that is missing', { durability: Durability.QUORUM }],
  ])('whose write waits %s', (_, receipt) => {
    type Client = WalnutClient;
    const write = {
      set: (client: Client) => client.set('k', Buffer.from('1'), { ...receipt, timeoutMs: 30_000 }),
      'atomic Batch': (client: Client) =>
        client.atomic([{ set: { key: 'k', value: Buffer.from('1') } }], { ...receipt, timeoutMs: 30_000 }),
    };

    function openWaiting() {
      const opened = open();
      const { group, settle } = opened;
      let end: (() => void) | undefined;
      group.hold = ({ durability, minAcks, operations }) => {
        const [first] = operations;
        const own = first?.operation.case === 'set' ? first.operation.value : undefined;
        const isPatient = [{ durability, minAcks }, own].some(
          (one) => (one?.minAcks ?? 0) > 0 || one?.durability === Durability.QUORUM,
        );
        return isPatient ? new Promise((resolve) => (end = resolve)) : undefined;
      };
      const release = async (): Promise<void> => {
        for (let i = 0; i < 20 && end === undefined; i++) await settle(Promise.resolve());
        end?.();
      };
      return { ...opened, release };
    }

    it.each(Object.entries(write))(
      'by %s, has it wait alone with later calls of its key',
      async (_, call) => {
        const { client, settle, release, clock, group } = openWaiting();
        const settled: string[] = [];
        const told = (name: string) => () => settled.push(name);
        const patient = call(client).then(told('patient'));
        const same = client.set('k', Buffer.from('2')).then(told('same'));
        const read = client.get('k', { waitMs: 1 }).then(({ value }) => told(text(value))());
        const strict = client.get('k', { linearizable: true }).then(({ value }) => told(text(value))());
        await settle(client.set('other', Buffer.from('1')).then(told('other')));
        await settle(client.get('other').then(told('get')));
        expect(settled).toEqual(['other', 'get']);
        expect(clock.monotonicMs()).toBeLessThan(1_000);
        await release();
        await settle(Promise.all([patient, same, read, strict]));
        expect(settled.slice(0, 4)).toEqual(['other', 'get', 'patient', 'same']);
        expect(settled.slice(4)).toEqual(['2', '2']);
        expect(text(group.state.get('k') as Uint8Array)).toBe('2');
      },
    );

    it('waits at its close for the calls behind that write', async () => {
      const { client, settle, release, group } = openWaiting();
      const patient = write.set(client);
      const calls = [patient, client.set('k', Buffer.from('2')), client.set('k', Buffer.from('3'))];
      let answered = 0;
      const all = calls.map((call) => call.then(() => answered++));
      const closed = client.close().then(() => answered);
      await release();
      expect(await settle(closed)).toBe(3);
      await Promise.all(all);
      expect(text(group.state.get('k') as Uint8Array)).toBe('3');
    });

    it('bounds what waits behind such writes', async () => {
      const { client, failure, clock } = (() => {
        const group = new SimulatedGroup(NODES);
        group.hold = () => new Promise(() => undefined);
        return open({ queuedOperationsMax: 2 }, group);
      })();
      const calls: Promise<unknown>[] = [];
      for (let i = 0; i < 68; i++) {
        calls.push(client.set(`k${i}`, Buffer.from('1'), receipt));
        calls.at(-1)?.catch(() => undefined);
        for (let turn = 0; turn < 5; turn++) await clock.settle();
      }
      const error = await failure(Promise.all(calls));
      expect(error).toMatchObject({ code: Code.ResourceExhausted, outcome: 'not_done' });
      expect(error.message).toContain('expected at most 2 (queuedOperationsMax)');
    });
  });

  /** No attempt ends by its time, which passes for real in these transports. */
  const PATIENT = { attemptMs: 600_000, timeoutMs: 600_000 };

  it('sends writes that wait for the same in one Batch, and others do not wait for it', async () => {
    const { group, client, clock } = open(PATIENT);
    await client.get('before');
    group.seen.length = 0;
    const ends: (() => void)[] = [];
    group.hold = ({ operations: [first] }) =>
      first?.operation.case === 'set' ? new Promise((resolve) => ends.push(resolve)) : undefined;
    const settled: string[] = [];
    const call = (key: string, options: SetOptions): void => {
      void client.set(key, Buffer.from('1'), options).then(() => settled.push(key));
    };
    const quorum = { durability: Durability.QUORUM };
    for (const key of ['a', 'b', 'c', 'a']) call(key, quorum);
    for (const key of ['d', 'e']) call(key, { minAcks: 1 });
    call('f', { ...quorum, timeoutMs: 9_000 });
    void client.increment('n', quorum).then(() => settled.push('n'));
    void client.increment('other').then(() => settled.push('other'));
    for (let i = 0; i < 20; i++) await clock.settle();
    expect(group.seen.map(([, kinds]) => kinds).sort()).toEqual([
      ...['increment', 'set', 'set set', 'set set set increment'],
    ]);
    expect(settled).toEqual(['other']);
    for (let i = 0; i < 4; i++) {
      ends.splice(0).map((end) => end());
      for (let turn = 0; turn < 20; turn++) await clock.settle();
    }
    expect(settled.sort()).toEqual(['a', 'a', 'b', 'c', 'd', 'e', 'f', 'n', 'other']);
    expect(group.seen.map(([, kinds]) => kinds).at(-1)).toBe('set');
  });

  it('sends each write that waits and asks for the entry before by itself', async () => {
    const { group, client, settle } = open();
    const options = { minAcks: 1, returnPrevious: true };
    await settle(Promise.all(['a', 'b'].map((key) => client.set(key, Buffer.from('1'), options))));
    expect(group.seen.map(([, kinds]) => kinds).slice(-2)).toEqual(['set', 'set']);
  });

  it('sends each write that waits by itself through a gateway, where each may be of another group', async () => {
    const position = create(PositionSchema, { group: 'g1', epoch: 1n, lsn: 1n });
    const { group, client, settle } = open({ session: Session.ofGroups([position]) });
    await settle(Promise.all(['a', 'b'].map((key) => client.increment(key, { minAcks: 1 }))));
    expect(group.seen.map(([, kinds]) => kinds)).toEqual(['increment', 'increment']);
  });

  it('gathers writes that wait for the same while all places are taken', async () => {
    const { group, client, clock } = open({ batchOperationsMax: 3, ...PATIENT });
    await client.get('before');
    const ends: (() => void)[] = [];
    group.hold = () => new Promise((resolve) => ends.push(resolve));
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 71; i++) {
      calls.push(client.increment(`k${i}`, { minAcks: 1 }));
      for (let turn = 0; turn < 5; turn++) await clock.settle();
    }
    expect(ends.length).toBe(64);
    group.hold = () => undefined;
    for (const end of ends) end();
    await Promise.all(calls);
    expect(group.seen.slice(-3).map(([, kinds]) => kinds.split(' ').length)).toEqual([3, 3, 1]);
  });

  it.each(['master', 'replica', 'nearest'] as const)(
    'asks the master by itself for a linearizable answer, with readFrom %s',
    async (readFrom) => {
      const { group, client, settle } = open({ readFrom });
      await settle(client.set('k', Buffer.from('1')));
      group.master = 'b:1';
      group.sync('b:1');
      group.gets = 0;
      const calls = [client.set('k', Buffer.from('2')), client.get('k', { linearizable: true })] as const;
      expect(text((await settle(Promise.all(calls)))[1].value)).toBe('2');
      expect(group.seen.filter(([, kinds]) => kinds.includes('get'))).toEqual([]);
      expect(group.gets).toBeGreaterThan(0);
      const gone = new AbortController();
      const late = client.get('k', { linearizable: true, signal: gone.signal }).catch((error) => error);
      gone.abort();
      expect(await settle(late)).toMatchObject({ code: Code.Canceled, outcome: 'not_done' });
    },
  );

  it('carries out every increment once, and says which, whatever is lost on the way', async () => {
    const fault = fc.constantFrom<Fault>('none', 'none', 'lost_request', 'lost_answer', 'refused');
    const calls = fc.array(fc.record({ key: fc.constantFrom('x', 'y'), waits: fc.boolean() }), {
      maxLength: 25,
    });
    await fc.assert(
      fc.asyncProperty(
        calls,
        fc.infiniteStream(fault),
        fc.integer({ min: 1, max: 4 }),
        async (given, faults, size) => {
          const group = new SimulatedGroup(NODES);
          const { client, settle } = open(
            { timeoutMs: 400, batchOperationsMax: size },
            group,
            given.length + 1,
          );
          let moves = 0;
          group.fault = () => {
            if (++moves % 7 === 0) group.master = NODES[moves % NODES.length] as string;
            return faults.next().value ?? 'none';
          };
          const counts = { done: 0, unknown: 0 };
          const all: Promise<unknown>[] = [];
          for (const { key, waits } of given) {
            const call = client.increment(key).then(
              () => counts.done++,
              (error: CallError) => {
                if (error.outcome !== 'not_done') counts.unknown++;
              },
            );
            all.push(call);
            if (waits) await settle(call);
          }
          await settle(Promise.all(all));
          await settle(client.close());
          const sum = ['x', 'y'].reduce(
            (total, key) => total + Number(text(group.state.get(key) ?? new Uint8Array())),
            0,
          );
          expect(sum).toBeGreaterThanOrEqual(counts.done);
          expect(sum).toBeLessThanOrEqual(counts.done + counts.unknown);
        },
      ),
      { numRuns: Number(process.env['WALNUT_FUZZ_CALLS'] ?? 100) },
    );
  });
});

describe('the addresses of a client', () => {
  it.each<[WalnutClientOptions, string[]]>([
    [{ address: '127.0.0.1' }, ['127.0.0.1:8080']],
    [{ address: '[::1]' }, ['[::1]:8080']],
    [{ addresses: ['a', 'a:8080', 'b:1'] }, ['a:8080', 'b:1']],
    [{ addresses: ['https://a', 'https://b:1'] }, ['https://a:8080', 'https://b:1']],
    [{ cluster: ['a:1'] }, ['a:1']],
  ])('%j have the port 8080 where they name none', (options, addresses) => {
    expect(addressesOf(options)).toEqual(addresses);
  });

  it.each<[WalnutClientOptions, string]>([
    [{}, 'expected addresses'],
    [{ addresses: [] }, 'expected 1 to 32'],
    [{ addresses: ['a:1', 'b:'] }, 'expected host:port'],
    [{ address: 'a b' }, 'expected host:port'],
    [{ cluster: ['a'] }, 'expected host:port'],
    [{ address: 'a:1', addresses: ['a:1'] }, 'expected one of them'],
    [{ addresses: ['a:1', 'https://b:1'] }, 'expected all or none'],
    [{ address: 'a:1', readFrom: 'replica' }, 'expected addresses with it'],
  ])('%j are refused', (options, why) => {
    expect(() => connect(options)).toThrow(why);
  });
});
