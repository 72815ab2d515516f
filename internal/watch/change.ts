/**
 * One change as all watchers share it: made once, with its own copy of key and value,
 * and in the forms that watchers ask for. It knows in how many queues it is.
 */
import { type Entry, isExpired, type Mutation, stated } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import type { WatchEvent } from '#model/watch.ts';
import type { Frame } from '#wal/frame.ts';

/** What an event takes beside its key and its values. */
const EVENT_OVERHEAD_BYTES = 200;
const NO_BYTES = new Uint8Array(0);

/** Which form of an event a watcher gets. */
export interface ChangeForm {
  readonly keysOnly: boolean;
  readonly withPrevious: boolean;
}

export class Change {
  /** Bytes of memory, about. */
  readonly bytes: number;
  /** Queues that it is in. */
  holders = 0;
  /** With value and, where it is known, `previous`. */
  readonly #full: WatchEvent;
  #plain: WatchEvent | undefined;
  #keyOnly: WatchEvent | undefined;
  #keyWithPrevious: WatchEvent | undefined;

  constructor(full: WatchEvent) {
    this.#full = full;
    const previousBytes = full.previous?.value.length ?? 0;
    const typeBytes = (full.contentType?.length ?? 0) + (full.previous?.contentType?.length ?? 0);
    this.bytes = EVENT_OVERHEAD_BYTES + 2 * full.key.length + full.value.length + previousBytes + typeBytes;
  }

  get key(): string {
    return this.#full.key;
  }

  get op(): WatchEvent['op'] {
    return this.#full.op;
  }

  get version(): WatchEvent['version'] {
    return this.#full.version;
  }

  get isInitial(): boolean {
    return this.#full.isInitial;
  }

  /** The event; the same object for all who ask for the same form. */
  as({ keysOnly, withPrevious }: ChangeForm): WatchEvent {
    const full = this.#full;
    if (withPrevious && !keysOnly) return full;
    if (withPrevious) {
      const previous = full.previous && withoutValue(full.previous);
      this.#keyWithPrevious ??= changed(full, { value: NO_BYTES, previous });
      return this.#keyWithPrevious;
    }
    const plain = { previous: undefined, isPreviousUnknown: false };
    if (keysOnly) {
      this.#keyOnly ??= changed(full, { ...plain, value: NO_BYTES });
      return this.#keyOnly;
    }
    if (full.previous === undefined && !full.isPreviousUnknown) return full;
    this.#plain ??= changed(full, plain);
    return this.#plain;
  }
}

/** Another event, which is not encoded as the first is. */
function changed(event: WatchEvent, changes: Partial<WatchEvent>): WatchEvent {
  return { ...event, ...changes, encoded: undefined, json: undefined };
}

function withoutValue(entry: Entry): Entry {
  return { ...entry, value: NO_BYTES };
}

/**
 * The change with all that watchers may ask for. `version`: the position of the frame, one
 * object for all of its changes; `stored`: the entry before. Copies the value out of the frame.
 */
export function eventOf(
  mutation: Mutation,
  { timestampMs }: Frame,
  version: Position,
  stored: Entry | undefined,
): WatchEvent {
  const { op, cause, key } = mutation;
  const { value, expireAtMs, contentType } = stated(mutation);
  // A reader missed the key at that time; what an expiry deletes is told.
  const wasMissing = op === 'set' && stored !== undefined && isExpired(stored.expireAtMs, timestampMs);
  return {
    op,
    cause,
    key,
    value: value.length > 0 ? copyOf(value) : NO_BYTES,
    contentType,
    version,
    expireAtMs,
    timestampMs,
    previous: wasMissing ? undefined : stored,
    isPreviousUnknown: false,
    isInitial: false,
    encoded: undefined,
    json: undefined,
  };
}

/** `Buffer.from` asks more about what it copies. */
function copyOf(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  return copy;
}
