/**
 * Refuses keys of slots that this node does not serve, before anything is done for them
 * (ADR 20). What a node may do at all is asked first (`admission.ts`), and a write that
 * was carried out before is answered, although another group may own its key now.
 */
import type { Master } from '#master/master.ts';
import { areServed, type PlainSets } from '#model/bulk.ts';
import type { AtomicBatchCommand, BatchOperation } from '#model/commands.ts';
import { ofOperation } from '#model/errors.ts';
import type { WriteId } from '#model/write-id.ts';
import type { Admission } from '#node/doors/admission.ts';

/** What a write of one key says of itself. */
interface KeyWrite {
  readonly key: string;
  readonly id?: WriteId | undefined;
}

export class OwnedKeys {
  readonly #admission: Admission;

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  /** Throws if the node does not serve the key. */
  read(key: string): void {
    const { partial } = this.#admission;
    if (partial === undefined) return;
    this.#admission.readable();
    partial.check(key);
  }

  /** The way to write a key. Throws if the node takes no writes, or does not serve the key. */
  writer(write: KeyWrite): Master {
    const master = this.#admission.writer();
    const { partial } = this.#admission;
    if (partial !== undefined && !isKnown(master, write.id)) partial.check(write.key);
    return master;
  }

  /** Throws if the node does not serve the key of each operation. */
  batch(operations: readonly BatchOperation[]): void {
    if (this.#admission.partial === undefined) return;
    const master = this.#begin(operations);
    operations.forEach((operation, i) => {
      if (operation.kind !== 'get' && isKnown(master, operation.command.id)) return;
      this.#checkAt(operation, i);
    });
  }

  /** The same for a batch that has one name, or none. */
  atomicBatch({ id, operations }: AtomicBatchCommand): void {
    this.namedBatch(operations, id);
  }

  namedBatch(operations: readonly BatchOperation[], id: WriteId | undefined): void {
    if (this.#admission.partial === undefined) return;
    if (isKnown(this.#begin(operations), id)) return;
    operations.forEach((operation, i) => {
      this.#checkAt(operation, i);
    });
  }

  /** True if the node serves every key. */
  servesAll(sets: PlainSets): boolean {
    const { partial } = this.#admission;
    return partial === undefined || areServed(sets, partial.serves);
  }

  /** Undefined for reads alone. */
  #begin(operations: readonly BatchOperation[]): Master | undefined {
    if (operations.some(({ kind }) => kind !== 'get')) return this.#admission.writer();
    this.#admission.readable();
    return undefined;
  }

  #checkAt(operation: BatchOperation, index: number): void {
    try {
      this.#admission.partial?.check(operation.command.key);
    } catch (error) {
      throw ofOperation(index, error);
    }
  }
}

function isKnown(master: Master | undefined, id: WriteId | undefined): boolean {
  return master !== undefined && id !== undefined && master.knows(id);
}
