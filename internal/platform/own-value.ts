/**
 * Looks an input's name up in a plain object. `record[name]` alone finds what every
 * object inherits too: a key called `constructor` would be a function.
 */

/** The record's own value under `name`; undefined where it has none. */
export function ownValue<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
