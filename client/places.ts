/** So many calls at once and no more; further ones begin in their order, as others end. */
import { Code } from '@connectrpc/connect';
import { Fifo } from '#platform/fifo.ts';
import type { QueueLimits } from './batch-queue.ts';
import { refusedHere } from './failures.ts';

interface Waiting {
  readonly bytes: number;
  readonly begin: () => void;
}

export class Places {
  readonly #limits: Pick<QueueLimits, 'queuedOperationsMax' | 'queuedBytesMax'>;
  readonly #queue = new Fifo<Waiting>();
  #free: number;
  /** Bytes of the calls that wait. */
  #bytes = 0;

  constructor(places: number, limits: Pick<QueueLimits, 'queuedOperationsMax' | 'queuedBytesMax'>) {
    this.#free = places;
    this.#limits = limits;
  }

  /** Rejects with RESOURCE_EXHAUSTED, and does nothing, if too much waits. `bytes`: what the call keeps in memory. */
  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#turn(bytes);
    try {
      return await work();
    } finally {
      const next = this.#queue.at(0);
      if (next === undefined) this.#free++;
      else {
        this.#queue.drop(1);
        this.#bytes -= next.bytes;
        next.begin();
      }
    }
  }

  #turn(bytes: number): Promise<void> {
    const { queuedOperationsMax, queuedBytesMax } = this.#limits;
    const { length } = this.#queue;
    if (length > 0 && (length >= queuedOperationsMax || this.#bytes + bytes > queuedBytesMax))
      throw refusedHere(
        `${length} calls of ${this.#bytes} bytes wait for others that wait at a node: expected at most ` +
          `${queuedOperationsMax} (queuedOperationsMax) of ${queuedBytesMax} (queuedBytesMax)`,
        Code.ResourceExhausted,
      );
    this.#bytes += bytes;
    return new Promise((begin) => this.#queue.push({ bytes, begin }));
  }
}
