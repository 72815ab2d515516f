/**
 * A bounded queue of operations that wait to be sent, in the order of their calls.
 * It also decides how many go into the next Batch.
 */
import { Code } from '@connectrpc/connect';
import type { BatchOperation, BatchResult } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position } from '#gen/walnut/v1/types_pb.ts';
import { type CallError, refusedHere } from './failures.ts';

/** One call that is not settled yet, and that goes with others. */
export interface PendingOperation {
  readonly kind: 'operation';
  readonly operation: BatchOperation['operation'];
  /** An upper estimate of the operation's bytes in the request. */
  readonly bytes: number;
  /** `included`: the position that a Get asked for. */
  readonly settle: (
    value: NonNullable<BatchResult['result']['value']>,
    included: Position | undefined,
  ) => void;
  readonly fail: (error: CallError) => void;
  /** Its caller may give up, and has. */
  readonly isAbortable: boolean;
  isGivenUp: boolean;
  /** Called when its caller gives up. */
  onGivenUp: (() => void) | undefined;
  isSent: boolean;
}

/** What is sent by itself, in its turn. */
export interface PendingAlone {
  readonly kind: 'alone';
  readonly bytes: number;
  /** What comes after it waits for the promise. Never rejects. */
  readonly begin: () => Promise<void>;
}

export type Pending = PendingOperation | PendingAlone;

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

  get isNextAlone(): boolean {
    return this.#waiting[this.#head]?.kind === 'alone';
  }

  /** Adds an operation. Throws RESOURCE_EXHAUSTED if too much is waiting. */
  push(pending: Pending): void {
    const { queuedOperationsMax, queuedBytesMax } = this.#limits;
    // An empty queue accepts an operation of any size, and every queue what sends nothing.
    if (
      this.length > 0 &&
      pending.bytes > 0 &&
      (this.length >= queuedOperationsMax || this.#bytes + pending.bytes > queuedBytesMax)
    ) {
      throw refusedHere(
        `${this.length} operations of ${this.#bytes} bytes wait to be sent: expected at most ` +
          `${queuedOperationsMax} (queuedOperationsMax) of ${queuedBytesMax} (queuedBytesMax)`,
        Code.ResourceExhausted,
      );
    }
    this.#waiting.push(pending);
    this.#bytes += pending.bytes;
  }

  /** Removes and returns the first waiting operations, as many as fit into one Batch; or one that goes alone. */
  take(): PendingOperation[] | PendingAlone {
    const first = this.#waiting[this.#head];
    if (first?.kind === 'alone') {
      this.#drop(1, first.bytes);
      return first;
    }
    const { batchOperationsMax, batchBytesMax } = this.#limits;
    const taken: PendingOperation[] = [];
    let bytes = 0;
    for (let at = this.#head; taken.length < batchOperationsMax; at++) {
      const next = this.#waiting[at];
      if (next?.kind !== 'operation' || (taken.length > 0 && bytes + next.bytes > batchBytesMax)) break;
      bytes += next.bytes;
      taken.push(next);
    }
    this.#drop(taken.length, bytes);
    return taken;
  }

  #drop(count: number, bytes: number): void {
    this.#bytes -= bytes;
    this.#head += count;
    if (this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }
}
