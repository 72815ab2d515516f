/**
 * Looks up a name from input in a plain object. `record[name]` would also find
 * inherited members: the key `constructor` would give a function.
 */

/** The record's own value under `name`; undefined if it has none. */
export function ownValue<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
