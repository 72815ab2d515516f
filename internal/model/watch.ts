/** What a watcher asks for and gets (docs/adr/0015-watch.md). */
import type { EncodedPair } from '#model/encoded.ts';
import type { Cause, Entry, Mutation } from '#model/entry.ts';
import type { GroupPlace, Position } from '#model/position.ts';

/** Watchers of one node. */
export const WATCHERS_MAX = 4_096;
/** Bytes of events that wait for one watcher at most, unless one record has more; less where memory is small. */
export const WATCH_QUEUE_BYTES_MAX = 4 * 1_024 * 1_024;
/** Bytes of events that wait for all watchers together at most; a shared event counts once. The memory plan gives less where memory is small. */
export const WATCH_BYTES_MAX = 64 * 1_024 * 1_024;
/** Events of one message, and about how many bytes of them; a larger event comes alone. */
export const WATCH_MESSAGE_EVENTS_MAX = 1_000;
export const WATCH_MESSAGE_BYTES = 128 * 1_024;
/** `progressEveryMs` if it is 0, and what else it may be. */
export const WATCH_PROGRESS_MS_DEFAULT = 10_000;
export const WATCH_PROGRESS_MS_MIN = 100;
export const WATCH_PROGRESS_MS_MAX = 600_000;
/** How long a watcher waits for a node to reach the position that it starts after. */
export const WATCH_START_MS_MAX = 5_000;

export type WatchTarget =
  | { readonly kind: 'key'; readonly key: string }
  /** Empty: every key. */
  | { readonly kind: 'prefix'; readonly prefix: string };

export type WatchOp = Mutation['op'];

export interface WatchCommand {
  readonly target: WatchTarget;
  /** The last position that the watcher has; undefined: what comes from now on. */
  readonly after: Position | undefined;
  /** At a gateway, instead of `after`: the places to go on from. A group that is not named begins now. */
  readonly places?: readonly GroupPlace[] | undefined;
  /** Begin with the first record at or after this wall time, in milliseconds. Then `after` is undefined. */
  readonly sinceMs?: number | undefined;
  /** Undefined: all. */
  readonly ops: readonly WatchOp[] | undefined;
  readonly withPrevious: boolean;
  /** Values are left out, those of `previous` too. */
  readonly keysOnly: boolean;
  /** 0: `WATCH_PROGRESS_MS_DEFAULT`. */
  readonly progressEveryMs: number;
  /** First what is there now. Then `after` and `sinceMs` are undefined. */
  readonly isInitial: boolean;
}

/** Where key and value of an event lie in memory that does not change. */
export type EventSource = Pick<
  EncodedPair,
  'bytes' | 'keyOffset' | 'keyBytes' | 'valueOffset' | 'valueBytes'
>;

/** One change of one key, or with `isInitial` one entry that is there. */
export interface WatchEvent {
  readonly op: WatchOp;
  readonly cause: Cause;
  readonly key: string;
  /** Empty on a delete and where only keys were asked for. */
  readonly value: Uint8Array;
  /**
   * Key and value in the form that needs no text; undefined: they are known as they are.
   * Then `key` and `value` may be made when they are read: such an event must not be
   * copied by spreading it.
   */
  readonly source?: EventSource | undefined;
  /** See `Entry`; of a set only. */
  readonly contentType?: string | undefined;
  /** The record that made the change; of an initial event, the one that wrote the entry. */
  readonly version: Position;
  /** Log clock; `NEVER` (0) for none, and on a delete. */
  readonly expireAtMs: number;
  /** The record's time by the log clock, milliseconds since the Unix epoch; 0 of an initial event. */
  readonly timestampMs: number;
  /** The entry before, if asked for, known and there. */
  readonly previous: Entry | undefined;
  /** `previous` was asked for, and the record was applied before the watcher was there. */
  readonly isPreviousUnknown: boolean;
  readonly isInitial: boolean;
  /**
   * The encoded event, cached here because many watchers may share one event; `once` where
   * it was encoded once and not kept. A copy with other fields must clear it. A WeakMap
   * would cost the garbage collector more.
   */
  encoded?: Uint8Array | 'once' | undefined;
  /** The event in JSON with its times moved by `shiftMs`, or the promise of it; cached and cleared as `encoded`. */
  json?: { readonly shiftMs: number; readonly bytes: Buffer | Promise<Buffer> } | undefined;
}

/** The same event for a watcher that may not see what was there before. */
export function withoutPrevious(event: WatchEvent): WatchEvent {
  const { op, cause, key, value, source, contentType, version, expireAtMs, timestampMs, isInitial } = event;
  const shown = { op, cause, key, value, source, contentType, version, expireAtMs, timestampMs, isInitial };
  return { ...shown, previous: undefined, isPreviousUnknown: true };
}

export interface WatchMessage {
  /** In the order of the log; empty in the first message and in progress marks. */
  readonly events: readonly WatchEvent[];
  /** All records up to this one were told, or are of no interest to the watcher. */
  readonly position: Position;
  /** A gateway tells the places of all groups, of which `position` is the one that moved last. */
  readonly places?: readonly GroupPlace[] | undefined;
  /** True if a watcher that starts after `position`, or at `places`, misses nothing; false within a record and before the initial events are complete. */
  readonly canResume: boolean;
  /** The last record goes on in the next message. */
  readonly isFragment: boolean;
  /** The initial events are complete: what was told is the state at `position`. */
  readonly isInitialDone: boolean;
  /** What is to be added to times by the log clock to have wall time, milliseconds. */
  readonly wallShiftMs: number;
}

/** The events of a message. What `at` returns is good until it is asked for another: one object may stand for all. */
export interface EventRun {
  readonly length: number;
  at(index: number): WatchEvent | undefined;
}

/** A message whose events are read before its sender goes on. */
export type ToldMessage = Omit<WatchMessage, 'events'> & { readonly events: EventRun };

/** Takes messages past the iteration of a watch, which costs more than a small message. */
export interface WatchOutlet {
  /** False: messages must still go through the iteration. Once true, it stays so. */
  readonly isOpen: boolean;
  /**
   * Sends a message in this turn. Returns false where no other may be sent before
   * `onReady` is called, which is later, once, and never if the peer has gone.
   */
  send(message: ToldMessage, onReady: () => void): boolean;
}

/** How many there are, and what became of them since the process started. */
export interface WatchStatus {
  readonly watchers: number;
  /** Bytes of events that wait. */
  readonly bytes: number;
  readonly events: number;
  readonly messages: number;
  /** Watchers that were ended because they were too slow. */
  readonly slow: number;
}
