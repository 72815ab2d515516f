/** Iterations that their callers end, of sources that answer as told. */
import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { json } from '../../client/codecs.ts';
import { Iteration } from '../../client/iteration.ts';
import { KeyMap } from '../../client/key-map.ts';

/** Gives one thing, and then nothing until it is ended. */
async function* idle(ends: AbortSignal): AsyncGenerator<number> {
  yield 1;
  if (!ends.aborted) await new Promise((resolve) => ends.addEventListener('abort', resolve, { once: true }));
}

const OVER = { done: true, value: undefined };

it('ends at once while it waits, and lets go of its signals', async () => {
  const closed = new AbortController();
  const ends: unknown[] = [];
  const begin = () => (failed?: unknown) => void ends.push(failed);
  const one = new Iteration({ open: idle, signals: [undefined, closed.signal], begin });
  expect(await one.next()).toEqual({ done: false, value: 1 });
  const waiting = one.next();
  expect(await one.return()).toEqual(OVER);
  expect([await waiting, await one.next()]).toEqual([OVER, OVER]);
  expect([ends, getEventListeners(closed.signal, 'abort')]).toEqual([[undefined], []]);
});

it('ends with a signal that is no instance of the class here', async () => {
  const like = (aborted: boolean) =>
    Object.assign(new EventTarget(), { aborted }) as AbortSignal & EventTarget;
  const signal = like(false);
  const one = new Iteration({ open: idle, signals: [signal] });
  await one.next();
  const waiting = one.next();
  signal.dispatchEvent(new Event('abort'));
  expect(await waiting).toEqual(OVER);
  expect(await Array.fromAsync(new Iteration({ open: idle, signals: [like(true)] }))).toEqual([1]);
});

it('throws what its source throws, but not what ending it made that throw', async () => {
  const failure = new Error('gone');
  const failing = async function* (signal: AbortSignal): AsyncGenerator<number> {
    yield* idle(signal);
    throw failure;
  };
  const ends: unknown[] = [];
  const begin = () => (failed?: unknown) => void ends.push(failed);
  const closed = new AbortController();
  const one = new Iteration({ open: failing, signals: [closed.signal], begin });
  await one.next();
  closed.abort();
  await expect(one.next()).rejects.toBe(failure);
  const other = new Iteration({ open: failing, signals: [], begin });
  await other.next();
  const waiting = other.next();
  await other.return();
  expect(await waiting).toEqual(OVER);
  await expect(new Iteration({ open: idle, signals: [] }).throw(failure)).rejects.toBe(failure);
  expect(ends).toEqual([{ error: failure }, undefined]);
});

it('is what a map gives, of changes and of entries', async () => {
  const nothing = (_: unknown, { signal }: { signal: AbortSignal }) =>
    new Iteration({
      open: async function* (ends: AbortSignal): AsyncGenerator<never> {
        await new Promise((resolve) => ends.addEventListener('abort', resolve, { once: true }));
      },
      signals: [signal],
    });
  const client = { watch: nothing, scan: nothing } as unknown as ConstructorParameters<typeof KeyMap>[0];
  const map = new KeyMap(client, 'm:', json());
  for (const one of [map.changes(), map.entries()]) {
    const waiting = one.next();
    await one.return();
    expect(await waiting).toEqual(OVER);
  }
});
