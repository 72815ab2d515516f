import { describe, expect, it } from 'vitest';
import type { NoRoom } from '#rpc/body-budget.ts';
import { CallerQueue } from '#rpc/caller-queue.ts';
import { waiterOf } from '#test/doubles/waiter-of.ts';

/** A queue of works that end when they are told to, by the names under which they were begun. */
class Works {
  readonly refused: NoRoom[] = [];
  readonly queue = new CallerQueue((noRoom) => this.refused.push(noRoom));
  /** In the order in which they began. */
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  /** The first letter is the caller. */
  async run(name: string, signal?: AbortSignal): Promise<string> {
    return this.queue.run(waiterOf(name.slice(0, 1), signal), async () => {
      this.begun.push(name);
      await new Promise<void>((resolve) => this.#ends.set(name, resolve));
      return name;
    });
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}

describe('work of callers', () => {
  it('of one leaves a place for another', async () => {
    const works = new Works();
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1']) void works.run(name);
    await settled();
    expect(works.begun).toEqual(['a1', 'a2', 'a3', 'b1']);
    await works.end('b1');
    expect(works.begun).not.toContain('a4');
    await works.end('a1');
    expect(works.begun.at(-1)).toBe('a4');
  });

  it('takes turns by caller', async () => {
    const works = new Works();
    const names = ['a1', 'a2', 'a3', 'b1', 'a4', 'a5', 'a6', 'b2', 'b3', 'c1'];
    for (const name of names) void works.run(name);
    await settled();
    for (let i = 0; i < names.length; i++) await works.end(works.begun[i] ?? '');
    expect(works.begun).toEqual(['a1', 'a2', 'a3', 'b1', 'a4', 'b2', 'c1', 'a5', 'b3', 'a6']);
  });

  it('of one that finds no place in its line is refused, and another still finds one', async () => {
    const works = new Works();
    const names = Array.from({ length: 3 + 64 }, (_, i) => `a${i}`);
    for (const name of names) void works.run(name);
    const details = { retryAfterS: 1, nothingDone: true };
    const refusal = { code: 'resource_exhausted', details };
    await expect(works.run('a-more')).rejects.toMatchObject(refusal);
    expect(works.refused).toEqual(['caller']);
    void works.run('b1');
    await settled();
    expect(works.begun).toEqual(['a0', 'a1', 'a2', 'b1']);
  });

  it('of all together waits in a bounded line', async () => {
    const works = new Works();
    for (const caller of 'abcdefgh') for (let i = 0; i < 70; i++) works.run(caller + i).catch(() => {});
    await settled();
    works.refused.length = 0;
    for (const caller of 'ijkl') for (let i = 0; i < 10; i++) works.run(caller + i).catch(() => {});
    await settled();
    expect(works.refused.filter((noRoom) => noRoom === 'all').length).toBeGreaterThan(30);
  });

  it('leaves the line when its caller has gone, and gives its place in it to another', async () => {
    const works = new Works();
    const gone = new AbortController();
    for (const name of ['a1', 'a2', 'a3']) void works.run(name);
    const left = Array.from({ length: 64 }, (_, i) => works.run(`a-gone${i}`, gone.signal));
    const next = works.run('a4');
    await expect(next).rejects.toMatchObject({ code: 'resource_exhausted' });
    gone.abort(new Error('gone'));
    for (const one of left) await expect(one).rejects.toThrow('gone');
    void works.run('a5');
    await works.end('a1');
    expect(works.begun).toEqual(['a1', 'a2', 'a3', 'a5']);
  });

  it('of a caller that has gone before does not begin', async () => {
    const works = new Works();
    await expect(works.run('a1', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(works.begun).toEqual([]);
  });

  it('that fails gives its place back', async () => {
    const { queue } = new Works();
    const fail = (): Promise<never> => queue.run(waiterOf('a'), () => Promise.reject(new Error('damaged')));
    for (let i = 0; i < 10; i++) await expect(fail()).rejects.toThrow('damaged');
    expect(await queue.run(waiterOf('a'), async () => 'done')).toBe('done');
  });
});
