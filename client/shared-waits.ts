/**
 * Writes that wait for other nodes go together where they wait for the same: those that
 * begin in one turn of the event loop, and those that begin while all places are taken. A
 * Batch has one answer: what needs no wait, such as a write that is refused or whose
 * condition is not met, has its answer together with the others.
 */
import type { PendingOperation, QueueLimits } from './batch-queue.ts';
import { endOfTurn } from './lane.ts';
import type { Receipt } from './operations.ts';
import { type Load, loadOf, type Places } from './places.ts';

export interface SharedWaitsOptions {
  readonly places: Places;
  readonly limits: QueueLimits;
  /** Settles every operation. Never rejects. */
  readonly send: (batch: readonly PendingOperation[]) => Promise<void>;
}

/** A Batch that can still take operations. */
interface Gathering {
  readonly batch: PendingOperation[];
  readonly load: Load;
  readonly sent: Promise<void>;
}

export class SharedWaits {
  readonly #options: SharedWaitsOptions;
  /** By what their writes wait for. */
  readonly #open = new Map<string, Gathering>();

  constructor(options: SharedWaitsOptions) {
    this.#options = options;
  }

  /** Resolves when the operation is settled. Rejects with RESOURCE_EXHAUSTED if too much waits. */
  async send(pending: PendingOperation, { durability, minAcks, timeoutMs }: Receipt): Promise<void> {
    const what = `${durability} ${minAcks} ${timeoutMs}`;
    const { places, limits } = this.#options;
    const open = this.#open.get(what);
    const isFitting =
      open !== undefined &&
      open.load.calls < limits.batchOperationsMax &&
      open.load.bytes + pending.bytes <= limits.batchBytesMax;
    if (!isFitting) return this.#begin(what, pending);
    places.join(open.load, pending.bytes);
    open.batch.push(pending);
    return open.sent;
  }

  #begin(what: string, pending: PendingOperation): Promise<void> {
    const { places, send } = this.#options;
    const batch = [pending];
    const load = loadOf(pending.bytes);
    const close = (): void => {
      if (this.#open.get(what)?.batch === batch) this.#open.delete(what);
    };
    const sent = places
      .run(load, async () => {
        await endOfTurn();
        close();
        await send(batch);
      })
      .finally(close);
    this.#open.set(what, { batch, load, sent });
    return sent;
  }
}
