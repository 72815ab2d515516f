/**
 * Entries and mutations as bytes of a `Buffer`. They are apart from `entry.ts` because the types
 * of the client for browsers reach that, and there is no `Buffer` there.
 */
import type { Cause, Mutation } from '#model/entry.ts';

/** A key and a value within `bytes`: each as its offset and its length in bytes. */
export interface EncodedPair {
  readonly bytes: Buffer;
  /** Well-formed UTF-8, not empty. */
  readonly keyOffset: number;
  readonly keyBytes: number;
  readonly valueOffset: number;
  readonly valueBytes: number;
  readonly expireAtMs: number;
  /** The content type of the value, ASCII; 0 bytes: none. */
  readonly typeOffset: number;
  readonly typeBytes: number;
  /** Nobody writes to `bytes` again, so a long value need not be copied out of them. */
  readonly isFinal?: boolean;
}

/** A mutation as encoded in a record; a delete has no value and no deadline, a touch no value. */
export interface EncodedMutation extends EncodedPair {
  readonly op: Mutation['op'];
  readonly cause: Cause;
}
