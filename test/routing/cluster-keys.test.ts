/** Calls to a cluster of two groups, on a virtual clock: where they go, what is repeated, and what is done once. */
import { describe, expect, it } from 'vitest';
import type { BatchOperation, BatchResult, IncrementAnswer } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { WriteId } from '#model/write-id.ts';
import { FakeCluster, type Fate, incrementOf, mapOf } from '#test/routing/fake-cluster.ts';

/** By the slot hash of Redis Cluster: `foo` has slot 12182, `bar` 5061. */
const [OF_G1, OF_G2] = ['bar', 'foo'];

const incrementsOf = (...keys: string[]): BatchOperation[] =>
  keys.map((key) => ({ kind: 'increment', command: incrementOf(key) }));

describe('a call of one key', () => {
  it('goes to the master of the group that owns it', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    await cluster.settled(cluster.keys.increment(incrementOf(OF_G1)));
    await cluster.settled(cluster.keys.increment(incrementOf(OF_G2)));
    // The first question of each group is for a position to name the write by.
    expect(cluster.asked).toEqual(['g1-1:1', 'g1-1:1', 'g2-1:1', 'g2-1:1']);
    expect(cluster.group('g1').sums).toEqual(new Map([[OF_G1, 1n]]));
    expect(cluster.group('g2').sums).toEqual(new Map([[OF_G2, 1n]]));
  });

  it('is done once although its answers are lost', async () => {
    const cluster = new FakeCluster(['g1']);
    const fates: Fate[] = ['answer', 'lost', 'lost'];
    cluster.fate = () => fates.shift() ?? 'answer';
    const answer = await cluster.settled(cluster.keys.increment(incrementOf('k')));
    expect((answer as IncrementAnswer).value).toBe(1n);
    const ids = cluster.group('g1').ids;
    expect(new Set(ids.map((id) => JSON.stringify(id?.since))).size).toBe(1);
    expect(ids.length).toBe(3);
  });

  it('waits for a leader, and goes on when the map names one', async () => {
    const cluster = new FakeCluster(['g1']);
    let isLed = false;
    cluster.fate = (address) => (isLed && address === 'g1-2:1' ? 'answer' : 'dead');
    const calls = Array.from({ length: 50 }, () => cluster.keys.increment(incrementOf('k')));
    void cluster.clock.sleep(3_000).then(() => {
      isLed = true;
      cluster.map = mapOf(['g1'], 2, { g1: 'g1-2' });
      cluster.routed.cache.take({ kind: 'whole', map: cluster.map, epoch: 2 });
    });
    const answers = await cluster.settled(Promise.all(calls));
    expect((answers as IncrementAnswer[]).length).toBe(50);
    expect(cluster.group('g1').sums.get('k')).toBe(50n);
    // One asks at a time while nobody answers.
    expect(cluster.asked.length).toBeLessThan(130);
    expect(cluster.clock.monotonicMs()).toBeLessThan(3_600);
  });

  it('asks the nodes after a second where a coordinator hangs that should say who leads', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.routed.cache.take({ kind: 'whole', map: mapOf(['g1'], 2, { g1: '' }), epoch: 2 });
    cluster.isHung = true;
    expect(await cluster.settled(cluster.keys.get({ key: 'k', waitMs: 0 }))).toMatchObject({
      stalenessMs: 0,
    });
    expect(cluster.clock.monotonicMs()).toBeLessThan(1_100);
  });

  it('is refused after 10 s, with nothing done', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.fate = () => 'dead';
    const error = (await cluster.settled(cluster.keys.increment(incrementOf('k')))) as WalnutError;
    expect(error).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
    expect(cluster.clock.monotonicMs()).toBeGreaterThan(9_000);
    expect(cluster.clock.monotonicMs()).toBeLessThan(11_000);
  });

  it('that is a read has done nothing wherever it fails, and says why its last attempt did', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.fate = () => 'lost';
    // Its time ends while it waits for the group.
    const waiting = cluster.keys.get({ key: 'k', waitMs: 0 });
    expect(await cluster.settled(waiting)).toMatchObject({
      ...{ code: 'unavailable', message: 'lost' },
      details: { nothingDone: true },
    });
    cluster.fate = (_, key) => (key === '' ? 'lost' : 'answer');
    const scan = { prefix: '', cursor: '', limit: 10, keysOnly: false };
    expect(await cluster.settled(cluster.keys.scan(scan))).toMatchObject({ details: { nothingDone: true } });
  });

  it('does not wait where too many wait already, and other groups go on', async () => {
    const cluster = new FakeCluster(['g1', 'g2'], { callsMax: 2, bytesMax: 100 });
    cluster.fate = (address) => (address.startsWith('g1') ? 'dead' : 'answer');
    const get = { waitMs: 0 };
    const held = [1, 2].map(() => cluster.keys.get({ key: OF_G1, ...get }).catch((error: unknown) => error));
    await cluster.clock.settle();
    const error = await cluster.settled(cluster.keys.get({ key: OF_G1, ...get }));
    expect(error).toMatchObject({ code: 'unavailable', details: { nothingDone: true, retryAfterS: 1 } });
    expect((error as WalnutError).message).toContain('gateway.held_calls 2');
    expect(await cluster.settled(cluster.keys.get({ key: OF_G2, ...get }))).toMatchObject({ stalenessMs: 0 });
    await cluster.settled(Promise.all(held));
  });

  it('of a thousand small ones counts with what each takes in memory, before any has a name', async () => {
    const cluster = new FakeCluster(['g1'], { callsMax: 100, bytesMax: 1_500_000 });
    cluster.fate = () => 'dead';
    const operations = incrementsOf(...Array.from({ length: 1_000 }, (_, i) => `k${i}`));
    const first = cluster.keys.batch(operations).catch((error: unknown) => error);
    await cluster.clock.settle();
    expect(cluster.routed.all[0]?.hold.bytes).toBeGreaterThan(1_000_000);
    const error = (await cluster.settled(cluster.keys.batch(operations))) as WalnutError;
    expect(error.message).toContain('gateway.held_bytes 1500000');
    // Refused at once: it waited for no answer of the group.
    expect(cluster.clock.monotonicMs()).toBeLessThan(1_000);
    await cluster.settled(first);
    expect(cluster.routed.all[0]?.hold.bytes).toBe(0);
  });

  it('follows a slot to its next owner', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.fate = (address) => (address.startsWith('g1') ? 'moved' : 'answer');
    const { groups, nodes } = mapOf(['g1', 'g2'], 2);
    const slots = [{ first: 0, last: 16_383, group: 'g2' }];
    cluster.map = { clusterId: 'c'.repeat(32), epoch: 2, groups, nodes, slots };
    await cluster.settled(cluster.keys.increment(incrementOf(OF_G1)));
    expect(cluster.group('g2').sums.get(OF_G1)).toBe(1n);
    expect(cluster.group('g1').sums.size).toBe(0);
  });

  it('names who should own a slot where nobody does, and that a caller may come back', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.fate = () => 'moved';
    const error = await cluster.settled(cluster.keys.get({ key: 'k', waitMs: 0 }));
    expect(error).toMatchObject({ code: 'unavailable', details: { nothingDone: true } });
    expect(cluster.clock.monotonicMs()).toBeGreaterThan(9_000);
    // The map is asked for at most every 100 ms.
    expect(cluster.asked.length).toBeLessThan(110);
  });

  it('of a Batch goes on at the master where a replica cannot answer it, as a single Get does', async () => {
    const cluster = new FakeCluster(['g1'], { callsMax: 100, bytesMax: 1_000_000 }, 'replica');
    const behind = new WalnutError('unavailable', 'the position is not reached');
    cluster.result = (address, { command }) =>
      address === 'g1-2:1' && command.key === 'k2' ? { kind: 'error', error: behind } : undefined;
    const gets = ['k1', 'k2'].map((key) => ({ kind: 'get', command: { key, waitMs: 0 } }) as const);
    const results = (await cluster.settled(cluster.keys.batch(gets))) as BatchResult[];
    expect(results.map(({ kind }) => kind)).toEqual(['get', 'get']);
    expect(cluster.asked).toEqual(['g1-2:1', 'g1-1:1']);
    // The others have their results, although the master answers nothing either.
    cluster.fate = (address) => (address === 'g1-1:1' ? 'dead' : 'answer');
    await cluster.clock.advance(1_000);
    const later = (await cluster.settled(cluster.keys.batch(gets))) as BatchResult[];
    expect(later).toMatchObject([{ kind: 'get' }, { kind: 'error', error: { message: behind.message } }]);
  });

  it('carries no position of another group', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    await cluster.settled(cluster.keys.increment(incrementOf(OF_G1)));
    await cluster.settled(cluster.keys.increment(incrementOf(OF_G2)));
    const atLeast = cluster.group('g1').position;
    await cluster.settled(cluster.keys.get({ key: OF_G2, waitMs: 0, atLeast }));
    expect(cluster.epochsAsked).toEqual([]);
    await cluster.settled(cluster.keys.get({ key: OF_G1, waitMs: 0, atLeast }));
    expect(cluster.epochsAsked).toEqual([atLeast.epoch]);
  });

  it('carries none either where this process has just started, nor one of a term that is over', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [g1, g2] = [cluster.group('g1'), cluster.group('g2')];
    const old = { ...g1.position, epoch: g1.epoch + 7 };
    g1.history.add(old.epoch);
    for (const atLeast of [g1.position, old])
      await cluster.settled(cluster.keys.get({ key: OF_G2, waitMs: 0, atLeast }));
    const id = {
      name: { kind: 'client', clientId: 1n, sequence: 1n },
      since: g1.position,
    } as unknown as WriteId;
    await cluster.settled(cluster.keys.increment({ ...incrementOf(OF_G2), id }));
    const get: BatchOperation = { kind: 'get', command: { key: OF_G2, waitMs: 0, atLeast: old } };
    await cluster.settled(cluster.keys.batch([get]));
    const atomic = { operations: [get], minAcks: 0, timeoutMs: 0, answerBytesMax: 1_000 };
    await cluster.settled(cluster.keys.atomicBatch(atomic));
    expect(cluster.epochsAsked).toEqual([]);
    expect(g2.ids.map((one) => one?.since)).toEqual([undefined]);
    // Each epoch is asked for once, and not again.
    expect(cluster.owned.length).toBe(4);
    await cluster.settled(cluster.keys.get({ key: OF_G1, waitMs: 0, atLeast: old }));
    expect(cluster.epochsAsked).toEqual([old.epoch]);
  });

  it('names the group in the positions of an atomic batch, those of its results too', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const operations: BatchOperation[] = [{ kind: 'get', command: { key: OF_G2, waitMs: 0 } }];
    const rest = { minAcks: 0, timeoutMs: 0, answerBytesMax: 1_000 };
    const answer = await cluster.settled(cluster.keys.atomicBatch({ operations, ...rest }));
    const position = { ...cluster.group('g2').position, group: 'g2' };
    expect(answer).toMatchObject({ position, results: [{ answer: { asOf: position } }] });
  });

  it('asks once a second at most whose an epoch is that no group knows, and passes it on', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const atLeast = { ...cluster.group('g1').position, epoch: 99 };
    const read = () => cluster.settled(cluster.keys.get({ key: OF_G1, waitMs: 0, atLeast }));
    for (let i = 0; i < 3; i++) {
      await read();
      await cluster.clock.advance(300);
    }
    expect([cluster.owned.length, cluster.epochsAsked]).toEqual([2, [99, 99, 99]]);
    await cluster.clock.advance(1_000);
    await read();
    expect(cluster.owned.length).toBe(4);
  });

  it('waits half a second for a group that cannot say whether an epoch is its own', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.fate = (address) => (address.startsWith('g2') ? 'dead' : 'answer');
    const atLeast = { ...cluster.group('g1').position, epoch: 99 };
    await cluster.settled(cluster.keys.get({ key: OF_G1, waitMs: 0, atLeast }));
    expect(cluster.epochsAsked).toEqual([99]);
    expect(cluster.clock.monotonicMs()).toBeLessThan(700);
  });

  it('is sent once more with a newer position where the group cannot tell it from a repeat', async () => {
    const cluster = new FakeCluster(['g1']);
    const fates: Fate[] = ['answer', 'forgotten'];
    cluster.fate = () => fates.shift() ?? 'answer';
    expect(await cluster.settled(cluster.keys.increment(incrementOf('k')))).toMatchObject({ value: 1n });
    const again: Fate[] = ['lost', 'forgotten'];
    cluster.fate = () => again.shift() ?? 'answer';
    // The first attempt may have been done: its caller is told, and nothing is done again.
    expect(await cluster.settled(cluster.keys.increment(incrementOf('k')))).toMatchObject({
      code: 'aborted',
    });
    expect(cluster.group('g1').sums.get('k')).toBe(2n);
  });
});

describe('the log of a gateway', () => {
  it('names the next leader, and says that calls wait, but not again and again', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.fate = () => 'dead';
    cluster.logged.length = 0;
    const call = cluster.keys.get({ key: 'k', waitMs: 0 });
    void cluster.clock.sleep(2_000).then(() => {
      cluster.fate = () => 'answer';
      cluster.routed.cache.take({ kind: 'whole', map: mapOf(['g1'], 2, { g1: 'g1-2' }), epoch: 2 });
    });
    await cluster.settled(call);
    const afterMs = expect.stringMatching(/^\{"afterMs":\d+\} calls to the group go on$/);
    expect(cluster.logged).toEqual([
      '{"calls":1} the group does not answer: its calls wait',
      '{"leader":"g1-2@2","before":"g1-1@1"} the map names another leader of the group',
      afterMs,
    ]);
    cluster.fate = () => 'dead';
    void cluster.clock.sleep(1_000).then(() => {
      cluster.fate = () => 'answer';
    });
    await cluster.settled(cluster.keys.get({ key: 'k', waitMs: 0 }));
    expect(cluster.logged.length).toBe(3);
  });
});

describe('a failover that loses writes', () => {
  it('is no error of a write that was on its way, which is done once', async () => {
    const cluster = new FakeCluster(['g1']);
    const g1 = cluster.group('g1');
    await cluster.keys.increment(incrementOf('k'));
    const fates: Fate[] = ['lost'];
    cluster.fate = () => {
      const fate = fates.shift() ?? 'answer';
      if (fate === 'lost') queueMicrotask(() => g1.loseAll());
      return fate;
    };
    expect(await cluster.settled(cluster.keys.increment(incrementOf('k')))).toMatchObject({ value: 1n });
    fates.push('lost');
    const batch = cluster.keys.batch(incrementsOf('k', 'a'));
    expect(await cluster.settled(batch)).toMatchObject([
      { answer: { value: 1n } },
      { answer: { value: 1n } },
    ]);
    expect(g1.sums).toEqual(
      new Map([
        ['k', 1n],
        ['a', 1n],
      ]),
    );
  });
});

describe('a master that hangs', () => {
  it('keeps no call once another one leads, however long it may wait, and each is done once', async () => {
    const cluster = new FakeCluster(['g1']);
    await cluster.keys.increment(incrementOf('k'));
    cluster.fate = (address) => (address === 'g1-1:1' ? 'hung' : 'answer');
    const long = { ...incrementOf('k'), minAcks: 5, timeoutMs: 55_000 };
    const calls = [long, long, long, incrementOf('k')].map((one) => cluster.keys.increment(one));
    void cluster.clock.sleep(3_500).then(() => {
      cluster.routed.cache.take({ kind: 'whole', map: mapOf(['g1'], 2, { g1: 'g1-2' }), epoch: 2 });
    });
    expect(await cluster.settled(Promise.all(calls))).toHaveLength(4);
    expect(cluster.clock.monotonicMs()).toBeLessThan(3_600);
    expect(cluster.group('g1').sums.get('k')).toBe(5n);
  });

  it('ends nothing of a caller that gave up but by its own reason', async () => {
    const cluster = new FakeCluster(['g1']);
    await cluster.keys.increment(incrementOf('k'));
    cluster.fate = () => 'hung';
    const caller = new AbortController();
    const long = { ...incrementOf('k'), minAcks: 5, timeoutMs: 55_000 };
    const call = cluster.keys.increment(long, caller.signal).catch((error: unknown) => error);
    await cluster.clock.advance(100);
    caller.abort();
    await cluster.settled(call);
    expect(cluster.clock.monotonicMs()).toBe(100);
  });
});

describe('what one caller asks for and cannot have', () => {
  it('does not delay the calls of others', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.fate = (_, key) => (key === 'bad' ? 'not_yet' : 'answer');
    const bad = Array.from({ length: 20 }, () =>
      cluster.keys.get({ key: 'bad', waitMs: 0 }).catch((error: unknown) => error),
    );
    await cluster.clock.advance(500);
    const startedMs = cluster.clock.monotonicMs();
    expect(await cluster.settled(cluster.keys.increment(incrementOf('k')))).toMatchObject({ value: 1n });
    expect(cluster.clock.monotonicMs() - startedMs).toBe(0);
    expect(await cluster.settled(bad[0])).toMatchObject({ code: 'unavailable' });
    // A master that answers is asked ever more slowly.
    expect(cluster.asked.length / 20).toBeLessThan(25);
    expect(new Set(cluster.asked)).toEqual(new Set(['g1-1:1']));
  });

  it('is refused at once by a cursor of DeletePrefix that names a replica', async () => {
    const cluster = new FakeCluster(['g1']);
    const command = { prefix: 'p', limit: 0, minAcks: 0, timeoutMs: 0 };
    const ofReplica = cluster.keys.deletePrefix({ ...command, cursor: 'g1@g1-2:1/1/0/' });
    expect(await cluster.settled(ofReplica)).toMatchObject({ code: 'invalid_argument' });
    expect([cluster.asked, cluster.clock.monotonicMs()]).toEqual([[], 0]);
    const ofMaster = cluster.keys.deletePrefix({ ...command, cursor: 'g1@g1-1:1/1/0/' });
    expect(await cluster.settled(ofMaster)).toMatchObject({ deleted: 0 });
  });

  it('is no sign of a dead group where it is the cursor of a dead node, and ends with the failover', async () => {
    const cluster = new FakeCluster(['g1']);
    cluster.fate = (address, key) => (address === 'g1-1:1' && key === '' ? 'dead' : 'answer');
    const scan = { prefix: '', cursor: 'g1@g1-1:1/1/0/x', limit: 10, keysOnly: false };
    const scans = Array.from({ length: 10 }, () => cluster.keys.scan(scan).catch((error: unknown) => error));
    await cluster.clock.advance(1_000);
    expect(cluster.routed.all[0]?.hold.isOpen).toBe(false);
    await cluster.keys.increment(incrementOf('k'));
    cluster.routed.cache.take({ kind: 'whole', map: mapOf(['g1'], 2, { g1: 'g1-2' }), epoch: 2 });
    expect(await cluster.settled(scans[0])).toMatchObject({ code: 'invalid_argument' });
    expect(cluster.clock.monotonicMs()).toBeLessThan(1_200);
  });

  it('is no sign of a dead group where a replica was asked beside the master', async () => {
    const cluster = new FakeCluster(['g1']);
    let failures = 1;
    cluster.fate = (address) => (address === 'g1-2:1' ? 'replica' : failures-- > 0 ? 'dead' : 'answer');
    await cluster.settled(cluster.keys.get({ key: 'k', waitMs: 0 }));
    expect(cluster.routed.all[0]?.hold.isOpen).toBe(false);
  });
});

describe('a Batch', () => {
  it('has one part for each group, and its results in order', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const operations = incrementsOf(OF_G2, OF_G1, OF_G2, OF_G1);
    const results = await cluster.settled(cluster.keys.batch(operations));
    const told = (results as { answer: IncrementAnswer }[]).map(({ answer }) => [
      answer.position.epoch,
      answer.value,
    ]);
    const [g1, g2] = cluster.groups.map(({ epoch }) => epoch);
    expect(told).toEqual([
      [g2, 1n],
      [g1, 1n],
      [g2, 2n],
      [g1, 2n],
    ]);
  });

  it('tells the error of one group with its operations only', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.fate = (address) => (address.startsWith('g1') ? 'dead' : 'answer');
    const results = await cluster.settled(cluster.keys.batch(incrementsOf(OF_G1, OF_G2)));
    expect(results).toMatchObject([{ kind: 'error', error: { code: 'unavailable' } }, { kind: 'increment' }]);
  });

  it('is done once although answers of one group are lost', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    await cluster.settled(cluster.keys.batch(incrementsOf(OF_G1, OF_G2)));
    const fates: Fate[] = ['lost', 'lost'];
    cluster.fate = (address) => (address.startsWith('g1') ? (fates.shift() ?? 'answer') : 'answer');
    await cluster.settled(cluster.keys.batch(incrementsOf(OF_G1, OF_G2, OF_G1)));
    expect(cluster.group('g1').sums.get(OF_G1)).toBe(3n);
    expect(cluster.group('g2').sums.get(OF_G2)).toBe(2n);
  });

  it('is refused whole where all of it is for one group that refuses it', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    cluster.fate = () => 'dead';
    expect(await cluster.settled(cluster.keys.batch(incrementsOf(OF_G1)))).toMatchObject({
      code: 'unavailable',
    });
  });

  it('that is atomic needs one slot', async () => {
    const cluster = new FakeCluster(['g1']);
    const command = { operations: incrementsOf('a', 'b'), minAcks: 0, timeoutMs: 0, answerBytesMax: 1_000 };
    const error = (await cluster.settled(cluster.keys.atomicBatch(command))) as WalnutError;
    expect(error.message).toMatch(
      /^operations\[1\]: its key is of slot 3300, and that of operations\[0\] of slot 15495/,
    );
    expect(cluster.asked).toEqual([]);
  });
});

describe('what is not of one key', () => {
  it('asks the group whose epoch the position has', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const wait = { durability: 'local', minAcks: 0, timeoutMs: 0 } as const;
    const { position } = cluster.group('g2');
    const unknown = { ...position, epoch: position.epoch + 99 };
    expect(await cluster.settled(cluster.keys.awaitDurable({ position: unknown, ...wait }))).toMatchObject({
      code: 'discarded_history',
    });
    expect(await cluster.settled(cluster.keys.awaitDurable({ position, ...wait }))).toMatchObject({
      durable: position,
    });
  });

  it('refuses GetUpdates and names what to use', async () => {
    const cluster = new FakeCluster(['g1']);
    const error = (await cluster.settled(cluster.keys.getUpdates())) as WalnutError;
    expect(error.message).toContain('use Watch');
  });
});
