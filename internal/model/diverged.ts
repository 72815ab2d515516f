/** Diverged tails: records that a node moved to `aside/` when it adopted another history. */
import type { Update } from '#model/commands.ts';
import type { Lsn, Position } from '#model/position.ts';

/** Why records were set aside, and for which master's history. */
export interface DivergedWhy {
  readonly reason: string;
  readonly sinceMs: number;
  /** `host:port` of the master whose history this node adopted. */
  readonly upstream: string;
}

/** What MANIFEST stores about one tail. */
export interface DivergedTail extends DivergedWhy {
  /** 1, 2, 3 … in the order in which they were set aside. */
  readonly id: number;
  /** The first record set aside. */
  readonly fromLsn: Lsn;
  /** The last one. */
  readonly last: Position;
  /** Numbers of the first and last segment file that contain the tail, among other records. */
  readonly segments: readonly [number, number];
  /** When an operator marked the tail as seen, wall time in milliseconds; absent if nobody has. */
  readonly seenMs?: number;
}

/** A tail and its files that still exist. */
export interface DivergedReport extends DivergedTail {
  /** Its segment files, relative to the directory; empty if they were removed. */
  readonly files: readonly string[];
  /** Total size of those files. */
  readonly bytes: number;
}

/** A slice of the mutations of one tail. */
export interface DivergedSlice {
  readonly updates: readonly Update[];
  /** The last record read: where the next call continues. */
  readonly lastLsn: Lsn;
  /** True if nothing follows. */
  readonly isEnd: boolean;
  /** Why reading stopped before the end of the tail; empty if it did not. */
  readonly damage: string;
}
