/** So many calls at once and no more; further ones begin in their order, as others end. */
import { Code } from '@connectrpc/connect';
import { Fifo } from '#platform/fifo.ts';
import type { QueueLimits } from './batch-queue.ts';
import { refusedHere } from './failures.ts';

/** What takes one place: calls, and the bytes that they keep in memory. */
export interface Load {
  calls: number;
  bytes: number;
  isWaiting: boolean;
}

interface Waiting {
  readonly load: Load;
  readonly begin: () => void;
}

export class Places {
  readonly #limits: Pick<QueueLimits, 'queuedOperationsMax' | 'queuedBytesMax'>;
  readonly #queue = new Fifo<Waiting>();
  #free: number;
  /** All loads that wait have so many calls and bytes. */
  #calls = 0;
  #bytes = 0;

  constructor(places: number, limits: Pick<QueueLimits, 'queuedOperationsMax' | 'queuedBytesMax'>) {
    this.#free = places;
    this.#limits = limits;
  }

  /** Rejects with RESOURCE_EXHAUSTED, and does nothing, if too much waits. */
  async run<T>(load: Load, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#turn(load);
    try {
      return await work();
    } finally {
      const next = this.#queue.at(0);
      if (next === undefined) this.#free++;
      else {
        this.#queue.drop(1);
        this.#calls -= next.load.calls;
        this.#bytes -= next.load.bytes;
        next.load.isWaiting = false;
        next.begin();
      }
    }
  }

  /** One call more takes the place of `load`. Throws RESOURCE_EXHAUSTED, and does nothing, if too much waits. */
  join(load: Load, bytes: number): void {
    if (load.isWaiting) this.#add(1, bytes);
    load.calls++;
    load.bytes += bytes;
  }

  #turn(load: Load): Promise<void> {
    this.#add(load.calls, load.bytes);
    load.isWaiting = true;
    return new Promise((begin) => this.#queue.push({ load, begin }));
  }

  #add(calls: number, bytes: number): void {
    const { queuedOperationsMax, queuedBytesMax } = this.#limits;
    const isTooMuch = this.#calls >= queuedOperationsMax || this.#bytes + bytes > queuedBytesMax;
    if (this.#calls > 0 && isTooMuch)
      throw refusedHere(
        `${this.#calls} calls of ${this.#bytes} bytes wait for others that wait at a node: expected at most ` +
          `${queuedOperationsMax} (queuedOperationsMax) of ${queuedBytesMax} (queuedBytesMax)`,
        Code.ResourceExhausted,
      );
    this.#calls += calls;
    this.#bytes += bytes;
  }
}

/** What one call takes. */
export function loadOf(bytes: number): Load {
  return { calls: 1, bytes, isWaiting: false };
}
