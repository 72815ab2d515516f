/** Messages of several sources: asked for one at a time, told as they come, at no cost for who is quiet. */
import { describe, expect, it } from 'vitest';
import type { WatchCommand } from '#model/watch.ts';
import { Arrivals } from '#routing/arrivals.ts';
import { FakeCluster, type FakeGroup } from '#test/routing/fake-cluster.ts';

class Told {
  readonly name: string;
  readonly messages: AsyncIterator<string>;
  asked = 0;
  #resolve: (result: IteratorResult<string>) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(name: string) {
    this.name = name;
    this.messages = {
      next: () => {
        this.asked++;
        return new Promise((resolve, reject) => {
          this.#resolve = resolve;
          this.#reject = reject;
        });
      },
    };
  }

  tell(value: string): void {
    this.#resolve({ done: false, value });
  }

  end(): void {
    this.#resolve({ done: true, value: undefined });
  }

  fail(error: Error): void {
    this.#reject(error);
  }
}

describe('arrivals', () => {
  it('are taken in the order in which they come, each source asked for one at a time', async () => {
    const arrivals = new Arrivals<Told, string>();
    const [one, two] = [new Told('one'), new Told('two')];
    for (const source of [one, two]) arrivals.ask(source);
    two.tell('b');
    one.tell('a');
    expect(await arrivals.take()).toEqual({ source: two, message: 'b' });
    expect(await arrivals.take()).toEqual({ source: one, message: 'a' });
    expect([one.asked, two.asked]).toEqual([1, 1]);
    const later = arrivals.take();
    arrivals.ask(one);
    one.tell('c');
    expect((await later).message).toBe('c');
  });

  it('of one source leave those of the others for later', async () => {
    const arrivals = new Arrivals<Told, string>();
    const [one, two] = [new Told('one'), new Told('two')];
    for (const source of [one, two]) arrivals.ask(source);
    const only = arrivals.take(one);
    two.tell('b');
    await Promise.resolve();
    one.tell('a');
    expect((await only).message).toBe('a');
    expect((await arrivals.take()).message).toBe('b');
  });

  it('tell the end and the error of a source where that is taken', async () => {
    const arrivals = new Arrivals<Told, string>();
    const [one, two] = [new Told('one'), new Told('two')];
    for (const source of [one, two]) arrivals.ask(source);
    one.end();
    two.fail(new Error('broken'));
    expect(await arrivals.take(one)).toEqual({ source: one, message: undefined });
    await expect(arrivals.take()).rejects.toThrow('broken');
  });

  it('begin with one of each source in their order, and fail with the first that fails', async () => {
    const arrivals = new Arrivals<Told, string>();
    const [one, two] = [new Told('one'), new Told('two')];
    const firsts = arrivals.firsts([one, two]);
    two.tell('b');
    one.tell('a');
    expect((await firsts).map(({ message }) => message)).toEqual(['a', 'b']);
    const [quiet, broken] = [new Told('quiet'), new Told('broken')];
    const failed = new Arrivals<Told, string>().firsts([quiet, broken]);
    broken.fail(new Error('discarded'));
    await expect(failed).rejects.toThrow('discarded');
  });
});

const WATCH: WatchCommand = {
  ...{ target: { kind: 'prefix', prefix: '' }, after: undefined, ops: undefined, isInitial: false },
  ...{ withPrevious: false, keysOnly: false, progressEveryMs: 0 },
};

/** How often the same promise was waited for at most while `work` went on. */
async function waitsForOne(work: () => Promise<void>): Promise<number> {
  const { then } = Promise.prototype;
  const waits = new WeakMap<object, number>();
  let most = 0;
  // biome-ignore lint/suspicious/noThenProperty: counts who waits, and does what it did.
  Promise.prototype.then = function counted(this: Promise<unknown>, ...reactions: Parameters<typeof then>) {
    const count = (waits.get(this) ?? 0) + 1;
    waits.set(this, count);
    most = Math.max(most, count);
    return then.apply(this, reactions);
  } as typeof then;
  try {
    await work();
  } finally {
    // biome-ignore lint/suspicious/noThenProperty: puts back what was there.
    Promise.prototype.then = then;
  }
  return most;
}

describe('a watch of two groups', () => {
  it('gathers nothing for a group that is quiet while the other one tells a thousand changes', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const [loud, quiet] = cluster.groups as [FakeGroup, FakeGroup];
    const message = (group: FakeGroup) => ({
      ...{ events: [], position: group.position, canResume: true, isFragment: false },
      ...{ isInitialDone: false, wallShiftMs: 0 },
    });
    loud.watched.push(Array.from({ length: 1_001 }, () => message(loud)));
    quiet.watched.push([message(quiet)]);
    quiet.isQuietAfter = true;
    const caller = new AbortController();
    const most = await waitsForOne(async () => {
      let told = 0;
      for await (const _ of cluster.keys.watch(WATCH, caller.signal)) if (++told === 1_000) break;
    });
    caller.abort();
    expect(most).toBeLessThan(10);
  });
});
