/** Tails of the log that were set aside: a history that this node left. */
import type { Update } from '#model/commands.ts';
import type { Lsn, Position } from '#model/position.ts';

/** Why and for whom records were set aside. */
export interface DivergedWhy {
  readonly reason: string;
  readonly sinceMs: number;
  /** `host:port` of the master whose history this node took on. */
  readonly upstream: string;
}

/** What MANIFEST remembers of one tail. */
export interface DivergedTail extends DivergedWhy {
  /** 1, 2, 3 … in the order in which they were set aside. */
  readonly id: number;
  /** The first record set aside. */
  readonly fromLsn: Lsn;
  /** The last one. */
  readonly last: Position;
  /** Numbers of the first and last segment file that hold them; other records are in there, too. */
  readonly segments: readonly [number, number];
  /** Wall milliseconds when an operator called it seen; absent: nobody has. */
  readonly seenMs?: number;
}

/** A tail, and what is still there of it. */
export interface DivergedReport extends DivergedTail {
  /** Segment files that hold it, relative to the directory; empty where they were removed. */
  readonly files: readonly string[];
  /** Of those files together. */
  readonly bytes: number;
}

/** A slice of the mutations of one tail. */
export interface DivergedSlice {
  readonly updates: readonly Update[];
  /** The last record read; ask on from there. */
  readonly lastLsn: Lsn;
  /** Nothing follows. */
  readonly isEnd: boolean;
  /** Why reading ended before the tail did; empty: it did not. */
  readonly damage: string;
}
