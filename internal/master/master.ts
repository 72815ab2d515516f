/**
 * Takes writes: evaluates conditions against the newest accepted state, makes room,
 * submits one record to the engine and answers when it is visible. The master alone
 * expires and evicts in a group, and logs both. Each operation has a file in
 * `operations/`.
 */

import type { Accepted } from '#master/accepted.ts';
import { type AdmitRead, runAtomicBatch } from '#master/operations/atomic-batch.ts';
import { runBatch, runNamedBatch } from '#master/operations/batch.ts';
import { acceptDelete } from '#master/operations/delete.ts';
import { runDeletePrefix } from '#master/operations/delete-prefix.ts';
import { runTick } from '#master/operations/expire.ts';
import { runFill } from '#master/operations/fill.ts';
import { acceptIncrement, toIncrementAnswer } from '#master/operations/increment.ts';
import { runMixedBatch } from '#master/operations/mixed-batch.ts';
import { runPlainSets } from '#master/operations/plain-sets.ts';
import { acceptSet } from '#master/operations/set.ts';
import { acceptTouch, toTouchAnswer } from '#master/operations/touch.ts';
import type { WriteCause } from '#master/record-builder.ts';
import { type MasterOptions, WritePath } from '#master/write-path.ts';
import type { BulkPort, MixedAnswer, PlainSets, SetsAnswer } from '#model/bulk.ts';
import type {
  AtomicBatchAnswer,
  AtomicBatchCommand,
  BatchOperation,
  BatchResult,
  DeleteCommand,
  DeletePrefixAnswer,
  DeletePrefixCommand,
  FillWish,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  WriteAnswer,
  WriteOperation,
} from '#model/commands.ts';
import type { Soon } from '#model/later.ts';
import type { FillStatus } from '#model/status.ts';
import type { BatchId, WriteId } from '#model/write-id.ts';

export class Master {
  readonly #path: WritePath;

  constructor(options: MasterOptions) {
    this.#path = new WritePath(options);
  }

  async set(command: SetCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    const path = this.#path;
    const accepted = path.write((builder) => acceptSet(path, command, builder));
    return path.answer(accepted, command, signal);
  }

  async delete(command: DeleteCommand, signal?: AbortSignal): Promise<WriteAnswer> {
    const path = this.#path;
    const accepted = path.write((builder) => acceptDelete(path, command, builder));
    return path.answer(accepted, command, signal);
  }

  async increment(command: IncrementCommand, signal?: AbortSignal): Promise<IncrementAnswer> {
    const path = this.#path;
    const accepted = path.write((builder) => acceptIncrement(path, command, builder));
    return toIncrementAnswer(path, accepted, await path.answer(accepted, command, signal));
  }

  /** Formats of level 1 must be ready. */
  async touch(command: TouchCommand, signal?: AbortSignal): Promise<TouchAnswer> {
    const path = this.#path;
    const accepted = path.write((builder) => acceptTouch(path, command, builder));
    return toTouchAnswer(path, accepted, await path.answer(accepted, command, signal));
  }

  /** These answer as those above, for commands that wait for nothing but being visible. */
  setSoon(command: SetCommand): Soon<WriteAnswer> {
    return this.#path.writeSoon((builder) => acceptSet(this.#path, command, builder), onlyAnswer);
  }

  deleteSoon(command: DeleteCommand): Soon<WriteAnswer> {
    return this.#path.writeSoon((builder) => acceptDelete(this.#path, command, builder), onlyAnswer);
  }

  incrementSoon(command: IncrementCommand): Soon<IncrementAnswer> {
    const path = this.#path;
    return path.writeSoon(
      (builder) => acceptIncrement(path, command, builder),
      (accepted, answer) => toIncrementAnswer(path, accepted, answer),
    );
  }

  touchSoon(command: TouchCommand): Soon<TouchAnswer> {
    const path = this.#path;
    return path.writeSoon(
      (builder) => acceptTouch(path, command, builder),
      (accepted, answer) => toTouchAnswer(path, accepted, answer),
    );
  }

  /** A Get that asks for a fill lease. `checkRole`: see `runFill`. */
  fill(command: GetCommand, wish: FillWish, checkRole: () => void, signal?: AbortSignal): Promise<GetAnswer> {
    return runFill(this.#path, command, wish, checkRole, signal);
  }

  /** True if a repeat of the write is answered without carrying it out. */
  knows(id: WriteId): boolean {
    return this.#path.named.knows(id);
  }

  get fillStatus(): FillStatus {
    return this.#path.accepted.leases.status;
  }

  /** Ends all fill leases for good: the role does. `leaderHint`: who leads instead, if known. */
  endFills(leaderHint?: string): void {
    this.#path.accepted.leases.close(leaderHint);
  }

  /**
   * Runs operations in order; their writes share one record. `read` answers a Get from
   * the visible state; keys in flight are answered from the accepted state. `cause`:
   * the cause that is logged.
   */
  batch(
    operations: readonly BatchOperation[],
    read: (command: GetCommand) => GetAnswer,
    signal?: AbortSignal,
    cause: WriteCause = 'client',
  ): Promise<BatchResult[]> {
    return runBatch(this.#path, operations, read, signal, cause);
  }

  /** A Batch whose writes have one name: it is carried out once. */
  namedBatch(writes: readonly WriteOperation[], id: BatchId, signal?: AbortSignal): Promise<BatchResult[]> {
    return runNamedBatch(this.#path, writes, id, signal);
  }

  /**
   * Runs all operations or none, on the newest accepted state. Rejects as a whole if
   * one of them is refused.
   */
  atomicBatch(
    command: AtomicBatchCommand,
    admit: AdmitRead,
    signal?: AbortSignal,
  ): Promise<AtomicBatchAnswer> {
    return runAtomicBatch(this.#path, command, admit, signal);
  }

  /** Deletes entries with a prefix, as many as one call may. `mayGoOn` is called between its records. */
  deletePrefix(command: DeletePrefixCommand, mayGoOn: () => boolean): Promise<DeletePrefixAnswer> {
    return runDeletePrefix(this.#path, command, mayGoOn);
  }

  /**
   * Makes plain sets as one record. Returns undefined, and does nothing, if a deadline
   * has passed already, because such a set is a delete.
   */
  sets(sets: PlainSets): Soon<SetsAnswer> | undefined {
    return runPlainSets(this.#path, sets);
  }

  /** See `BulkPort.mixed`. */
  mixed(...args: Parameters<BulkPort['mixed']>): Promise<MixedAnswer> | undefined {
    return runMixedBatch(this.#path, ...args);
  }

  /**
   * Logs deletes of expired entries and evicts what exceeds the limits. Bounded;
   * returns true if there is more to do at once.
   */
  tick(): boolean {
    return runTick(this.#path);
  }
}

function onlyAnswer(_: Accepted, answer: WriteAnswer): WriteAnswer {
  return answer;
}
