/** Reading through: one load for all callers, of one process and of several. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';
import { text } from '../../client/codecs.ts';
import { connect } from '../../client/connect.ts';
import { refusedHere } from '../../client/failures.ts';
import { ageOf, type GetOrSetOptions } from '../../client/load-plan.ts';
import { fleet, LeasingCache, loadsOf } from './fleet.ts';

describe('a missing value', () => {
  it('is loaded once for all callers of all processes', async () => {
    const { counts, get, settle } = fleet(8);
    const calls = Array.from({ length: 800 }, (_, i) => get(i % 8));
    expect(new Set(await settle(Promise.all(calls)))).toEqual(new Set(['v1']));
    expect(counts.loads).toBe(1);
    expect(await settle(get())).toBe('v1');
  });

  it('is loaded by the next one where a load fails, and that error is told to its callers', async () => {
    const { counts, get, settle } = fleet(2, [undefined, new Error('database')]);
    const [first, same, other] = [get(0), get(0), get(1)];
    const settled = await settle(Promise.allSettled([first, same, other]));
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect([await other, counts.loads]).toEqual(['v2', 2]);
  });

  it('is given where it cannot be stored, unless that tells a loss of what the session saw', async () => {
    const { cache, get, settle } = fleet(1, [undefined, 'v1', 'v2', new Error('database')]);
    cache.failures.push(refusedHere('the disk is full', Code.ResourceExhausted));
    expect(await settle(get())).toBe('v1');
    await cache.clock.advance(10_000);
    const loss = refusedHere('discarded', Code.DataLoss);
    cache.failures.push(loss);
    await expect(settle(get())).rejects.toBe(loss);
    await cache.clock.advance(10_000);
    // The load failed, too: the loss is what nobody else will tell.
    cache.failures.push(loss);
    await expect(settle(get())).rejects.toBe(loss);
  });

  it('leaves the signal of its loader alone once that has given the value', async () => {
    const { cache, settle } = fleet(1);
    let given: AbortSignal | undefined;
    const load = (signal: AbortSignal): string => {
      given = signal;
      return 'v';
    };
    const loads = loadsOf(cache);
    expect(await settle(loads.getOrSet('k', load, { ttlMs: 1_000, codec: text() }))).toBe('v');
    expect(given?.aborted).toBe(false);
  });

  it.each([Code.Unavailable, Code.DeadlineExceeded])(
    'is loaded where the cache says code %i',
    async (code) => {
      const { cache, counts, get, settle } = fleet(1);
      cache.whenReadable = () => Promise.reject(refusedHere('no node answers', code));
      expect(await settle(Promise.all([get(), get()]))).toEqual(['v1', 'v1']);
      expect([counts.loads, cache.stored.size]).toEqual([1, 0]);
      const refused = get(0, { loadAfterMs: Number.POSITIVE_INFINITY });
      await expect(settle(refused)).rejects.toMatchObject({ code });
      cache.whenReadable = () => Promise.reject(refusedHere('not allowed', Code.PermissionDenied));
      const denied = get(0, { probeEveryMs: 0 });
      await expect(settle(denied)).rejects.toMatchObject({ code: Code.PermissionDenied });
      expect(counts.loads).toBe(1);
    },
  );

  it('is loaded after a short time where the cache is silent, and its loss is told later', async () => {
    const { cache, clock, get, settle } = fleet(1);
    const loss = refusedHere('discarded', Code.DataLoss);
    cache.whenReadable = () => clock.sleep(10_000).then(() => Promise.reject(loss));
    const doubted: unknown[] = [];
    cache.session.doubt = (position) => void doubted.push(position);
    const before = clock.monotonicMs();
    expect(await settle(get(0, { loadAfterMs: 500 }))).toBe('v1');
    expect(clock.monotonicMs() - before).toBeLessThan(1_000);
    expect(doubted).toEqual([]);
    await clock.advance(10_000);
    expect(doubted).toEqual(cache.session.positions);
  });

  it('is loaded where the cache goes away before it gives the right to load', async () => {
    const { cache, get, settle } = fleet(1);
    let reads = 0;
    cache.whenReadable = async () => {
      if (reads++ > 0) throw refusedHere('no node answers', Code.Unavailable);
    };
    expect([await settle(get()), cache.stored.size]).toEqual(['v1', 0]);
  });

  it('that is not there is kept as such if asked to be, and else not at all', async () => {
    const one = fleet(1, [undefined, undefined, undefined, undefined]);
    expect([await one.settle(one.get()), one.cache.stored.size]).toEqual([undefined, 0]);
    for (let i = 0; i < 3; i++) expect(await one.settle(one.get(0, { absentTtlMs: 500 }))).toBeUndefined();
    expect(one.counts.loads).toBe(2);
    await one.clock.advance(600);
    expect(await one.settle(one.get())).toBeUndefined();
    expect(one.counts.loads).toBe(3);
  });

  it('that somebody writes while it is loaded, is what was written', async () => {
    const { cache, clock, get, settle } = fleet(1);
    const call = get();
    await clock.advance(50);
    cache.write('k', Buffer.from('newer'), 5_000);
    expect(await settle(call)).toBe('newer');
    expect(await settle(get())).toBe('newer');
  });

  it('that somebody deletes while it is loaded, is not stored', async () => {
    const { cache, clock, get, settle } = fleet(1);
    const call = get();
    await clock.advance(50);
    cache.write('k', Buffer.from(''), 0);
    expect([await settle(call), cache.stored.size]).toEqual(['v1', 0]);
  });

  it('is given to every caller by itself', async () => {
    const { get, settle } = fleet(1);
    const lists = loadsOf(new LeasingCache());
    const codec = {
      encode: (value: string[]) => Buffer.from(value.join()),
      decode: (bytes: Uint8Array) => String(bytes).split(','),
    };
    const [a, b] = await Promise.all([1, 2].map(() => lists.getOrSet('k', () => ['x'], { ttlMs: 1, codec })));
    expect(a).not.toBe(b);
    await settle(get());
  });

  it.each([
    ['text', () => 'v', '"v"'],
    ['a promise', async () => Buffer.from('v'), 'a Promise'],
  ])('that a codec makes to %s is refused, and not given as if it were stored', async (_, encode, shown) => {
    const { cache, settle } = fleet(1);
    const codec = { encode: encode as never, decode: String };
    const call = loadsOf(cache).getOrSet('k', () => 'v', { ttlMs: 1_000, codec });
    await expect(settle(call)).rejects.toThrow(`the codec gave ${shown}: expected a Uint8Array`);
    expect(cache.stored.size).toBe(0);
  });

  it.each<[Partial<GetOrSetOptions>, string]>([
    [{ ttlMs: 0 }, 'ttlMs is 0'],
    [{ leaseMs: 60_001 }, 'leaseMs is 60001'],
    [{ loadAfterMs: -1 }, 'loadAfterMs is -1'],
    [{ refreshBeforeMs: 1_000 }, 'expected less than ttlMs'],
    [{ absentTtlMs: 0.5 }, 'absentTtlMs is 0.5'],
    [{ probeEveryMs: 60_001 }, 'probeEveryMs is 60001'],
  ])('with %o is refused', async (options, why) => {
    await expect(fleet(1).get(0, options)).rejects.toThrow(why);
  });
});

describe('a caller that gives up', () => {
  it('leaves the load to the others', async () => {
    const { clock, counts, get, settle } = fleet(1);
    const aborter = new AbortController();
    const calls = Promise.allSettled([get(0, { signal: aborter.signal }), get()]);
    await clock.advance(50);
    aborter.abort();
    expect(await settle(calls)).toMatchObject([{ reason: { outcome: 'not_done' } }, { value: 'v1' }]);
    expect(counts).toEqual({ loads: 1, aborted: 0 });
  });

  it('may have a signal of another realm, which has only what signals have', async () => {
    const { cache, clock, get, settle } = fleet(1);
    const target = new EventTarget();
    const signal = {
      aborted: false,
      addEventListener: target.addEventListener.bind(target),
      removeEventListener: target.removeEventListener.bind(target),
    };
    expect(await settle(get(0, { signal: signal as never }))).toBe('v1');
    cache.whenReadable = () => clock.sleep(60_000);
    const call = get(0, { signal: signal as never, loadAfterMs: Number.POSITIVE_INFINITY });
    const refused = expect(call).rejects.toMatchObject({ code: Code.Canceled });
    await clock.settle();
    signal.aborted = true;
    target.dispatchEvent(new Event('abort'));
    await refused;
  });

  it('and is the last ends the load, and the next caller begins anew', async () => {
    const { clock, counts, get, settle } = fleet(1);
    const aborter = new AbortController();
    const calls = Promise.allSettled([1, 2].map(() => get(0, { signal: aborter.signal })));
    await clock.advance(50);
    aborter.abort();
    const next = get();
    await settle(calls);
    await settle(next);
    expect(counts).toEqual({ loads: 1, aborted: 1 });
    expect(await next).toBe('v1');
  });
});

describe('an old value', () => {
  it('is given while it is loaded anew, by one process', async () => {
    const { clock, counts, get, settle } = fleet(2);
    await settle(get());
    await clock.advance(800);
    const options = { refreshBeforeMs: 300 };
    expect(await settle(Promise.all([get(0, options), get(1, options), get(0, options)]))).toEqual([
      'v1',
      'v1',
      'v1',
    ]);
    await clock.advance(150);
    expect([await settle(get(1, options)), counts.loads]).toEqual(['v2', 2]);
  });

  it('leaves a loss that only loading it anew was told to the next read', async () => {
    const { cache, clock, get, settle } = fleet(1);
    await settle(get());
    await clock.advance(850);
    cache.failures.push(refusedHere('discarded', Code.DataLoss));
    expect(await settle(get(0, { refreshBeforeMs: 300 }))).toBe('v1');
    const { token } = cache.session;
    cache.session.reset();
    await clock.advance(150);
    expect(cache.session.unproven).toEqual([token]);
  });

  it('is given where loading it anew fails, as long as allowed', async () => {
    const results = [undefined, 'v1', new Error('database'), new Error('database')];
    const { clock, counts, get, settle } = fleet(1, results);
    const options = { staleIfErrorMs: 60_000 };
    await settle(get(0, options));
    await clock.advance(1_500);
    expect([await settle(get(0, options)), counts.loads]).toEqual(['v1', 2]);
    await clock.advance(60_000);
    await expect(settle(get(0, options))).rejects.toThrow('database');
  });

  it.each([
    [0, 0, 0, 'fresh'],
    [1_000, 0, 0, 'fresh'],
    [-5, 0, 0, 'fresh'],
    [500, 0, 500, 'to_refresh'],
    [501, 0, 500, 'fresh'],
    [500, 500, 100, 'stale'],
    [600, 500, 100, 'to_refresh'],
  ])('that is there for %i ms, stale %i, to refresh %i: %s', (leftMs, staleMs, refreshBeforeMs, age) => {
    const expireAtMs = leftMs === 0 ? 0n : BigInt(10_000 + leftMs);
    expect(ageOf({ found: true, expireAtMs }, { staleMs, refreshBeforeMs }, 10_000)).toBe(age);
  });
});

it('loads once for two clients of a real node', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-load-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  onTestFinished(() => master.stop());
  const one = connect({ addresses: [master.address] });
  onTestFinished(() => one.close());
  const two = connect({ addresses: [master.address] });
  onTestFinished(() => two.close());
  let loads = 0;
  const load = async (): Promise<string> => {
    loads++;
    await new Promise((resolve) => setImmediate(resolve));
    return 'loaded';
  };
  const maps = [one, two].map((client) => client.map('user:', text()));
  const calls = Array.from({ length: 200 }, (_, i) =>
    maps[i % 2]?.getOrSet('a', load, { ttlMs: 60_000, loadAfterMs: 60_000 }),
  );
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['loaded']));
  expect(loads).toBe(1);
  expect(await maps[0]?.get('a')).toBe('loaded');
});
