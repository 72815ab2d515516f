/**
 * A bounded queue of operations that wait to be sent, in the order of their calls.
 * It also decides how many go into the next Batch.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import type { BatchOperation, BatchResult } from '#gen/walnut/v1/kv_store_pb.ts';

/** One call that is not settled yet. */
export interface Pending {
  readonly operation: BatchOperation['operation'];
  /** An upper estimate of the operation's bytes in the request. */
  readonly bytes: number;
  readonly settle: (result: BatchResult['result']) => void;
  readonly fail: (error: ConnectError) => void;
}

export interface QueueLimits {
  /** Operations in one Batch; nodes take at most 1,000. */
  readonly batchOperationsMax: number;
  /** Bytes of one Batch; a longer operation is sent in a Batch of its own. */
  readonly batchBytesMax: number;
  /** How many operations, and how many bytes of them, may wait to be sent. */
  readonly queuedOperationsMax: number;
  readonly queuedBytesMax: number;
}

export class BatchQueue {
  readonly #limits: QueueLimits;
  #waiting: Pending[] = [];
  /** The index of the first operation that still waits. */
  #head = 0;
  #bytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#waiting.length - this.#head;
  }

  /** Adds an operation. Throws RESOURCE_EXHAUSTED if too much is waiting. */
  push(pending: Pending): void {
    const { queuedOperationsMax, queuedBytesMax } = this.#limits;
    // An empty queue accepts an operation of any size.
    if (
      this.length > 0 &&
      (this.length >= queuedOperationsMax || this.#bytes + pending.bytes > queuedBytesMax)
    ) {
      throw new ConnectError(
        `${this.length} operations of ${this.#bytes} bytes wait to be sent: expected at most ` +
          `${queuedOperationsMax} (queuedOperationsMax) of ${queuedBytesMax} (queuedBytesMax)`,
        Code.ResourceExhausted,
      );
    }
    this.#waiting.push(pending);
    this.#bytes += pending.bytes;
  }

  /** Removes and returns the first waiting operations, as many as fit into one Batch. */
  take(): Pending[] {
    const { batchOperationsMax, batchBytesMax } = this.#limits;
    let bytes = 0;
    let end = this.#head;
    for (; end < this.#waiting.length && end - this.#head < batchOperationsMax; end++) {
      const next = (this.#waiting[end] as Pending).bytes;
      if (end > this.#head && bytes + next > batchBytesMax) break;
      bytes += next;
    }
    const taken = this.#waiting.slice(this.#head, end);
    this.#bytes -= bytes;
    this.#head = end;
    if (this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}
