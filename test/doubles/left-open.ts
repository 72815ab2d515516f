/**
 * Keeps what tests have open from the garbage collector: a test that fails or runs out of time does not get as far
 * as its own `close`, and Node reports each file handle that only the collector closes as an error of some later
 * test.
 */
const open = new Set<object>();

/** Returns `one`, which is kept until `noteClosed` is called. */
export function noteOpen<T extends object>(one: T): T {
  open.add(one);
  return one;
}

export function noteClosed(one: object): void {
  open.delete(one);
}
