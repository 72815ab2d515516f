/** One way of one connection through a proxy, with what is wrong with it. */
import type { Socket } from 'node:net';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';

/** `up`: from who connected to the target; `down`: back. */
export type Way = 'up' | 'down';

/** What is wrong now. */
export interface Faults {
  /** Connections are reset as they come. */
  isCut: boolean;
  /** Bytes of this way, and the end of a connection, arrive nowhere. */
  readonly swallows: Set<Way>;
  /** Nothing is read of this way: the sender's buffers fill up. */
  readonly stalls: Set<Way>;
  delayMs: number;
  jitterMs: number;
}

/** What the faults really did: a fault that met no traffic proves nothing. */
export interface ProxyCounts {
  connections: number;
  /** Connections ended by the proxy, or refused. */
  broken: number;
  carriedBytes: number;
  swallowedBytes: number;
  delayedBytes: number;
  /** Bytes that had waited when a stall was over. */
  stalledBytes: number;
}

/** Bytes held back for a delay, per connection and way, before reading stops. */
const HELD_BYTES_MAX = 1 << 20;

export interface PipeParts {
  readonly faults: Faults;
  readonly counts: ProxyCounts;
  readonly random: SeededRandom;
  readonly noteHole: () => void;
}

export class Pipe {
  onEmpty: (() => void) | undefined;
  readonly #way: Way;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #parts: PipeParts;
  /** Delayed chunks, oldest first; an empty one is the end. */
  readonly #held: { readonly bytes: Buffer; readonly atMs: number }[] = [];
  #heldBytes = 0;
  #wasStalled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(way: Way, from: Socket, to: Socket, parts: PipeParts) {
    this.#way = way;
    this.#from = from;
    this.#to = to;
    this.#parts = parts;
    from.on('data', (bytes: Buffer) => this.#take(bytes));
    from.on('end', () => this.#take(Buffer.alloc(0)));
    to.on('drain', () => this.flow());
    this.flow();
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** Reads on where nothing forbids it. */
  flow(): void {
    const isStalled = this.#parts.faults.stalls.has(this.#way);
    if (isStalled) this.#wasStalled = true;
    const isFull = this.#heldBytes >= HELD_BYTES_MAX || this.#to.writableNeedDrain;
    if (isStalled || isFull) this.#from.pause();
    else this.#from.resume();
    if (!isStalled) this.#release();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#held.length = 0;
  }

  #take(bytes: Buffer): void {
    const { faults, counts, random, noteHole } = this.#parts;
    if (this.#wasStalled) counts.stalledBytes += bytes.length;
    this.#wasStalled = faults.stalls.has(this.#way);
    if (faults.swallows.has(this.#way)) {
      counts.swallowedBytes += bytes.length;
      noteHole();
      return;
    }
    const { delayMs, jitterMs } = faults;
    if (delayMs === 0 && this.#held.length === 0) {
      this.#give(bytes);
      return;
    }
    const lastMs = this.#held.at(-1)?.atMs ?? 0;
    const dueMs = performance.now() + delayMs + (jitterMs === 0 ? 0 : random.below(jitterMs));
    this.#held.push({ bytes, atMs: Math.max(lastMs, dueMs) });
    this.#heldBytes += bytes.length;
    counts.delayedBytes += bytes.length;
    this.flow();
  }

  #give(bytes: Buffer): void {
    if (bytes.length === 0) {
      this.#to.end();
      return;
    }
    this.#parts.counts.carriedBytes += bytes.length;
    if (!this.#to.write(bytes)) this.flow();
  }

  /** Passes on what is due and sets the timer for the rest. */
  #release(): void {
    clearTimeout(this.#timer);
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      const inMs = first.atMs - performance.now();
      if (inMs > 0) {
        this.#timer = setTimeout(() => this.flow(), inMs);
        return;
      }
      this.#held.shift();
      this.#heldBytes -= first.bytes.length;
      this.#give(first.bytes);
    }
    this.onEmpty?.();
  }
}
