/**
 * Sends operations in Batches: those of one turn of the event loop, and those that were
 * called while a Batch was under way, go together in the next. With one Batch at a time
 * operations take effect in the order of their calls.
 */
import { afterPromises } from '#platform/after-promises.ts';
import { BatchQueue, type Pending, type PendingOperation, type QueueLimits } from './batch-queue.ts';

export interface LaneOptions {
  readonly limits: QueueLimits;
  /** Batches under way at once. */
  readonly batchesMax: number;
  /** Settles every operation. Never rejects. */
  readonly send: (batch: readonly PendingOperation[]) => Promise<void>;
}

export class Lane {
  readonly #queue: BatchQueue;
  readonly #batchesMax: number;
  readonly #send: LaneOptions['send'];
  readonly #underWay = new Set<Promise<void>>();
  #running: Promise<void> | undefined;

  constructor({ limits, batchesMax, send }: LaneOptions) {
    this.#queue = new BatchQueue(limits);
    this.#batchesMax = batchesMax;
    this.#send = send;
  }

  /** Throws RESOURCE_EXHAUSTED if too much waits. */
  push(pending: Pending): void {
    this.#queue.push(pending);
    this.#running ??= this.#run();
  }

  /** Resolves when everything that was pushed before is settled. */
  settled(): Promise<void> {
    if (this.#running === undefined && this.#underWay.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.push({ kind: 'alone', bytes: 0, begin: async () => resolve() });
    });
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    await endOfTurn();
    while (this.#queue.length > 0) {
      const next = this.#queue.take();
      if (Array.isArray(next)) await this.#begin(next);
      else {
        await Promise.all(this.#underWay);
        await next.begin();
      }
      // Callers that just got an answer can still add a call to the next Batch.
      if (!this.#queue.isNextAlone) await endOfTurn();
    }
    this.#running = undefined;
  }

  /** Resolves when there is room for another Batch. */
  async #begin(batch: readonly PendingOperation[]): Promise<void> {
    const sent = this.#send(batch).then(() => {
      this.#underWay.delete(sent);
    });
    this.#underWay.add(sent);
    if (this.#underWay.size >= this.#batchesMax) await Promise.race(this.#underWay);
  }
}

/** Resolves after all callbacks of pending promises have run. */
export async function endOfTurn(): Promise<void> {
  await undefined;
  await new Promise<void>((resolve) => afterPromises(resolve));
}
