/** What the hot path answers, as a promise, however it comes. */
import { Later } from '#model/later.ts';

export function settled<T>(value: T | Promise<T> | Later<T>): Promise<T> {
  if (!(value instanceof Later)) return Promise.resolve(value);
  return new Promise((resolve, reject) => value.to({ onValue: resolve, onError: reject }));
}
