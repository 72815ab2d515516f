/** A stream ends with the rights that it began with. */
import { describe, expect, it } from 'vitest';
import { untilRetired } from '#rpc/until-retired.ts';

describe('a stream whose caller loses its rights', () => {
  const open = (more: (n: number) => Promise<unknown>) => {
    const retiring = new AbortController();
    let isClosed = false;
    async function* count() {
      try {
        for (let n = 0; ; n++) {
          await more(n);
          yield n;
        }
      } finally {
        isClosed = true;
      }
    }
    const messages = untilRetired(count(), retiring.signal);
    return { messages, retire: () => retiring.abort(), isClosed: () => isClosed };
  };

  it('ends while it waits for a message', async () => {
    const { messages, retire } = open((n) => (n === 1 ? new Promise(() => {}) : Promise.resolve()));
    expect((await messages.next()).value).toBe(0);
    const waiting = messages.next();
    retire();
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('ends between two messages, and closes what they come from', async () => {
    const { messages, retire, isClosed } = open(() => Promise.resolve());
    await messages.next();
    retire();
    await expect(messages.next()).rejects.toMatchObject({ code: 'unavailable' });
    await Promise.resolve();
    expect(isClosed()).toBe(true);
  });

  it('never begins where they are gone before', async () => {
    const { messages, retire } = open(() => Promise.resolve());
    retire();
    await expect(messages.next()).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('goes on, and ends by itself, where nothing changes', async () => {
    async function* three() {
      yield* [1, 2, 3];
    }
    const retiring = new AbortController();
    expect(await Array.fromAsync(untilRetired(three(), retiring.signal))).toEqual([1, 2, 3]);
  });
});
