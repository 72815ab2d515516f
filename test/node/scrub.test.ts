/** Altered memory of a replica and of a master: found, refused, recovered from the disk. */
import { describe, expect, it } from 'vitest';
import { MASTER_REBUILDS_MAX, MemoryFailure } from '#node/state-guard.ts';
import { alterEntry } from '#test/doubles/altered-memory.ts';
import { collectEngines } from '#test/doubles/engines.ts';
import { type NodeChanges, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const engines = collectEngines();
const SCRUB_MS = 60_000;

/** A master with 100 keys and a level replica: engines 0 and 1. */
async function pair(changes: NodeChanges = { scrubIntervalMs: SCRUB_MS }) {
  const group = new TestGroup();
  const master = await group.master(changes);
  const one = await group.replica('one', changes);
  for (let i = 0; i < 100; i++) await group.set(master, `key${i}`, `value ${i}`);
  await group.untilLevel([master, one]);
  return { group, master, one };
}

const integrity = (one: TestNode) => one.node.status().integrity;

function engineOf(which: 'master' | 'replica') {
  const engine = engines[which === 'master' ? 0 : 1];
  if (engine === undefined) throw new Error('no engine');
  return engine;
}

async function scrubNow(group: TestGroup, one: TestNode) {
  const words = [];
  const scrub = one.node.scrub(new AbortController().signal);
  for (;;) {
    const word = await group.until(scrub.next());
    if (word.done === true) return words;
    words.push(word.value);
  }
}

describe('memory that was not altered', () => {
  it('is looked at as a whole once in the interval, a little every second, and nothing is found', async () => {
    const { group, master, one } = await pair();
    const before = integrity(master).scrubs;
    await group.clock.advance(20_000);
    await group.set(master, 'new', 'entry');
    await group.clock.advance(3 * SCRUB_MS);
    for (const node of [master, one]) {
      expect(integrity(node)).toMatchObject({ alteredFound: 0, rebuilds: 0 });
      expect(integrity(node).scrubs - before).toBeGreaterThanOrEqual(2);
      expect(integrity(node).scrubs - before).toBeLessThanOrEqual(4);
      expect(integrity(node).lastScrubAtMs).toBeGreaterThan(0);
    }
  });

  it('is looked at only when asked where the interval is 0', async () => {
    const { group, master } = await pair({ scrubIntervalMs: 0 });
    await group.clock.advance(10 * SCRUB_MS);
    expect(integrity(master).scrubs).toBe(0);
    expect((await scrubNow(group, master)).at(-1)).toMatchObject({
      entries: 100,
      entriesTotal: 100,
      isDone: true,
      altered: 0,
      findings: [],
    });
    expect(integrity(master).scrubs).toBe(1);
  });

  it('is scrubbed for one operator at a time', async () => {
    const { group, master } = await pair();
    const first = master.node.scrub(new AbortController().signal);
    const word = group.until(first.next());
    await expect(group.until(master.node.scrub(new AbortController().signal).next())).rejects.toMatchObject({
      code: 'failed_precondition',
    });
    expect(await word).toMatchObject({ value: { isDone: true } });
    await group.until(first.return(undefined));
    expect((await scrubNow(group, master)).at(-1)).toMatchObject({ isDone: true });
  });
});

describe('a byte altered on a replica', () => {
  it('is found by its own scrub and recovered from its own disk', async () => {
    const { group, master, one } = await pair();
    alterEntry(engineOf('replica').store, 'key42', 'value', 6);
    expect(await group.get(one, 'key42')).not.toBe('value 42');
    await group.untilTrue(() => integrity(one).rebuilds === 1, 'the rebuild');
    await group.untilTrue(() => one.node.status().isReady, 'ready');
    expect(await group.get(one, 'key42')).toBe('value 42');
    expect(integrity(one)).toMatchObject({ alteredFound: 1, digestMismatches: 0 });
    expect(master.node.status().replicas[0]).toMatchObject({ fullResyncs: 0, isDifferent: false });
    await group.untilLevel([master, one]);
    expect(integrity(master)).toMatchObject({ alteredFound: 0, rebuilds: 0 });
  });

  it('is refused from the moment it is found, with the reason told', async () => {
    const { group, one } = await pair({ scrubIntervalMs: 0 });
    alterEntry(engineOf('replica').store, 'key42');
    const { release } = engineOf('replica');
    let reasons = '';
    engineOf('replica').release = () => {
      expect(() => one.node.get({ key: 'key1', waitMs: 0 })).toThrow(
        expect.objectContaining({ code: 'unavailable' }),
      );
      reasons = one.node.status().reasons.join();
      release.call(engineOf('replica'));
    };
    const words = await scrubNow(group, one);
    expect(words.at(-1)).toMatchObject({ isDone: true, altered: 1 });
    expect(words.at(-1)?.findings[0]).toMatch(/^"key42" of version \d+-\d+: its value has the CRC/);
    await group.untilTrue(() => one.node.status().isReady, 'ready');
    expect(reasons).toContain('memory was altered: "key42"');
    expect(await group.get(one, 'key42')).toBe('value 42');
  });

  it('is not written into a snapshot', async () => {
    const { group, one } = await pair({ scrubIntervalMs: 0 });
    alterEntry(engineOf('replica').store, 'key42');
    await expect(group.until(one.node.checkpoint())).rejects.toThrow(/memory was altered: "key42"/);
    await group.untilTrue(() => integrity(one).rebuilds === 1 && one.node.status().isReady, 'rebuilt');
    await group.until(one.node.checkpoint());
    expect(await group.get(one, 'key42')).toBe('value 42');
  });
});

describe('a byte altered on a master', () => {
  it('is found by its own scrub; it recovers in place and serves on in the same epoch', async () => {
    const { group, master, one } = await pair();
    const { position } = master.node.status();
    alterEntry(engineOf('master').store, 'key7', 'value', 6);
    await group.untilTrue(() => integrity(master).rebuilds === 1, 'the rebuild');
    expect(master.node.status()).toMatchObject({ state: 'serving', isReady: true, reasons: [], position });
    expect(await group.get(master, 'key7')).toBe('value 7');
    await group.set(master, 'after', 'it');
    await group.untilLevel([master, one]);
    expect(await group.get(one, 'after')).toBe('it');
    expect(master.node.status().replicas[0]).toMatchObject({ state: 'streaming', fullResyncs: 0 });
    expect(master.failures).toEqual([]);
  });

  it('refuses reads and writes meanwhile, and loses no write that it had answered', async () => {
    const { group, master, one } = await pair({ scrubIntervalMs: 0 });
    const engine = engineOf('master');
    alterEntry(engine.store, 'key7');
    const { release } = engine;
    let state = '';
    engine.release = () => {
      state = master.node.status().state;
      expect(master.node.status().reasons.join()).toContain('memory was altered: "key7"');
      expect(() => master.node.get({ key: 'key1', waitMs: 0 })).toThrow(
        expect.objectContaining({ code: 'unavailable' }),
      );
      release.call(engine);
    };
    await group.set(master, 'just', 'now');
    await scrubNow(group, master);
    await group.untilTrue(() => master.node.status().isReady, 'ready');
    expect(state).toBe('loading');
    expect(await group.get(master, 'just')).toBe('now');
    await group.untilLevel([master, one]);
  });

  it('is found at once where it makes a replica differ, which then needs no resync', async () => {
    const { group, master, one } = await pair({ scrubIntervalMs: 0 });
    alterEntry(engineOf('master').store, 'key7', 'lsn');
    await group.set(master, 'key7', 'new');
    await group.untilTrue(() => integrity(master).rebuilds === 1, 'the rebuild of the master');
    await group.untilLevel([master, one]);
    await group.untilTrue(() => one.node.status().isReady, 'ready');
    expect(integrity(master).alteredFound).toBe(1);
    await group.clock.advance(120_000);
    expect(master.node.status().replicas[0]).toMatchObject({ fullResyncs: 0, isDifferent: false });
    expect(await group.get(one, 'key7')).toBe('new');
  });

  it('again and again makes it stop for good', async () => {
    const { group, master } = await pair({ scrubIntervalMs: 0 });
    for (let i = 0; i <= MASTER_REBUILDS_MAX; i++) {
      const engine = engines.findLast((one) => one.store.entries === 100 && one !== engines[1]);
      if (engine === undefined) throw new Error('no engine');
      expect(master.failures).toEqual([]);
      alterEntry(engine.store, `key${i}`);
      await scrubNow(group, master);
      await group.untilTrue(
        () => integrity(master).rebuilds === i + 1 || master.failures.length > 0,
        'rebuilt',
      );
    }
    expect(master.failures[0]).toBeInstanceOf(MemoryFailure);
    expect(integrity(master).rebuilds).toBe(MASTER_REBUILDS_MAX);
  });

  it('does not keep it from stopping', async () => {
    const { group, master } = await pair({ scrubIntervalMs: 0 });
    alterEntry(engineOf('master').store, 'key7');
    await scrubNow(group, master);
    const again = await group.master({ fileSystem: await group.stop(master) });
    expect(await group.get(again, 'key7')).toBe('value 7');
  });
});

describe('a replica whose state is in doubt', () => {
  it('does not become the master', async () => {
    const { group, master, one } = await pair({ scrubIntervalMs: 0 });
    const replica = engineOf('replica');
    let refusal: Promise<unknown> = Promise.resolve();
    const { release } = replica;
    replica.release = () => {
      refusal = expect(one.node.promote(true)).rejects.toMatchObject({ code: 'unavailable' });
      release.call(replica);
    };
    alterEntry(replica.store, 'key42');
    await scrubNow(group, one);
    await group.untilTrue(() => one.node.status().isReady, 'ready');
    await group.until(refusal);
    expect(integrity(one).rebuilds).toBe(1);
    group.kill(master);
    expect(await group.until(one.node.promote(false))).toMatchObject({ isPromoted: true });
    expect(await group.get(one, 'key42')).toBe('value 42');
  });
});
