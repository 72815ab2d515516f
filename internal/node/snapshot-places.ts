/**
 * The few places for readers of snapshots. A reader that is known here (a replica
 * that registered) comes before strangers: if all places are taken, the stranger
 * that has read longest loses its place. A node id has one place, so that a replica
 * whose connection broke is not refused because of its last attempt. Throws
 * `resource_exhausted` if there is no place.
 *
 * The resources of a place are released when it ends: when the call's signal aborts,
 * when another reader takes the place, or when the reader asks for nothing more for
 * `READER_IDLE_MS`.
 */
import { unavailable, WalnutError } from '#model/errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';

export const READERS_MAX = 8;
/** Longer than the time after which the server cuts off a peer that reads nothing. */
export const READER_IDLE_MS = 120_000;

export interface SnapshotReader {
  /** Empty if it did not say. */
  readonly nodeId: string;
  readonly isKnown: boolean;
}

export class SnapshotPlaces {
  readonly #clock: Clock;
  /** In the order in which they were taken. */
  readonly #places = new Set<SnapshotPlace>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get taken(): number {
    return this.#places.size;
  }

  /** `signal`: that of the call. */
  take(reader: SnapshotReader, signal: AbortSignal): SnapshotPlace {
    this.#makeRoom(reader);
    const place = new SnapshotPlace(reader, this.#clock, signal);
    this.#places.add(place);
    place.onEnd(() => this.#places.delete(place));
    return place;
  }

  #makeRoom({ nodeId, isKnown }: SnapshotReader): void {
    const places = [...this.#places];
    const own = nodeId === '' ? undefined : places.find(({ reader }) => reader.nodeId === nodeId);
    own?.end(unavailable('this node asked for the snapshot once more'));
    if (own !== undefined || places.length < READERS_MAX) return;
    const stranger = isKnown ? places.find(({ reader }) => !reader.isKnown) : undefined;
    if (stranger === undefined) {
      throw new WalnutError(
        'resource_exhausted',
        `${READERS_MAX} snapshots are being read already: try again later`,
      );
    }
    stranger.end(unavailable('a registered replica needs the place from which this snapshot was read'));
  }
}

/** The place of one reader, until it ends. */
export class SnapshotPlace {
  readonly reader: SnapshotReader;
  readonly #clock: Clock;
  readonly #callSignal: AbortSignal;
  readonly #ended = new AbortController();
  readonly #onAbort: () => void;
  readonly #onEnd: (() => void)[] = [];
  #idle: Timer | undefined;

  constructor(reader: SnapshotReader, clock: Clock, callSignal: AbortSignal) {
    this.reader = reader;
    this.#clock = clock;
    this.#callSignal = callSignal;
    this.#onAbort = () => this.end(new WalnutError('cancelled', 'the reader of the snapshot has gone'));
    callSignal.addEventListener('abort', this.#onAbort, { once: true });
    if (callSignal.aborted) this.#onAbort();
  }

  /** Aborts when the place is given up. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Throws the reason if the place was given up. */
  check(): void {
    this.signal.throwIfAborted();
  }

  /** Calls back when the place is given up, and at once if it was already. */
  onEnd(callback: () => void): void {
    if (this.signal.aborted) callback();
    else this.#onEnd.push(callback);
  }

  /** A chunk is ready for the reader: its idle time runs until `resume`. */
  await(): void {
    if (this.signal.aborted) return;
    const late = unavailable(`the reader of the snapshot took nothing for ${READER_IDLE_MS} ms`);
    this.#idle = this.#clock.after(READER_IDLE_MS, () => this.end(late));
  }

  resume(): void {
    this.#idle?.cancel();
  }

  /** Gives the place up; only the first time counts. */
  end(why: WalnutError): void {
    if (this.signal.aborted) return;
    this.#idle?.cancel();
    this.#callSignal.removeEventListener('abort', this.#onAbort);
    this.#ended.abort(why);
    for (const callback of this.#onEnd.splice(0)) callback();
  }
}
