/** What callers of a cache that may be silent find out, and when they ask it again. */
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { Breaker } from '../../client/breaker.ts';
import { CallError, givenUp, refusedHere } from '../../client/failures.ts';

const PATIENCE = { loadAfterMs: 2_000, probeEveryMs: 1_000 };
const LOST = refusedHere('no node answers', Code.Unavailable);
const DENIED = new CallError(new ConnectError('no right', Code.PermissionDenied), {
  outcome: 'not_done',
  address: 'm:1',
  attempts: 1,
});

function parts(seed = 1) {
  const clock = new VirtualClock();
  const breaker = new Breaker(clock, new SeededRandom(seed));
  /** Asks something that ends after so long, with an error or an answer. */
  const ask = (afterMs: number, error?: Error): Promise<unknown> =>
    breaker
      .ask(async () => {
        await clock.sleep(afterMs);
        if (error !== undefined) throw error;
      })
      .catch(() => undefined);
  return { clock, breaker, ask };
}

describe('a breaker', () => {
  it('is open after a failure, and while nothing is answered for as long as a caller bears', async () => {
    const { clock, breaker, ask } = parts();
    void ask(1_000, LOST);
    await clock.advance(999);
    expect(breaker.isOpen(PATIENCE)).toBe(false);
    await clock.advance(1);
    expect(breaker.isOpen(PATIENCE)).toBe(true);
    void ask(0);
    await clock.advance(0);
    expect(breaker.isOpen(PATIENCE)).toBe(false);
    void ask(60_000);
    await clock.advance(1_999);
    expect(breaker.isOpen(PATIENCE)).toBe(false);
    await clock.advance(1);
    expect(breaker.isOpen(PATIENCE)).toBe(true);
    expect(breaker.isOpen({ ...PATIENCE, loadAfterMs: 2_001 })).toBe(false);
    expect(breaker.isOpen({ ...PATIENCE, loadAfterMs: Number.POSITIVE_INFINITY })).toBe(false);
    expect(breaker.isOpen({ ...PATIENCE, probeEveryMs: 0 })).toBe(false);
  });

  it('hears a refusal as an answer, and what was given up as none', async () => {
    const { clock, breaker, ask } = parts();
    void ask(1_000, LOST);
    await clock.advance(1_000);
    void ask(0, givenUp('not_done'));
    await clock.advance(0);
    expect(breaker.isOpen(PATIENCE)).toBe(true);
    void ask(0, DENIED);
    await clock.advance(0);
    expect(breaker.isOpen(PATIENCE)).toBe(false);
    // Nobody waits any more, and nothing failed: that time is no silence.
    void ask(1_500, givenUp('not_done'));
    await clock.advance(10_000);
    void ask(60_000);
    await clock.advance(1_000);
    expect(breaker.isOpen(PATIENCE)).toBe(false);
  });

  it('is closed for callers of keys that are answered, though those of one key fail', async () => {
    const { clock, breaker, ask } = parts();
    void ask(10_000, LOST);
    for (let i = 0; i < 100; i++) {
      void ask(10);
      await clock.advance(100);
      expect(breaker.isOpen(PATIENCE)).toBe(false);
    }
    await clock.advance(1);
    expect(breaker.isOpen(PATIENCE)).toBe(false);
  });

  it('asks again after half of the pause at least, and the whole at most, by chance', async () => {
    const pauses = await Promise.all(
      Array.from({ length: 50 }, async (_, seed) => {
        const { clock, breaker, ask } = parts(seed);
        void ask(0, LOST);
        await clock.advance(0);
        const failedMs = clock.monotonicMs();
        let askedMs: number | undefined;
        for (let i = 0; i < 1_000 && askedMs === undefined; i++) {
          await breaker.probe(async () => {
            askedMs = clock.monotonicMs();
          }, PATIENCE);
          await clock.advance(10);
        }
        return (askedMs ?? 0) - failedMs;
      }),
    );
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(500);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1_000);
    expect(new Set(pauses).size).toBeGreaterThan(10);
  });

  it('has one probe under way', async () => {
    const { clock, breaker, ask } = parts();
    void ask(0, LOST);
    await clock.advance(1_000);
    let probes = 0;
    const probe = async (): Promise<void> => {
      probes++;
      await clock.sleep(5_000);
      throw LOST;
    };
    const asked = [0, 1].map(() => breaker.probe(probe, PATIENCE).catch(() => undefined));
    await clock.advance(4_000);
    asked.push(breaker.probe(probe, PATIENCE).catch(() => undefined));
    expect(probes).toBe(1);
    await clock.advance(2_000);
    asked.push(breaker.probe(probe, PATIENCE).catch(() => undefined));
    expect(probes).toBe(2);
    await clock.advance(5_000);
    await Promise.all(asked);
  });
});
