/** The calls of a load: which one comes next, and what its answer says. */
import { create, type DescMethodUnary, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import {
  type BatchOperationSchema,
  type BatchResponse,
  type BatchResult,
  KVStore,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { LEVELS, missedGuarantee, type ReceiptOptions } from '../keys/write-options.ts';
import type { BenchPlan, OperationName } from './bench-plan.ts';
import { createKeyChoice, createShares } from './chosen-keys.ts';
import type { Failure, Outcome } from './load-figures.ts';

export interface BenchCall {
  readonly kind: OperationName;
  readonly operations: number;
  readonly method: DescMethodUnary;
  readonly request: MessageShape<DescMethodUnary['input']>;
  judge(answer: unknown): Outcome;
}

export type OperationInit = NonNullable<MessageInitShape<typeof BatchOperationSchema>['operation']>;
type Answer = Exclude<BatchResult['result'], { case: undefined }>;

const DONE: Outcome = { notFound: 0, failures: [] };
const NOT_FOUND: Outcome = { notFound: 1, failures: [] };
const UNFIT: Failure = { code: 'internal', message: 'the answer does not fit its operation' };

export class BenchCalls {
  readonly #plan: BenchPlan;
  readonly #shares: () => number;
  readonly #key: () => number;
  readonly #value: Uint8Array;
  readonly #asked: Pick<ReceiptOptions, 'durability'>;

  /** `seed`: the same seed gives the same calls. `value`: what each Set writes. */
  constructor(plan: BenchPlan, seed: number, value: Uint8Array) {
    this.#plan = plan;
    this.#shares = createShares(seed);
    this.#key = createKeyChoice(plan.distribution, plan.keys, this.#shares);
    this.#value = value;
    this.#asked = plan.durability === undefined ? {} : { durability: plan.durability };
  }

  /** All operations of one call are of one kind. */
  next(): BenchCall {
    const { batch } = this.#plan;
    const kind = this.#chooseKind();
    if (batch === 1) return this.#single(kind);
    const operations = Array.from({ length: batch }, () => this.operation(kind, this.#key()));
    return this.#batchOf(kind, operations);
  }

  /** The call that gives the keys from `first` on, at most as many as one call takes, what the load expects. */
  fill(first: number, count: number): BenchCall {
    const kind = this.#plan.shares[0]?.[0] === 'increment' ? 'increment' : 'set';
    return this.#batchOf(
      kind,
      Array.from({ length: count }, (_, i) => this.operation(kind, first + i)),
    );
  }

  operation(kind: OperationName, number: number): OperationInit {
    const { prefix, ttlMs, durability } = this.#plan;
    const key = `${prefix}${number}`;
    const expiry = { case: 'ttlMs', value: BigInt(ttlMs) } as const;
    const safety = durability === undefined ? {} : { durability: LEVELS[durability] };
    switch (kind) {
      case 'get':
        return { case: kind, value: { key } };
      case 'set':
        return { case: kind, value: { key, value: this.#value, expiry, ...safety } };
      case 'increment':
        return { case: kind, value: { key, expiry, ...safety } };
      case 'touch':
        return { case: kind, value: { key, expiry, ...safety } };
    }
  }

  #chooseKind(): OperationName {
    const { shares } = this.#plan;
    let rest = shares.length === 1 ? 0 : this.#shares();
    for (const [kind, share] of shares) {
      if (rest < share) return kind;
      rest -= share;
    }
    return (shares.at(-1) as (typeof shares)[number])[0];
  }

  #single(kind: OperationName): BenchCall {
    const method = KVStore.method[kind];
    const { value } = this.operation(kind, this.#key());
    const request = create<DescMethodUnary['input']>(method.input, value as Record<string, unknown>);
    const judge = (answer: unknown): Outcome => this.#judge({ case: kind, value: answer } as Answer);
    return { kind, operations: 1, method, request, judge };
  }

  #batchOf(kind: OperationName, inits: readonly OperationInit[]): BenchCall {
    const { batch: method } = KVStore.method;
    const request = create(method.input, { operations: inits.map((operation) => ({ operation })) });
    const judge = (answer: unknown): Outcome =>
      this.#judgeAll(kind, inits.length, (answer as BatchResponse).results);
    return { kind, operations: inits.length, method, request, judge };
  }

  #judgeAll(kind: OperationName, count: number, results: readonly BatchResult[]): Outcome {
    let notFound = 0;
    const failures: Failure[] = [];
    for (let i = 0; i < count; i++) {
      const result = results[i]?.result;
      if (result?.case === 'error') failures.push(result.value);
      else if (result?.case !== kind) failures.push(UNFIT);
      else {
        const outcome = this.#judge(result);
        notFound += outcome.notFound;
        failures.push(...outcome.failures);
      }
    }
    return { notFound, failures };
  }

  #judge(answer: Answer): Outcome {
    if (answer.case === 'get') return answer.value.found ? DONE : NOT_FOUND;
    if (answer.case === 'touch' && !answer.value.touched) return NOT_FOUND;
    if (answer.case === 'error' || answer.case === 'delete') return DONE;
    const missed = missedGuarantee(answer.value, this.#asked);
    return missed === undefined ? DONE : { notFound: 0, failures: [{ code: 'durability', message: missed }] };
  }
}
