/**
 * Closes at the end of a test file what its tests left open: a test that fails
 * or runs out of time does not get as far as its own `close`, and Node reports
 * each file handle that only the garbage collector closes as an error of some
 * later test.
 */
import { afterAll } from 'vitest';

interface Closable {
  close(): Promise<unknown>;
}

const open = new Set<Closable>();

afterAll(async () => {
  for (const one of [...open]) {
    open.delete(one);
    // Its directory may be gone by now: only the handles matter.
    await one.close().catch(() => undefined);
  }
});

/** Returns `one`, which is closed at the end of the file unless `noteClosed` is called before. */
export function noteOpen<T extends Closable>(one: T): T {
  open.add(one);
  return one;
}

export function noteClosed(one: Closable): void {
  open.delete(one);
}
