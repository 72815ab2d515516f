/** The streams of a connection, and what each frame means in each state: the one table that says so. */
import { FrameType } from './frame.ts';
import { RESETS_REMEMBERED } from './limits.ts';
import { type Stream, StreamState } from './stream.ts';

export const Verdict = {
  accept: 0,
  /** Legal and of no use: counted, its octets given back, its block decoded for the table. */
  ignore: 1,
  /** RST_STREAM with STREAM_CLOSED. */
  streamClosed: 2,
  /** The connection ends with STREAM_CLOSED. */
  connectionClosed: 3,
  /** The connection ends with PROTOCOL_ERROR. */
  protocolError: 4,
} as const;

const { accept, ignore, streamClosed, connectionClosed, protocolError } = Verdict;

/** Frame types of streams × idle, open, half closed (remote), half closed (local), reset here, closed. */
const ROWS: Readonly<Record<number, readonly number[]>> = {
  [FrameType.data]: [protocolError, accept, streamClosed, accept, ignore, streamClosed],
  // An idle stream is opened by HEADERS where its number is the peer's to give: see `Inbound`.
  [FrameType.headers]: [protocolError, accept, streamClosed, accept, ignore, connectionClosed],
  [FrameType.rstStream]: [protocolError, accept, accept, accept, ignore, ignore],
  [FrameType.windowUpdate]: [protocolError, accept, accept, ignore, ignore, ignore],
};

export function judgeFrame(type: number, state: number): number {
  return (ROWS[type] as readonly number[])[state] as number;
}

/** So many of the newest numbers of the peer are remembered: which were used, and which were passed over. */
const NUMBERS_REMEMBERED = 16;

/** Shared by all tables without a stream, and never written to. */
const NO_STREAMS = new Map<number, Stream>();

export class StreamTable {
  #live = NO_STREAMS;
  /** In order of their reset. */
  #resetHere: Set<number> | undefined;
  /** A bit for each number of the peer, from the last one down: set where it was used. */
  #used = 0;
  /** The streams that this side opens are odd (a client's) or even. */
  readonly #ownParity: number;
  /** The highest number the peer has opened, and we have. */
  lastPeerId = 0;
  lastOwnId: number;
  /** Streams of the peer whose work has not ended. */
  held = 0;

  constructor(isClient: boolean) {
    this.#ownParity = isClient ? 1 : 0;
    this.lastOwnId = isClient ? -1 : 0;
  }

  get size(): number {
    return this.#live.size;
  }

  get(id: number): Stream | undefined {
    return this.#live.get(id);
  }

  live(): IterableIterator<Stream> {
    return this.#live.values();
  }

  add(stream: Stream): void {
    if (this.#live === NO_STREAMS) this.#live = new Map();
    this.#live.set(stream.id, stream);
  }

  remove(stream: Stream): void {
    this.#live.delete(stream.id);
  }

  /** Keeps no memory for streams that are gone, where none lives. */
  rest(): void {
    if (this.#live.size === 0) this.#live = NO_STREAMS;
  }

  isOwn(id: number): boolean {
    return (id & 1) === this.#ownParity;
  }

  notePeerId(id: number): void {
    const steps = Math.min(NUMBERS_REMEMBERED, (id - this.lastPeerId + 1) >>> 1);
    this.#used = ((this.#used << steps) | 1) & ((1 << NUMBERS_REMEMBERED) - 1);
    this.lastPeerId = id;
  }

  /** Frames of it that come late are ignored. */
  noteReset(id: number): void {
    this.#resetHere ??= new Set();
    this.#resetHere.add(id);
    if (this.#resetHere.size <= RESETS_REMEMBERED) return;
    for (const oldest of this.#resetHere) {
      this.#resetHere.delete(oldest);
      return;
    }
  }

  /** The state of a stream that is not live. */
  stateOf(id: number): number {
    if (id > (this.isOwn(id) ? this.lastOwnId : this.lastPeerId)) return StreamState.idle;
    return this.#resetHere?.has(id) === true ? StreamState.resetHere : StreamState.closed;
  }

  /** True if the peer passed over `id`, as far as is remembered: then it never was a stream. */
  wasSkipped(id: number): boolean {
    const steps = (this.lastPeerId - id) >>> 1;
    return !this.isOwn(id) && steps < NUMBERS_REMEMBERED && ((this.#used >>> steps) & 1) === 0;
  }

  /** What is remembered of streams that are gone. */
  get remembered(): number {
    return this.#resetHere?.size ?? 0;
  }
}
