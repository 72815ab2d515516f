/** Which keys of a node are used most, as `walnut hotkeys` asks. */

export const HOT_KEYS_MS_DEFAULT = 5_000;
export const HOT_KEYS_MS_MAX = 30_000;
export const HOT_KEYS_LIMIT_DEFAULT = 20;
export const HOT_KEYS_LIMIT_MAX = 1_000;

export interface HotKeysCommand {
  readonly durationMs: number;
  /** Most keys in the answer. */
  readonly limit: number;
}

/** The key that was used last, and how often any was used. */
export interface LatestAccess {
  readonly accesses: number;
  /** Undefined: the store is empty. */
  readonly key: string | undefined;
}

export interface HotKeysAnswer {
  /** The key that was seen most comes first. */
  readonly keys: readonly { readonly key: string; readonly looks: number }[];
  /** Looks that saw an access since the look before. */
  readonly looks: number;
  /** All accesses meanwhile: reads that found their key, and writes that became visible. */
  readonly accesses: number;
  readonly durationMs: number;
  /** How many different keys were seen. */
  readonly distinct: number;
}
