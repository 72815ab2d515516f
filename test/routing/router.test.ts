/** Calls of a group whose nodes answer as told, on a virtual clock. */
import { describe, expect, it } from 'vitest';
import type { Random } from '#platform/random.ts';
import type { Failure, Told } from '#routing/failure.ts';
import { GroupRoutes } from '#routing/group-routes.ts';
import { type Attempt, type RoutedCall, Router } from '#routing/router.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

/** What a node does with a call: answers, or fails so. */
type Doing = 'answer' | Failure;

const random: Random = { uint32: () => 0, id128: () => '0'.repeat(32) };
const later: Failure = { outcome: 'unknown', remedy: 'later' };
const refused: Failure = { outcome: 'not_done', remedy: 'later' };
const toMaster = (leaderHint?: string): Failure => ({ outcome: 'not_done', remedy: 'elsewhere', leaderHint });
const WRITE: RoutedCall = { target: 'master', isRepeatable: true, timeoutMs: 10_000, attemptMs: 1_000 };

class Told2 extends Error {
  readonly told: Told;
  constructor(told: Told, cause: unknown) {
    super('told', { cause });
    this.told = told;
  }
}

function group(doings: Record<string, () => Doing>, mayFollow = true) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const timeouts: number[] = [];
  const routes = new GroupRoutes({ addresses: Object.keys(doings), mayFollow: () => mayFollow });
  let master: string | undefined;
  const router = new Router<string>({
    routes,
    clock,
    random,
    links: {
      linkTo: (address) => address,
      judge: (error) => error as Failure,
      toError: (error, told) => new Told2(told, error),
      findMaster: async (link) => {
        if (master === undefined) throw new Error('nobody says');
        return link === master ? 'itself' : master;
      },
    },
  });
  const attempt = async ({ address, timeoutMs }: Attempt<string>): Promise<string> => {
    asked.push(address);
    timeouts.push(timeoutMs);
    const doing = doings[address]?.() ?? refused;
    if (doing === 'answer') return address;
    if (doing.isLate === true) await clock.sleep(timeoutMs);
    throw doing;
  };
  const run = async (call: Partial<RoutedCall> = {}): Promise<string | Told> => {
    let settled = false;
    const done = router
      .run({ ...WRITE, ...call }, attempt)
      .catch((error: unknown) => (error as Told2).told)
      .finally(() => {
        settled = true;
      });
    await clock.settle();
    if (!settled) await clock.advanceUntil(() => settled, 60_000);
    return done;
  };
  return {
    clock,
    asked,
    timeouts,
    routes,
    router,
    run,
    setMaster: (address: string) => {
      master = address;
    },
  };
}

describe('a routed call', () => {
  it('asks nodes who the master is, and goes there', async () => {
    const one = group({ a: () => toMaster('b'), b: () => 'answer' });
    one.setMaster('b');
    expect([await one.run(), one.asked]).toEqual(['b', ['b']]);
  });

  it('follows a hint at once, and remembers it', async () => {
    const one = group({ a: () => toMaster('c'), b: () => toMaster('c'), c: () => 'answer' });
    await one.run();
    await one.run();
    expect(one.asked).toEqual(['a', 'c', 'c']);
    expect(one.clock.monotonicMs()).toBe(0);
  });

  it('does not follow a hint that it may not, and finds the master among its own', async () => {
    const one = group({ a: () => toMaster('b.internal'), b: () => 'answer' }, false);
    expect([await one.run(), one.asked]).toEqual(['b', ['a', 'b']]);
  });

  it('tells where nodes refer to each other, and goes on with pauses', async () => {
    const one = group({ a: () => toMaster('b'), b: () => toMaster('a') });
    expect(await one.run()).toMatchObject({ outcome: 'not_done' });
    expect(one.clock.monotonicMs()).toBeGreaterThan(8_000);
    expect(one.asked.length).toBeLessThan(150);
  });

  it('is not sent, and so not done, where its caller gave up before', async () => {
    const one = group({ a: () => 'answer' });
    const nothing = { outcome: 'not_done', address: '', attempts: 0 };
    expect(await one.run({ signal: AbortSignal.abort() })).toEqual(nothing);
    expect(one.asked).toEqual([]);
  });

  it('ends at once where the only node refers elsewhere', async () => {
    const one = group({ a: () => toMaster() });
    expect(await one.run()).toEqual({ outcome: 'not_done', address: 'a', attempts: 1 });
  });

  it('outlasts a group without a master', async () => {
    let isLed = false;
    const one = group({ a: () => (isLed ? 'answer' : toMaster()), b: () => (isLed ? toMaster('a') : later) });
    void one.clock.sleep(3_000).then(() => {
      isLed = true;
    });
    expect(await one.run()).toBe('a');
    expect(one.clock.monotonicMs()).toBeGreaterThanOrEqual(3_000);
    expect(one.clock.monotonicMs()).toBeLessThan(4_500);
  });

  it('says what is known: nothing after one attempt that may have been carried out', async () => {
    const doings: Doing[] = [refused, later, refused];
    const one = group({ a: () => doings.shift() ?? { outcome: 'not_done', remedy: 'none' } });
    expect(await one.run()).toEqual({ outcome: 'unknown', address: 'a', attempts: 4 });
    const other = group({ a: () => later });
    expect(await other.run({ isRepeatable: false })).toEqual({
      outcome: 'unknown',
      address: 'a',
      attempts: 1,
    });
  });

  it('gives attempts that were too short more time, and all of them the caller’s', async () => {
    const one = group({ a: () => ({ ...later, isLate: true }) });
    expect(await one.run()).toMatchObject({ outcome: 'unknown' });
    expect(one.timeouts.slice(0, 3)).toEqual([1_000, 2_000, 4_000]);
    expect(Math.floor(one.clock.monotonicMs())).toBe(10_000);
    const other = group({ a: () => ({ ...later, isLate: true }) });
    await other.run({ isRepeatable: false });
    expect(other.timeouts).toEqual([10_000]);
  });

  it('goes on no more when its caller gives up', async () => {
    const aborter = new AbortController();
    const one = group({ a: () => refused });
    void one.clock.sleep(300).then(() => aborter.abort());
    expect(await one.run({ signal: aborter.signal })).toMatchObject({ outcome: 'not_done' });
    expect(one.clock.monotonicMs()).toBeLessThanOrEqual(300);
  });

  it('stays at the node that it must stay at', async () => {
    let failures = 3;
    const one = group({ a: () => 'answer', b: () => (failures-- > 0 ? refused : 'answer') });
    expect([await one.run({ at: () => 'b' }), one.asked]).toEqual(['b', ['b', 'b', 'b', 'b']]);
  });
});

describe('a read of the master', () => {
  const READ = { isRead: true } as const;
  const late: Failure = { ...later, isLate: true };

  it('stays there when a caller gives up, who says nothing of the node', async () => {
    const aborter = new AbortController();
    const doings: Doing[] = [{ outcome: 'unknown', remedy: 'later' }];
    const giveUp = (): Doing => {
      aborter.abort();
      return doings.shift() ?? 'answer';
    };
    const one = group({ a: giveUp, b: () => 'answer' });
    one.routes.setMaster('a');
    await one.run({ ...READ, signal: aborter.signal });
    expect(one.routes.master).toBe('a');
    expect([await one.run(READ), one.asked]).toEqual(['a', ['a', 'a']]);
  });

  it('leaves a node among those to ask first that had less than the time of one attempt', async () => {
    const doings: Doing[] = [late];
    const one = group({ a: () => doings.shift() ?? 'answer', b: () => 'answer' });
    one.routes.setMaster('b');
    await one.run({ target: 'replica', timeoutMs: 2 });
    expect([await one.run({ target: 'replica' }), one.asked]).toEqual(['a', ['a', 'a']]);
  });

  it('is answered by no replica while the master that is known is late', async () => {
    const doings: Doing[] = [late, refused, refused];
    const one = group({ a: () => doings.shift() ?? 'answer', b: () => 'answer' });
    one.setMaster('a');
    expect([await one.run(READ), await one.run(READ)]).toEqual(['a', 'a']);
    expect(one.asked).toEqual(['a', 'a', 'a', 'a', 'a']);
  });

  it('asks a master that is down with pauses, to the end of its time', async () => {
    const one = group({ a: () => refused, b: () => 'answer' });
    one.setMaster('a');
    expect(await one.run(READ)).toMatchObject({ outcome: 'not_done', address: 'a' });
    expect(one.clock.monotonicMs()).toBeGreaterThan(8_000);
    expect(one.asked.length).toBeLessThan(150);
  });

  it('goes to who leads by then', async () => {
    const one = group({ a: () => refused, b: () => 'answer' });
    one.routes.setMaster('a');
    one.setMaster('b');
    expect([await one.run(READ), one.asked]).toEqual(['b', ['a', 'b']]);
  });
});

describe('what a node does not have yet', () => {
  const notYet: Failure = { outcome: 'unknown', remedy: 'not_yet' };

  it('is asked for elsewhere by a read of any node', async () => {
    const one = group({ a: () => notYet, b: () => 'answer' });
    one.routes.setMaster('b');
    expect([await one.run({ target: 'replica' }), one.asked]).toEqual(['b', ['a', 'b']]);
  });

  it('does not make the master unknown', async () => {
    let isReached = false;
    const one = group({ a: () => (isReached ? 'answer' : notYet), b: () => toMaster('a') });
    one.routes.setMaster('a');
    void one.clock.sleep(1_000).then(() => {
      isReached = true;
    });
    expect(await one.run()).toBe('a');
    expect(one.routes.master).toBe('a');
  });
});

describe('a routed stream', () => {
  const LIMITS = { signal: undefined, beginMs: 10_000 };

  /** Node `a` takes the stream and says nothing; `b` tells at once. */
  const hanging = (opened: string[]) =>
    async function* (link: string, signal: AbortSignal) {
      opened.push(link);
      if (link === 'a')
        await new Promise((_, reject) => signal.addEventListener('abort', reject, { once: true }));
      yield link;
    };

  it('begins at the next node where one takes it and says nothing for a second', async () => {
    const one = group({ a: () => 'answer', b: () => 'answer' });
    const opened: string[] = [];
    const begun = one.router.stream('replica', hanging(opened), LIMITS).next();
    await one.clock.advance(1_000);
    expect((await begun).value).toBe('b');
    expect(opened).toEqual(['a', 'b']);
  });

  it('of a master that hangs begins at the next one as soon as that is known', async () => {
    const one = group({ a: () => 'answer', b: () => 'answer' });
    const opened: string[] = [];
    one.setMaster('a');
    const begun = one.router.stream('master', hanging(opened), LIMITS).next();
    await one.clock.advance(2_500);
    one.setMaster('b');
    await one.clock.advance(1_000);
    expect((await begun).value).toBe('b');
    expect(opened).toEqual(['a', 'a', 'b']);
  });

  it('is given up after its time where nobody tells anything, and says what it waited for', async () => {
    const one = group({ a: () => 'answer' });
    const opened: string[] = [];
    const error = one.router
      .stream('master', hanging(opened), LIMITS)
      .next()
      .catch((thrown) => thrown);
    await one.clock.advance(10_000);
    expect((await error).message).toContain('told');
    expect(opened.length).toBe(6);
  });
  it.each([300, -5])('that has only %i ms left says so, and nothing of the node', async (beginMs) => {
    const one = group({ a: () => 'answer', b: () => 'answer' });
    one.routes.setMaster('a');
    const opened: string[] = [];
    const error = one.router
      .stream('master', hanging(opened), { ...LIMITS, beginMs })
      .next()
      .catch((thrown) => thrown);
    await one.clock.advance(2_000);
    expect((await error).cause).toMatchObject({ code: 'deadline_exceeded' });
    expect([opened, one.routes.master]).toEqual([['a'], 'a']);
  });

  it('that a node took in silence says so of that node, also where the next one had no time left', async () => {
    const one = group({ a: () => 'answer' });
    const error = one.router
      .stream('master', hanging([]), { ...LIMITS, beginMs: 1_200 })
      .next()
      .catch((thrown) => thrown);
    await one.clock.advance(2_000);
    expect((await error).cause).toMatchObject({ code: 'unavailable' });
  });

  it('begins at the next node while none has given anything, and breaks with the node after that', async () => {
    const one = group({ a: () => 'answer', b: () => 'answer' });
    const open = async function* (link: string) {
      if (link === 'a') throw refused;
      yield link;
      throw later;
    };
    const given: string[] = [];
    const broken = (async () => {
      for await (const message of one.router.stream('replica', open, LIMITS)) given.push(message);
    })();
    await expect(broken).rejects.toMatchObject({ told: { outcome: 'not_done', address: 'b' } });
    expect(given).toEqual(['b']);
  });

  it('of the master begins at no replica', async () => {
    const one = group({ a: () => 'answer', b: () => 'answer' });
    const opened: string[] = [];
    const open = (link: string): AsyncIterable<string> => {
      opened.push(link);
      throw refused;
    };
    one.setMaster('a');
    const begun = one.router.stream('master', open, LIMITS).next();
    await expect(begun).rejects.toMatchObject({ told: { address: 'a', attempts: 1 } });
    expect(opened).toEqual(['a']);
  });

  it('says nothing of the node where its caller ends it', async () => {
    const one = group({ a: () => 'answer', b: () => 'answer' });
    const aborter = new AbortController();
    const opened: string[] = [];
    const open = (link: string): AsyncIterable<string> => {
      opened.push(link);
      aborter.abort();
      throw refused;
    };
    await expect(
      one.router.stream('replica', open, { ...LIMITS, signal: aborter.signal }).next(),
    ).rejects.toThrow('told');
    expect(opened).toEqual(['a']);
  });
});
