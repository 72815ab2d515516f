/** A map as a memory: of a bounded number of keys, so that a shell that runs for days does not grow. */

/** Beyond so many, all are forgotten and made again. */
const KEPT_MAX = 64;

/** The value of the key, made where there is none. */
export function kept<Value>(map: Map<string, Value>, key: string, make: () => Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  if (map.size >= KEPT_MAX) map.clear();
  map.set(key, made);
  return made;
}
