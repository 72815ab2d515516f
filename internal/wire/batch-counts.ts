/**
 * What became of the operations of Batches, since a Batch is answered OK whatever became of them. An
 * operation counts when its result is known; those of a Batch that is refused as a whole do not count.
 */
import type { BatchRequest } from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { ParsedBatch } from '#wire/batch-codec.ts';
import { SENT_CODES } from '#wire/error-codes.ts';
import { DELETE, GET, INCREMENT, SET, TOUCH } from '#wire/kv-columns.ts';

type Kind = BatchOperation['kind'];

/** What operations of one kind were answered with so far. */
export interface BatchCount {
  /** Undefined: they were none of the kinds that there are. */
  readonly kind: Kind | undefined;
  /** Connect's name of a code, or `ok`. */
  readonly code: string;
  readonly count: number;
}

const TAGS: Readonly<Record<Kind, number>> = {
  get: GET,
  set: SET,
  delete: DELETE,
  increment: INCREMENT,
  touch: TOUCH,
};
const KINDS = Object.entries(TAGS) as [Kind, number][];
const NO_KIND = 0;

export class BatchCounts {
  /** Those that were carried out, by the tag of their kind. */
  readonly #done = new Float64Array(TOUCH + 1);
  readonly #refused = new Map<string, Float64Array>();

  /** `tag`: what the operations are, as `OperationColumns` has it. */
  done(tag: number, count = 1): void {
    this.#done[tag] = (this.#done[tag] as number) + count;
  }

  refused(tag: number, { code }: WalnutError): void {
    const { code: sent } = SENT_CODES[code];
    const counts = this.#refused.get(sent) ?? new Float64Array(TOUCH + 1);
    counts[tag] = (counts[tag] as number) + 1;
    this.#refused.set(sent, counts);
  }

  /** `kind`: of the operation; undefined where it is none that there is. */
  add(result: BatchResult, kind: Kind | undefined): void {
    if (result.kind === 'error') this.refused(kind === undefined ? NO_KIND : TAGS[kind], result.error);
    else this.done(TAGS[result.kind]);
  }

  /** `results`: one for each operation; undefined counts as none. */
  addAll(operations: readonly BatchOperation[], results: readonly (BatchResult | undefined)[]): void {
    for (let i = 0; i < results.length; i++) {
      const result = results[i];
      if (result !== undefined) this.add(result, operations[i]?.kind);
    }
  }

  /** Those of a request, with what was wrong with some of them. `results`: of the others, in order. */
  addParsed(request: BatchRequest, { slots }: ParsedBatch, results: readonly BatchResult[]): void {
    let next = 0;
    for (const [i, slot] of slots.entries()) {
      const result = slot instanceof WalnutError ? { kind: 'error' as const, error: slot } : results[next++];
      if (result !== undefined) this.add(result, request.operations[i]?.operation.case);
    }
  }

  *[Symbol.iterator](): Generator<BatchCount> {
    for (const [code, counts] of [['ok', this.#done] as const, ...this.#refused])
      for (const [kind, tag] of [...KINDS, [undefined, NO_KIND] as const]) {
        const count = counts[tag] as number;
        if (count > 0) yield { kind, code, count };
      }
  }
}
