/** One snapshot a second for all who look, none while nobody does, and a bounded number of viewers. */
import { describe, expect, it } from 'vitest';
import { EVERY_MS, LiveFeed, VIEWERS_MAX } from '#page/live-feed.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

class Looking {
  readonly got: string[] = [];
  readonly aborter = new AbortController();
  end: unknown;

  constructor(feed: LiveFeed, caller = 'one') {
    void this.#look(feed, caller).then(
      () => {
        this.end = 'over';
      },
      (error: unknown) => {
        this.end = error;
      },
    );
  }

  async #look(feed: LiveFeed, caller: string): Promise<void> {
    for await (const bytes of feed.view(this.aborter.signal, caller))
      this.got.push(Buffer.from(bytes).toString());
  }
}

function setUp(fails: () => boolean = () => false) {
  const clock = new VirtualClock();
  let made = 0;
  const feed = new LiveFeed(clock, async () => {
    made += 1;
    if (fails()) throw new Error('no snapshot');
    return Buffer.from(String(made));
  });
  return { clock, feed, madeCount: () => made };
}

describe('the feed of the page', () => {
  it('makes nothing while nobody looks', async () => {
    const { clock, madeCount } = setUp();
    await clock.advance(10 * EVERY_MS);
    expect(madeCount()).toBe(0);
  });

  it('makes one snapshot a second for all viewers, and stops when the last one leaves', async () => {
    const { clock, feed, madeCount } = setUp();
    const [one, two] = [new Looking(feed), new Looking(feed)];
    await clock.advance(0);
    expect([one.got, two.got, madeCount()]).toEqual([['1'], ['1'], 1]);
    await clock.advance(2 * EVERY_MS);
    expect([one.got, two.got, madeCount()]).toEqual([['1', '2', '3'], ['1', '2', '3'], 3]);
    one.aborter.abort();
    await clock.advance(EVERY_MS);
    expect([one.end, two.got.at(-1)]).toEqual(['over', '4']);
    two.aborter.abort();
    await clock.advance(10 * EVERY_MS);
    expect([two.end, madeCount()]).toEqual(['over', 4]);
    const later = new Looking(feed);
    await clock.advance(0);
    expect(later.got).toEqual(['5']);
    later.aborter.abort();
    await clock.advance(0);
  });

  it('gives one who comes between two snapshots the newest at once', async () => {
    const { clock, feed, madeCount } = setUp();
    const first = new Looking(feed);
    await clock.advance(EVERY_MS / 2);
    const second = new Looking(feed);
    await clock.advance(0);
    expect([second.got, madeCount()]).toEqual([['1'], 1]);
    for (const { aborter } of [first, second]) aborter.abort();
    await clock.advance(0);
  });

  it('keeps nothing for a viewer that takes nothing: it gets the newest next', async () => {
    const { clock, feed } = setUp();
    const aborter = new AbortController();
    const slow = feed.view(aborter.signal, 'one');
    expect(String((await slow.next()).value)).toBe('1');
    await clock.advance(5 * EVERY_MS);
    const next = slow.next();
    await clock.advance(EVERY_MS);
    expect(String((await next).value)).toBe('7');
    aborter.abort();
    expect((await slow.next()).done).toBe(true);
  });

  it(`refuses a viewer beyond ${VIEWERS_MAX} where each has another caller, until one leaves`, async () => {
    const { clock, feed } = setUp();
    const all = Array.from({ length: VIEWERS_MAX }, (_, at) => new Looking(feed, `caller ${at}`));
    await clock.advance(0);
    const more = new Looking(feed);
    await clock.advance(0);
    expect(more.end).toMatchObject({ code: 'rate_limited', details: { retryAfterS: 10 } });
    all[0]?.aborter.abort();
    await clock.advance(0);
    const instead = new Looking(feed);
    await clock.advance(0);
    expect(instead.got).toEqual(['1']);
    for (const { aborter } of [...all, instead]) aborter.abort();
    await clock.advance(0);
  });

  it('ends the oldest viewer of the caller that has most for a newcomer', async () => {
    const { clock, feed } = setUp();
    const alone = new Looking(feed, 'alone');
    const aborter = new AbortController();
    // It never reads: its place is free at once nevertheless.
    const deaf = feed.view(aborter.signal, 'many');
    await deaf.next();
    const many = Array.from({ length: VIEWERS_MAX - 2 }, () => new Looking(feed, 'many'));
    await clock.advance(0);
    const [newcomer, another] = [new Looking(feed, 'newcomer'), new Looking(feed, 'many')];
    await clock.advance(EVERY_MS);
    expect([alone, newcomer, another].map(({ got, end }) => [got, end])).toEqual([
      [['1', '2'], undefined],
      [['1', '2'], undefined],
      [['1', '2'], undefined],
    ]);
    await expect(deaf.next()).rejects.toMatchObject({ code: 'rate_limited' });
    expect(many.map(({ end }) => end !== undefined)).toEqual(many.map((_, at) => at === 0));
    for (const one of [alone, newcomer, another, ...many]) one.aborter.abort();
    await clock.advance(0);
  });

  it('ends all viewers where no snapshot can be made', async () => {
    let isBroken = false;
    const { clock, feed, madeCount } = setUp(() => isBroken);
    const viewers = [new Looking(feed), new Looking(feed)];
    await clock.advance(0);
    isBroken = true;
    await clock.advance(EVERY_MS);
    for (const { end } of viewers) expect(String(end)).toBe('Error: no snapshot');
    await clock.advance(10 * EVERY_MS);
    expect(madeCount()).toBe(2);
  });
});
