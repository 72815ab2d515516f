/**
 * One change as all watchers share it: made once, with its own copy of key and value,
 * and in the forms that watchers ask for. It knows in how many queues it is. It is its
 * own event, whose key and value become text and views only where somebody asks for them.
 */
import { contentTypeOf } from '#engine/records/data-record.ts';
import type { EncodedMutation } from '#model/encoded.ts';
import { type Entry, isExpired } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import type { EventSource, WatchEvent } from '#model/watch.ts';
import type { Frame } from '#wal/frame.ts';
import type { Chunk, EventBytes, KeptSource } from '#watch/event-bytes.ts';

/** What a change takes beside its key and its values. */
export const CHANGE_BYTES = 200;
const NO_BYTES = new Uint8Array(0);

/** Which form of an event a watcher gets. */
export interface ChangeForm {
  readonly keysOnly: boolean;
  readonly withPrevious: boolean;
}

/** Key and value: where they lie, or as they are. */
type Content =
  | { readonly source: KeptSource }
  | { readonly source?: undefined; readonly key: string; readonly value: Uint8Array };

export type ChangeFields = Omit<WatchEvent, 'key' | 'value' | 'source' | 'encoded' | 'json'> & Content;

export class Change implements WatchEvent {
  readonly op: WatchEvent['op'];
  readonly cause: WatchEvent['cause'];
  readonly source: KeptSource | undefined;
  readonly contentType: string | undefined;
  readonly version: Position;
  readonly expireAtMs: number;
  readonly timestampMs: number;
  readonly previous: Entry | undefined;
  readonly isPreviousUnknown: boolean;
  readonly isInitial: boolean;
  encoded: WatchEvent['encoded'];
  json: WatchEvent['json'];
  /** Bytes of memory, about; of its chunk, those of its own key and value. */
  readonly bytes: number;
  /** Queues that it is in. */
  holders = 0;
  /** Some watchers have taken it, and others have not: it may have copies that only the first need. */
  isPartlyTaken = false;
  #key: string | undefined;
  #value: Uint8Array | undefined;
  /** The other forms, by what they leave out. */
  #forms: (Change | undefined)[] | undefined;

  constructor(fields: ChangeFields) {
    this.op = fields.op;
    this.cause = fields.cause;
    this.contentType = fields.contentType;
    this.version = fields.version;
    this.expireAtMs = fields.expireAtMs;
    this.timestampMs = fields.timestampMs;
    this.previous = fields.previous;
    this.isPreviousUnknown = fields.isPreviousUnknown;
    this.isInitial = fields.isInitial;
    this.encoded = undefined;
    this.json = undefined;
    const { source } = fields;
    this.source = source;
    this.#key = source === undefined ? fields.key : undefined;
    this.#value = source === undefined ? fields.value : undefined;
    this.#forms = undefined;
    const keyBytes = 2 * (source === undefined ? fields.key.length : source.keyBytes);
    const valueBytes = source === undefined ? fields.value.length : source.valueBytes;
    this.bytes = CHANGE_BYTES + keyBytes + valueBytes + extraBytes(this);
  }

  /** The buffer that it shares with others. */
  get chunk(): Chunk | undefined {
    return this.source?.chunk;
  }

  /** Bytes of memory, about, beside its chunk. */
  get ownBytes(): number {
    const { source } = this;
    return source?.chunk === undefined ? this.bytes : this.bytes - source.keyBytes - source.valueBytes;
  }

  get key(): string {
    this.#key ??= textOf(this.source as EventSource);
    return this.#key;
  }

  get value(): Uint8Array {
    this.#value ??= valueIn(this.source as EventSource);
    return this.#value;
  }

  /** The event; the same object for all who ask for the same form. */
  as({ keysOnly, withPrevious }: ChangeForm): Change {
    const hasPrevious = this.previous !== undefined || this.isPreviousUnknown;
    const dropsPrevious = hasPrevious && !withPrevious;
    if (!keysOnly && !dropsPrevious) return this;
    const index = (keysOnly ? 1 : 0) + (dropsPrevious ? 2 : 0);
    this.#forms ??= [undefined, undefined, undefined, undefined];
    const form = this.#forms[index] ?? this.#form(keysOnly, dropsPrevious);
    this.#forms[index] = form;
    return form;
  }

  /** Drops its encoded bytes and its other forms, which are not counted. They are made again for a watcher that needs them. */
  dropCopies(): void {
    this.encoded = undefined;
    this.json = undefined;
    this.#forms = undefined;
  }

  #form(keysOnly: boolean, dropsPrevious: boolean): Change {
    const { op, cause, contentType, version, expireAtMs, timestampMs, isInitial } = this;
    const previous = dropsPrevious ? undefined : this.previous;
    return new Change({
      ...{ op, cause, contentType, version, expireAtMs, timestampMs, isInitial },
      ...this.#content(keysOnly),
      previous: previous && keysOnly ? { ...previous, value: NO_BYTES } : previous,
      isPreviousUnknown: this.isPreviousUnknown && !dropsPrevious,
    });
  }

  #content(keysOnly: boolean): Content {
    const { source } = this;
    if (source === undefined) return { key: this.key, value: keysOnly ? NO_BYTES : this.value };
    return { source: keysOnly ? { ...source, valueBytes: 0 } : source };
  }
}

function extraBytes({ previous, contentType }: WatchEvent): number {
  const previousBytes = previous === undefined ? 0 : previous.value.length;
  return previousBytes + (contentType?.length ?? 0) + (previous?.contentType?.length ?? 0);
}

export function textOf({ bytes, keyOffset, keyBytes }: EventSource): string {
  return bytes.toString('utf8', keyOffset, keyOffset + keyBytes);
}

export function valueIn({ bytes, valueOffset, valueBytes }: EventSource): Uint8Array {
  return valueBytes === 0 ? NO_BYTES : bytes.subarray(valueOffset, valueOffset + valueBytes);
}

/**
 * The change that a mutation makes, with all that watchers may ask for. `version`: the
 * position of the frame, one object for all of its changes; `stored`: the entry before;
 * `isPreviousUnknown`: it is asked for, and nobody knows it any more.
 */
export function changeOf(
  mutation: EncodedMutation,
  { timestampMs }: Pick<Frame, 'timestampMs'>,
  version: Position,
  kept: EventBytes,
  stored: Entry | undefined,
  isPreviousUnknown = false,
): Change {
  const { op, cause, expireAtMs } = mutation;
  // A reader missed the key at that time; what an expiry deletes is told.
  const wasMissing = op === 'set' && stored !== undefined && isExpired(stored.expireAtMs, timestampMs);
  return new Change({
    op,
    cause,
    source: kept.keep(mutation),
    contentType: contentTypeOf(mutation),
    version,
    expireAtMs,
    timestampMs,
    previous: wasMissing ? undefined : stored,
    isPreviousUnknown,
    isInitial: false,
  });
}
