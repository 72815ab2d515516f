/** The watches of the groups of a cluster, told as one. */
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { type WatchResponse, WatchResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { mergedWatch, type WatchedGroup } from '../../client/merged-watch.ts';
import type { WatchOptions, WatchTarget } from '../../client/watch.ts';

/** A group whose watch tells what it is given, and then waits for its end. */
class Group implements WatchedGroup {
  readonly id: string;
  readonly opened: WatchOptions[] = [];
  readonly #messages: WatchResponse[] = [];
  #wake = (): void => undefined;
  #error: Error | undefined;

  constructor(id: string) {
    this.id = id;
  }

  tell(...messages: { key?: string; resume?: string; initialDone?: boolean }[]): this {
    for (const { key, resume = 'AA', initialDone = false } of messages) {
      const events = key === undefined ? [] : [{ key }];
      this.#messages.push(create(WatchResponseSchema, { events, resume, initialDone }));
    }
    this.#wake();
    return this;
  }

  fail(error: Error): void {
    this.#error = error;
    this.#wake();
  }

  readonly keys = {
    watch: (_: WatchTarget, options: WatchOptions): AsyncIterable<WatchResponse> => {
      this.opened.push(options);
      return this.#told(options.signal as AbortSignal);
    },
  };

  async *#told(signal: AbortSignal): AsyncGenerator<WatchResponse> {
    signal?.addEventListener('abort', () => this.#wake(), { once: true });
    while (signal?.aborted !== true) {
      const message = this.#messages.shift();
      if (message !== undefined) yield message;
      else if (this.#error !== undefined) throw this.#error;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

async function take(messages: AsyncGenerator<WatchResponse>, count: number): Promise<WatchResponse[]> {
  const taken: WatchResponse[] = [];
  for (let i = 0; i < count; i++) taken.push((await messages.next()).value as WatchResponse);
  return taken;
}

const keysOf = (messages: readonly WatchResponse[]): string[][] =>
  messages.map(({ events }) => events.map(({ key }) => key));
const ALL = { prefix: '' };

describe('a watch of a cluster', () => {
  it('begins when every group is watched, tells all of each, and goes on from the place of each', async () => {
    const [g1, g2] = [new Group('g1').tell({ resume: 'a0' }), new Group('g-2')];
    const messages = mergedWatch(async () => [g1, g2], ALL, { keysOnly: true });
    let hasBegun = false;
    const first = messages.next().then((one) => {
      hasBegun = true;
      return one.value as WatchResponse;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(hasBegun).toBe(false);
    g2.tell({ resume: 'b0' });
    expect((await first).resume).toBe('c1.g1.a0.g-2.b0');
    g1.tell({ key: 'k1', resume: 'a1' }, { key: 'k2', resume: 'a2' });
    const told = await take(messages, 2);
    expect(keysOf(told)).toEqual([['k1'], ['k2']]);
    g2.tell({ key: 'l1', resume: 'b1' });
    const [last] = await take(messages, 1);
    expect(last?.resume).toBe('c1.g1.a2.g-2.b1');
    await messages.return(undefined);

    const [again1, again2] = [new Group('g1').tell({}), new Group('g-2').tell({})];
    const from = { case: 'resume', value: last?.resume as string } as const;
    await take(
      mergedWatch(async () => [again1, again2], ALL, { from }),
      1,
    );
    expect([again1, again2].map(({ opened }) => opened[0]?.from)).toEqual([
      { case: 'resume', value: 'a2' },
      { case: 'resume', value: 'b1' },
    ]);
  });

  it('of a prefix with a whole tag goes on from the place of its owner in a resume of all groups', async () => {
    const g2 = new Group('g2').tell({});
    const from = { case: 'resume', value: 'c1.g1.a0.g2.b0' } as const;
    const only = mergedWatch(async () => [g2], { prefix: '{a}' }, { from });
    await take(only, 1);
    expect(g2.opened[0]?.from).toEqual({ case: 'resume', value: 'b0' });
    const other = { case: 'resume', value: 'c1.g1.a0' } as const;
    const without = mergedWatch(async () => [g2], { prefix: '{a}' }, { from: other });
    await expect(without.next()).rejects.toThrow('from.resume is of the groups g1, and this watch of g2');
  });

  it('says once that the entries are complete, and can go on only from then', async () => {
    const g1 = new Group('g1').tell({ key: 'a', resume: '' }, { key: 'b', resume: 'a1', initialDone: true });
    const g2 = new Group('g2').tell({ key: 'c', resume: 'b1', initialDone: true });
    const messages = mergedWatch(async () => [g1, g2], ALL, { initial: true });
    const told = await take(messages, 2);
    expect(keysOf(told)).toEqual([['a', 'c'], ['b']]);
    expect(told.map(({ initialDone, resume }) => [initialDone, resume])).toEqual([
      [false, ''],
      [true, 'c1.g1.a1.g2.b1'],
    ]);
  });

  it('is of one group for a key, and fails and ends with a group', async () => {
    const g1 = new Group('g1').tell({ key: 'k', resume: 'a1' });
    const [of] = await take(
      mergedWatch(async () => [g1], { key: 'k' }, {}),
      1,
    );
    expect(of?.resume).toBe('a1');
    const [one, two] = [new Group('g1').tell({}), new Group('g2').tell({})];
    const messages = mergedWatch(async () => [one, two], ALL, {});
    await take(messages, 1);
    two.fail(new Error('the log no longer reaches back'));
    await expect(messages.next()).rejects.toThrow('no longer reaches back');
    expect(one.opened[0]?.signal?.aborted).toBe(true);
  });

  it('asks for the groups when it is iterated, and ends where it is given up before they are known', async () => {
    let asked = 0;
    const aborter = new AbortController();
    const groups = async (): Promise<never> => {
      asked++;
      aborter.abort();
      throw new Error('there is no map of the cluster yet');
    };
    const begun = mergedWatch(groups, ALL, {});
    expect(asked).toBe(0);
    await expect(begun.next()).rejects.toThrow('no map of the cluster');
    const ended = { done: true, value: undefined };
    const open = new AbortController();
    const givenUp = async (): Promise<never> => {
      open.abort();
      throw new Error('the caller gave the call up');
    };
    expect(await mergedWatch(givenUp, ALL, { signal: open.signal }).next()).toEqual(ended);
    expect(await mergedWatch(groups, ALL, { signal: aborter.signal }).next()).toEqual(ended);
    expect(asked).toBe(1);
  });

  it.each([
    [{ case: 'resume', value: 'AQEA' }, 'expected that of a message of a watch of a prefix'],
    [{ case: 'resume', value: 'c1' }, 'is of the groups none, and this watch of g1, g2'],
    [{ case: 'resume', value: 'c1.g1.AA' }, 'is of the groups g1, and this watch of g1, g2'],
    [{ case: 'resume', value: 'c1.g1.AA.g1.AA' }, 'is of the groups g1, g1, and this watch'],
    [{ case: 'resume', value: 'c1.h1.AA.h2.AA' }, 'is of the groups h1, h2, and this watch'],
    [{ case: 'resume', value: 'c1.g1' }, 'expected that of a message of a watch of a prefix'],
    [{ case: 'after', value: { epoch: 1n, lsn: 1n } }, 'is a position of one group'],
  ] as const)('refuses to begin from %o', async (from, why) => {
    const groups = [new Group('g1'), new Group('g2')];
    const begun = mergedWatch(async () => groups, ALL, {
      from: from as NonNullable<WatchOptions['from']>,
    }).next();
    await expect(begun).rejects.toThrow(why);
  });
});
