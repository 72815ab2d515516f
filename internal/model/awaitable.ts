/** A value, or a promise if the caller must wait for it. The hot path so creates no promise. */
export type Awaitable<T> = T | Promise<T>;

/** Applies `map` to the value, without a promise if `value` is none. */
export function mapAwaitable<T, R>(value: Awaitable<T>, map: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(map) : map(value);
}
