/** Answers that are there at once where nothing has to be waited for, so that the hot path has no promise. */
export type Awaitable<T> = T | Promise<T>;

/** `map` of the value: at once where it is there, without a promise. */
export function mapAwaitable<T, R>(value: Awaitable<T>, map: (value: T) => R): Awaitable<R> {
  return value instanceof Promise ? value.then(map) : map(value);
}
