/** Reading through a cache that does not answer. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Code } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { text } from '../../client/codecs.ts';
import { refusedHere } from '../../client/failures.ts';
import { Session } from '../../client/session.ts';
import { WalnutClient } from '../../client/walnut-client.ts';
import { fleet, outage } from './fleet.ts';
import { SimulatedGroup } from './simulated-group.ts';

describe('a cache that does not answer', () => {
  const LOAD_MS = 100;

  it('costs one caller its wait: those after it load at once, and only the first read is under way', async () => {
    const { cache, counts, get, getOf, timed } = fleet(1);
    outage(cache);
    expect(await timed(get())).toEqual(['v1', 2_000 + LOAD_MS]);
    expect(await timed(Promise.all([get(), get(), getOf('other')]))).toEqual([['v2', 'v2', 'v3'], LOAD_MS]);
    expect([cache.reads, counts.loads, cache.stored.size]).toEqual([1, 3, 0]);
  });

  it('is waited for together: a call that began later loads when the first does', async () => {
    const { cache, clock, get, getOf, timed } = fleet(1);
    outage(cache);
    const first = get();
    await clock.advance(1_500);
    expect(await timed(getOf('other'))).toEqual([expect.any(String), 500 + LOAD_MS]);
    await first;
  });

  it('is waited for longer by a call that bears more', async () => {
    const { cache, get, getOf, timed } = fleet(1);
    outage(cache);
    await timed(get());
    expect((await timed(getOf('other', 0, { loadAfterMs: 5_000 })))[1]).toBe(2_900 + LOAD_MS);
    const never = getOf('third', 0, { loadAfterMs: Number.POSITIVE_INFINITY });
    await expect(timed(never)).rejects.toMatchObject({ code: Code.Unavailable });
  });

  it('is asked again by one call at a time, after pauses, and no caller waits for that', async () => {
    const { cache, clock, get, timed } = fleet(1);
    outage(cache);
    await timed(get());
    await clock.advance(8_000);
    const reads: number[] = [];
    for (let i = 0; i < 300; i++) {
      await clock.advance(100);
      expect((await timed(get()))[1]).toBe(LOAD_MS);
      reads.push(cache.reads);
    }
    // 60 s have passed. Each read takes 10 s, and from 0.5 to 1 s are between them.
    expect(reads.at(0)).toBe(1);
    expect([6, 7]).toContain(reads.at(-1));
  });

  it('is read again by all once it has answered, and what was loaded meanwhile is not stored', async () => {
    const { cache, clock, counts, get, timed } = fleet(1);
    const { end } = outage(cache);
    await timed(get());
    await clock.advance(12_000);
    const probing = get();
    await clock.settle();
    end();
    expect(await timed(probing)).toEqual(['v2', LOAD_MS]);
    expect(cache.stored.size).toBe(0);
    expect(await timed(Promise.all([get(), get()]))).toEqual([['v3', 'v3'], LOAD_MS]);
    expect([await get(), counts.loads, cache.stored.size]).toEqual(['v3', 3, 1]);
  });

  it('costs each call its own wait where probeEveryMs is 0', async () => {
    const { cache, get, getOf, timed } = fleet(1);
    outage(cache);
    const options = { probeEveryMs: 0 };
    for (const key of ['a', 'b']) expect((await timed(getOf(key, 0, options)))[1]).toBe(2_000 + LOAD_MS);
    expect((await timed(get()))[1]).toBe(LOAD_MS);
    expect(cache.reads).toBe(2);
  });

  it('goes away while a value is loaded: the one load is for those too who come later, and is given', async () => {
    const { cache, clock, counts, get, getOf, settle, timed } = fleet(1);
    await settle(getOf('other'));
    const first = get();
    await clock.advance(LOAD_MS - 10);
    outage(cache);
    const later = timed(Promise.all([first, get(0, { loadAfterMs: 1 })]));
    expect(await later).toEqual([['v2', 'v2'], 2_000]);
    expect(counts.loads).toBe(2);
  });

  it('has an older value stored by nobody: what was loaded is refused once another wrote the key', async () => {
    const { cache, clock, get, settle } = fleet(1);
    const first = get();
    await clock.advance(50);
    const { end } = outage(cache);
    expect(await settle(first)).toBe('v1');
    cache.write('k', Buffer.from('newer'), 60_000);
    end();
    await clock.settle();
    expect(String(cache.stored.get('k')?.value)).toBe('newer');
  });

  it('ends the wait for another caller, and the right to load that would be given then', async () => {
    const { cache, clock, get, getOf, timed } = fleet(1);
    const { fillLease } = await cache.get('k', { fillLeaseMs: 60_000 });
    const waiting = timed(get());
    await clock.advance(10);
    const { end } = outage(cache);
    const other = getOf('other');
    // Nothing tells that the cache is silent before the other call has waited.
    expect((await waiting)[1]).toBeLessThanOrEqual(2 * 2_000 + LOAD_MS);
    await other;
    end();
    cache.write('k', Buffer.from('newer'), 60_000);
    await clock.advance(20_000);
    expect([fillLease?.token, cache.leases]).toEqual(['1', 1]);
  });

  it.each([1_000, 0])(
    'is found out by a caller that waits for another, though nobody else asks, with probeEveryMs %i',
    async (probeEveryMs) => {
      const { cache, clock, get, timed } = fleet(1);
      await cache.get('k', { fillLeaseMs: 60_000 });
      const waiting = timed(get(0, { probeEveryMs }));
      await clock.advance(5_000);
      outage(cache);
      const [value, tookMs] = await waiting;
      expect([value, cache.stored.size]).toEqual(['v1', 0]);
      expect(tookMs).toBeLessThanOrEqual(5_000 + 1_000 + 2_000 + LOAD_MS);
    },
  );

  it('is waited for by a caller that waits for another as long as it answers', async () => {
    const { cache, clock, counts, get, timed } = fleet(1);
    await cache.get('k', { fillLeaseMs: 60_000 });
    const waiting = timed(get(0, { loadAfterMs: 100 }));
    await clock.advance(8_000);
    cache.write('k', Buffer.from('written'), 60_000);
    expect([(await waiting)[0], counts.loads]).toEqual(['written', 0]);
  });

  it('goes away while a value is loaded anew: who waits for that by now loads alone', async () => {
    const { cache, clock, counts, get, settle, timed } = fleet(1);
    await settle(get());
    await clock.advance(900);
    let reads = 0;
    // The second read asks for the right to load, and has no answer.
    cache.whenReadable = async () => {
      if (++reads !== 2) return;
      await clock.sleep(10_000);
      throw refusedHere('no node answers', Code.Unavailable);
    };
    expect(await settle(get(0, { refreshBeforeMs: 300 }))).toBe('v1');
    await clock.advance(200);
    const [value] = await timed(get());
    expect([value, counts.loads]).toEqual(['v2', 2]);
    expect(cache.stored.get('k')?.value).toEqual(text().encode('v1'));
  });

  it('goes away while a value is loaded anew, which nobody waits for: it is not loaded', async () => {
    const { cache, clock, counts, get, settle } = fleet(1);
    await settle(get());
    await clock.advance(900);
    let reads = 0;
    cache.whenReadable = () => (++reads === 1 ? Promise.resolve() : clock.sleep(60_000));
    expect(await settle(get(0, { refreshBeforeMs: 300 }))).toBe('v1');
    await clock.advance(60_000);
    expect(counts.loads).toBe(1);
  });

  it('of one group says nothing of another', async () => {
    const { cache, get, getOf, timed } = fleet(1);
    const other = new Session();
    cache.sessionOf = (key) => (key === 'other' ? other : cache.session);
    const { end } = outage(cache);
    await timed(get());
    end();
    cache.whenReadable = async () => undefined;
    expect(await timed(getOf('other'))).toEqual(['v2', LOAD_MS]);
    expect(cache.stored.has('other')).toBe(true);
  });

  it('is told: where it begins, each load without it, and where it ends', async () => {
    const messages: unknown[] = [];
    const listener = (message: unknown): void => void messages.push(message);
    subscribe('walnut:outage', listener);
    onTestFinished(() => void unsubscribe('walnut:outage', listener));
    const { cache, clock, get, settle } = fleet(1);
    const { end } = outage(cache);
    await settle(get());
    await settle(get());
    end();
    await clock.settle();
    expect(messages).toEqual([
      { phase: 'begin', silentMs: 2_000 },
      { phase: 'load', silentMs: 2_000 },
      { phase: 'load', silentMs: 2_000 + LOAD_MS },
      { phase: 'end', silentMs: 2_000 + 2 * LOAD_MS },
    ]);
    await settle(get());
    expect(messages).toHaveLength(4);
  });
});

/** A client of a node that answers no Batch once it is told so. */
function openSilent() {
  const clock = new VirtualClock();
  const group = new SimulatedGroup(['m:1']);
  const open = () => ({ transport: group.transportTo('m:1'), close: () => undefined });
  // No attempt ends by its time, which passes for real in these transports.
  const options = { address: 'm:1', attemptMs: 600_000, timeoutMs: 600_000 };
  const client = new WalnutClient(options, { clock, random: new SeededRandom(1), open });
  const values = client.map('', text());
  group.hold = () => new Promise(() => undefined);
  return { clock, client, get: (key: string) => values.getOrSet(key, () => 'v', { ttlMs: 1_000 }) };
}

it('is no reason to wait for a client that is closed: who asked it has the value already', async () => {
  const { clock, client, get } = openSilent();
  const first = get('a');
  await clock.settle();
  await clock.advance(2_000);
  expect([await first, await get('b')]).toEqual(['v', 'v']);
  const calledMs = clock.monotonicMs();
  await client.close();
  expect(clock.monotonicMs()).toBe(calledMs);
});

it('is waited for by a client that is closed as long as its callers wait', async () => {
  const { clock, client, get } = openSilent();
  const first = get('a');
  await clock.settle();
  let closedMs: number | undefined;
  const closed = client.close().then(() => {
    closedMs = clock.monotonicMs();
  });
  const calledMs = clock.monotonicMs();
  await clock.advance(1_999);
  expect(closedMs).toBeUndefined();
  await clock.advance(1);
  expect(await first).toBe('v');
  await closed;
  expect(closedMs).toBe(calledMs + 2_000);
});
