/** What a store is made with. */
import type { StoreLimits } from '#model/entry.ts';

export interface StoreOptions {
  readonly limits: StoreLimits;
  /** 32 random bits per process, so that no client can choose keys that collide. */
  readonly hashSeed?: number | undefined;
  /** The bits of the hash in use, all by default. Tests clear some to make keys collide. */
  readonly hashMask?: number | undefined;
  /** Lower-case hex that identifies this store in scan cursors; by default derived from `hashSeed`. */
  readonly incarnation?: string | undefined;
  /**
   * True: values that are read are given out where they lie, without a copy, and are not
   * written over, but left to the garbage collector. Who keeps one keeps the megabyte around it.
   */
  readonly sharesValues?: boolean | undefined;
}
