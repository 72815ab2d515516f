/** Assertions state what a bug would break; they are never about input. */

/** Throws where `condition` does not hold: the process must not go on from a bug. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** For the default of an exhaustive switch over a union. */
export function assertNever(value: never): never {
  throw new Error(`assertion failed: unexpected ${JSON.stringify(value)}`);
}
