/** The arithmetic of a load: when calls are due, what their times are, which keys they take. */
import { describe, expect, it } from 'vitest';
import { BenchCalls } from '../../../cmd/walnut/bench/bench-calls.ts';
import type { BenchLink } from '../../../cmd/walnut/bench/bench-links.ts';
import { type BenchOptions, parseMix, planOf } from '../../../cmd/walnut/bench/bench-plan.ts';
import { renderReport, reportOf, toJson, warningsOf } from '../../../cmd/walnut/bench/bench-report.ts';
import { createKeyChoice, createShares } from '../../../cmd/walnut/bench/chosen-keys.ts';
import { driveLoad, type Load } from '../../../cmd/walnut/bench/drive-load.ts';
import { LoadFigures, type Times } from '../../../cmd/walnut/bench/load-figures.ts';
import { busyShare } from '../../../cmd/walnut/bench/own-load.ts';
import type { Pace } from '../../../cmd/walnut/bench/pace.ts';
import { CallError } from '../../../cmd/walnut/call/call-error.ts';
import { PLAIN } from '../../../cmd/walnut/output/terminal.ts';
import { VirtualClock } from '../../doubles/virtual-clock.ts';

const OPTIONS: BenchOptions = {
  clients: 4,
  protocol: 'http1',
  duration: 10_000,
  warmUp: 0,
  keys: 100,
  distribution: 'uniform',
  valueSize: 10,
  batch: 1,
  prefix: 'walnut-bench:',
};
const plan = (changes: Partial<BenchOptions> = {}) => planOf({ ...OPTIONS, ...changes }, 'id');
const FOUND = { found: true };

interface Driven {
  readonly figures: LoadFigures;
  readonly unsent: number;
  readonly times: Times | undefined;
  readonly calls: number;
}

/** Drives gets for `forMs` against a node whose calls take `serviceMs(nowMs)`, with `clients` callers. */
async function drive(
  clients: number,
  ratePerS: number | undefined,
  serviceMs: (nowMs: number) => number,
  changes: Partial<Load> = {},
): Promise<Driven> {
  const clock = new VirtualClock();
  const pace: Pace = {
    nowMs: () => clock.monotonicMs(),
    until: (timeMs, signal) => clock.sleep(timeMs - clock.monotonicMs(), signal),
  };
  let calls = 0;
  const link: BenchLink = {
    call: async () => {
      calls++;
      await clock.sleep(serviceMs(clock.monotonicMs()));
      return FOUND;
    },
    close: () => undefined,
  };
  const figures = new LoadFigures(0);
  const source = new BenchCalls(plan({ operation: 'get' }), 1, new Uint8Array(10));
  let end: PromiseSettledResult<number> | undefined;
  const load = driveLoad({
    pace,
    beginMs: 0,
    endMs: 10_000,
    overtimeMs: 1_000,
    ratePerS,
    callers: Array.from({ length: clients }, () => ({ reads: link, writes: link })),
    next: () => source.next(),
    figures,
    onEnd: () => undefined,
    interrupted: new AbortController().signal,
    ...changes,
  });
  void Promise.allSettled([load]).then(([settled]) => {
    end = settled;
  });
  await clock.advanceUntil(() => end !== undefined, 60_000);
  return { figures, unsent: await load, times: figures.kinds[0]?.timesMs, calls };
}

describe('times of calls', () => {
  // A node that answers in 1 ms and stands still from 2 s to 3 s.
  const stalling = (nowMs: number): number => (nowMs >= 2_000 && nowMs < 3_000 ? 3_001 - nowMs : 1);

  it('count from when a call was due, where there is a rate: a stall delays all calls of its time', async () => {
    const { times, unsent, calls, figures } = await drive(1, 100, stalling);
    // 1,000 calls were due, and the hundred of the stalled second waited for up to a second.
    expect([calls, unsent, figures.operations]).toEqual([1_000, 0, 1_000]);
    expect(times?.p50).toBeCloseTo(1, 1);
    expect(times?.p90).toBeGreaterThan(50);
    expect(times?.p99).toBeGreaterThan(880);
    expect(times?.max).toBeCloseTo(1_001, -1);
  });

  it('count from when a client called, where there is none: one call was slow', async () => {
    const { times, calls } = await drive(1, undefined, stalling);
    expect(calls).toBe(9_000);
    expect(times?.p999).toBeCloseTo(1, 1);
    expect(times?.max).toBeCloseTo(1_001, -1);
  });

  it('grow with the queue before a node that is too slow, and calls that were never made are counted', async () => {
    const { times, unsent, calls, figures } = await drive(2, 100, () => 40);
    // Two clients make 50 calls a second for eleven seconds.
    expect([calls, unsent]).toEqual([550, 450]);
    expect(times?.max).toBeGreaterThan(5_000);
    expect(figures.secondsTo(10_000)).toBeCloseTo(11, 1);
  });

  it('are those of the calls alone while clients wait for their turns', async () => {
    const { times, figures, calls } = await drive(8, 50, () => 3);
    expect(calls).toBe(500);
    expect([times?.p50, times?.max]).toEqual([expect.closeTo(3, 1), expect.closeTo(3, 1)]);
    expect(figures.late.times?.max).toBeLessThan(0.001);
  });
});

describe('a load', () => {
  it('goes on after failures, counts their operations by code, and pauses where nothing else paces it', async () => {
    const failing = {
      call: () => Promise.reject(new CallError('unavailable', 'loading')),
      close: () => undefined,
    };
    const { figures } = await drive(1, undefined, () => 1, {
      callers: [{ reads: failing, writes: failing }],
    });
    expect([figures.errors, figures.operations]).toEqual([100, 0]);
    expect(figures.errorsByCode.get('unavailable')).toEqual({ count: 100, first: 'loading' });
  });

  it('ends at a failure that every call would meet', async () => {
    const refused = new CallError('permission_denied', 'no role');
    const failing = { call: () => Promise.reject(refused), close: () => undefined };
    const callers = [{ reads: failing, writes: failing }];
    await expect(drive(1, 100, () => 1, { callers })).rejects.toBe(refused);
  });

  it('makes no call once it is interrupted', async () => {
    const { calls, unsent } = await drive(2, 100, () => 1, { interrupted: AbortSignal.abort() });
    expect([calls, unsent]).toEqual([0, 0]);
    const ctrlC = new AbortController();
    // Both callers wait when it comes, and are not free again before the grace is over.
    const serviceMs = (): number => {
      setImmediate(() => ctrlC.abort());
      return 1_500;
    };
    const waiting = await drive(2, 100, serviceMs, { interrupted: ctrlC.signal });
    expect([waiting.calls, waiting.unsent]).toEqual([2, 0]);
  });
});

describe('keys', () => {
  const counts = (distribution: 'uniform' | 'zipf', draws: number): number[] => {
    const choose = createKeyChoice(distribution, 10, createShares(7));
    const seen = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < draws; i++) {
      const key = choose();
      seen[key] = (seen[key] ?? Number.NaN) + 1;
    }
    return seen;
  };

  it('are chosen alike', () => {
    for (const count of counts('uniform', 10_000)) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });

  it('are chosen by zipf: the second half as often as the first', () => {
    const [first = 0, second = 0, , , , , , , , tenth = 0] = counts('zipf', 10_000);
    expect(first / second).toBeCloseTo(2 ** 0.99, 0);
    expect(first / tenth).toBeGreaterThan(8);
    expect(tenth).toBeGreaterThan(200);
  });

  it('are the same with the same seed', () => {
    const draw = (seed: number): number[] => Array.from({ length: 5 }, createShares(seed));
    expect(draw(3)).toEqual(draw(3));
    expect(draw(0)).not.toEqual(draw(3));
  });
});

describe('calls', () => {
  const take = (changes: Partial<BenchOptions>, count: number) => {
    const calls = new BenchCalls(plan(changes), 5, Buffer.from('v'));
    return Array.from({ length: count }, () => calls.next());
  };

  it('are mixed as asked, nine gets for a set by default', () => {
    const sets = (changes: Partial<BenchOptions>): number =>
      take(changes, 1_000).filter(({ kind }) => kind === 'set').length;
    expect(sets({})).toBeGreaterThan(60);
    expect(sets({})).toBeLessThan(140);
    expect(sets({ mix: parseMix('1:1') })).toBeGreaterThan(400);
    expect([sets({ mix: parseMix('1:0') }), sets({ mix: parseMix('0:3') })]).toEqual([0, 1_000]);
  });

  it('have keys of the prefix of the run, which expire after it', () => {
    const [call] = take({ operation: 'set', durability: 'quorum' }, 1);
    expect(call?.request).toMatchObject({
      key: expect.stringMatching(/^walnut-bench:id:\d\d?$/),
      expiry: { case: 'ttlMs', value: 3_610_000n },
      durability: 3,
    });
  });

  it('judge what became of each operation', () => {
    const [get] = take({ operation: 'get' }, 1);
    expect(get?.judge({ found: false })).toEqual({ notFound: 1, failures: [] });
    const [set] = take({ operation: 'set', durability: 'quorum' }, 1);
    expect(set?.judge({ durabilityReached: 2, replicasAcked: 0 }).failures).toMatchObject([
      { code: 'durability' },
    ]);
    expect(set?.judge({ durabilityReached: 3, replicasAcked: 1 }).failures).toEqual([]);
    const [batch] = take({ operation: 'get', batch: 4 }, 1);
    const results = [
      { result: { case: 'get', value: { found: true } } },
      { result: { case: 'error', value: { code: 'resource_exhausted', message: 'full' } } },
      { result: { case: 'get', value: { found: false } } },
    ];
    const { notFound, failures } = batch?.judge({ results }) ?? {};
    expect(notFound).toBe(1);
    expect(failures?.map(({ code }) => code)).toEqual(['resource_exhausted', 'internal']);
  });
});

describe('a plan', () => {
  it.each<[string, Partial<BenchOptions>]>([
    ['over HTTP/1.1 each client has a connection of its own', { connections: 2 }],
    ['more than 8 MiB', { batch: 1_000, valueSize: 10_000 }],
    ['more than 512 MiB under way', { clients: 1_000, batch: 100, valueSize: 10_000 }],
    ['--prefix: expected fewer bytes', { prefix: 'p'.repeat(1_015) }],
    ['--duration: expected 1ms to 24h', { duration: 0 }],
    ['--warm-up: expected at most 24h', { warmUp: 86_400_001 }],
  ])('is refused: %s', (message, changes) => {
    expect(() => plan(changes)).toThrow(message);
  });

  it('shares connections over HTTP/2, never more than clients', () => {
    expect(plan({ protocol: 'http2' }).connections).toBe(1);
    expect(plan({ protocol: 'http2', connections: 9 }).connections).toBe(4);
    expect([plan().connections, plan({ connections: 4 }).connections]).toEqual([4, 4]);
  });

  it.each(['9', '9:', '0:0', '1:-1', '1001:1', '1:1:1'])('refuses the mix %j', (text) => {
    expect(() => parseMix(text)).toThrow('Expected GETS:SETS');
  });
});

describe('a report', () => {
  const report = (changes: Partial<Parameters<typeof warningsOf>[0]> = {}) => {
    const figures = new LoadFigures(0);
    figures.answered('get', 100, 0, 2, { notFound: 0, failures: [] });
    const rest = { address: 'a:1', isComplete: true, unsent: 0, generatorBusy: 0.2 };
    return { ...reportOf(figures, 2_000, { ...rest, plan: plan({ batch: 100, rate: 5 }) }), ...changes };
  };
  const late: Times = { p50: 0, p90: 0, p99: 3, p999: 4, max: 5 };

  it.each<[string, Parameters<typeof report>[0]]>([
    ['this load generator was busy 97 %', { generatorBusy: 0.97 }],
    ['began 1 of 100 calls more than 3 ms late', { lateMs: late }],
    ['the rate was not reached: 7 calls were due and never made', { unsent: 7 }],
    ['2 reads found nothing', { notFound: 2 }],
  ])('warns: %s', (text, changes) => {
    expect(warningsOf(report())).toEqual([]);
    expect(warningsOf(report(changes)).join().toLowerCase()).toContain(text.toLowerCase());
    expect(renderReport(report(changes), PLAIN).toLowerCase()).toContain(text.toLowerCase());
  });

  it('counts operations, and times of calls', () => {
    expect(renderReport(report(), PLAIN)).toMatch(/^100 × get +1 +50 +2\.00\d /m);
    expect(renderReport({ ...report(), plan: plan() }, PLAIN)).toContain('Closed loop');
    expect(toJson(report())).toMatchObject({
      seconds: 2,
      operations: 100,
      operationsPerSecond: 50,
      timesFrom: 'due',
      operationKinds: { get: { calls: 1, operations: 100, timesMs: { max: expect.closeTo(2) } } },
      plan: { ratePerS: 5, mix: { get: 0.9, set: 0.1 } },
    });
  });

  it('keeps at most 50 codes apart', () => {
    const figures = new LoadFigures(0);
    for (let i = 0; i < 60; i++) figures.failed(1, 1, { code: `c${i}`, message: '' });
    expect([figures.errorsByCode.size, figures.errorsByCode.get('others')?.count]).toEqual([51, 10]);
  });

  it('takes looking at the clock for no work', () => {
    expect(busyShare(1_000, 900, 1_000)).toBeCloseTo(0.1);
    expect([busyShare(5, 9, 10), busyShare(20, 0, 10), busyShare(1, 0, 0)]).toEqual([0, 1, 0]);
  });
});
