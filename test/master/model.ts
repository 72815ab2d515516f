/**
 * The plain truth about one master, as slow and obvious as it gets: a Map of
 * entries, an array for the exact order of recency, and the rules of
 * design §4. Knows no log, no disk and no concurrency.
 */
import type { BatchOperation, Condition, Expiry } from '#model/commands.ts';
import type { Mutation, StoreLimits } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import { ENTRY_OVERHEAD_BYTES } from '#storage/entry-cost.ts';

export interface ModelEntry {
  readonly key: string;
  readonly value: string;
  readonly expireAtMs: number;
  readonly version: Position;
}

export type ModelOutcome =
  | {
      readonly kind: 'applied';
      readonly previous: ModelEntry | undefined;
      readonly mutations: readonly string[];
    }
  | { readonly kind: 'not_met'; readonly current: ModelEntry | undefined }
  | { readonly kind: 'no number' }
  | { readonly kind: 'full' };

export type AtomicPrediction =
  | { readonly kind: 'committed'; readonly mutations: readonly string[] }
  | { readonly kind: 'unmet'; readonly isUnmet: readonly boolean[] }
  | { readonly kind: 'refused'; readonly code: string };

export class Model {
  readonly entries = new Map<string, ModelEntry>();
  /** Least recently touched first. */
  order: string[] = [];
  limits: StoreLimits;
  /** The keys whose expired entries the master has dropped to make room, in its order. */
  droppedExpired: string[] = [];
  readonly defaultTtlMs: number;

  constructor(limits: StoreLimits, defaultTtlMs: number) {
    this.limits = limits;
    this.defaultTtlMs = defaultTtlMs;
  }

  get bytes(): number {
    let bytes = 0;
    for (const { key, value } of this.entries.values()) bytes += costOf(key, value);
    return bytes;
  }

  live(key: string, nowMs: number): ModelEntry | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && (entry.expireAtMs === 0 || nowMs < entry.expireAtMs) ? entry : undefined;
  }

  get(key: string, nowMs: number): ModelEntry | undefined {
    const entry = this.live(key, nowMs);
    if (entry !== undefined) this.touch(key);
    return entry;
  }

  set(
    key: string,
    value: string,
    options: { expiry: Expiry; condition?: Condition | undefined },
    nowMs: number,
    position: Position,
  ): ModelOutcome {
    const live = this.live(key, nowMs);
    if (!meets(options.condition, live)) return { kind: 'not_met', current: live };
    const expireAtMs = this.deadline(options.expiry, live, nowMs);
    if (expireAtMs !== 0 && expireAtMs <= nowMs) {
      const wasStored = this.remove(key);
      return { kind: 'applied', previous: live, mutations: wasStored ? [`delete ${key} client`] : [] };
    }
    const victims = this.#makeRoom(key, value, nowMs);
    if (victims === undefined) return { kind: 'full' };
    this.remove(key);
    this.entries.set(key, { key, value, expireAtMs, version: position });
    this.order.push(key);
    return { kind: 'applied', previous: live, mutations: [...victims, `set ${key} client`] };
  }

  touchEntry(key: string, expiry: Expiry, nowMs: number): ModelOutcome {
    const live = this.live(key, nowMs);
    if (live === undefined) return { kind: 'not_met', current: undefined };
    const expireAtMs = this.deadline(expiry, live, nowMs);
    if (expireAtMs !== 0 && expireAtMs <= nowMs) {
      this.remove(key);
      return { kind: 'applied', previous: live, mutations: [`delete ${key} client`] };
    }
    this.entries.set(key, { ...live, expireAtMs });
    this.touch(key);
    return { kind: 'applied', previous: live, mutations: [`touch ${key} client`] };
  }

  /** The sum, in digits, is what is set. */
  increment(
    key: string,
    options: { delta: bigint; initial: bigint; expiry: Expiry; condition?: Condition | undefined },
    nowMs: number,
    position: Position,
  ): ModelOutcome {
    const live = this.live(key, nowMs);
    if (!meets(options.condition, live)) return { kind: 'not_met', current: live };
    if (live !== undefined && String(Number.parseInt(live.value, 10)) !== live.value)
      return { kind: 'no number' };
    const sum = live === undefined ? options.initial : BigInt(live.value);
    const expiry: Expiry = live === undefined ? options.expiry : { kind: 'keep' };
    return this.set(key, `${sum + options.delta}`, { expiry }, nowMs, position);
  }

  /** Runs the operations on a copy without limits, which becomes this model if all of it may be made. */
  atomic(operations: readonly BatchOperation[], nowMs: number, position: Position): AtomicPrediction {
    const copy = new Model({ entriesMax: 0, bytesMax: 0, policy: 'lru' }, this.defaultTtlMs);
    for (const [key, entry] of this.entries) copy.entries.set(key, entry);
    copy.order = [...this.order];
    const outcomes = operations.map((operation) => copy.#run(operation, nowMs, position));
    if (outcomes.some(({ kind }) => kind === 'no number'))
      return { kind: 'refused', code: 'failed_precondition' };
    const isUnmet = outcomes.map(({ kind }, i) => {
      const operation = operations[i];
      if (operation === undefined || operation.kind === 'get' || operation.kind === 'touch') return false;
      return kind === 'not_met' && operation.command.condition !== undefined;
    });
    if (isUnmet.includes(true)) return { kind: 'unmet', isUnmet };
    const written = outcomes.flatMap((outcome) => (outcome.kind === 'applied' ? outcome.mutations : []));
    const own = new Set(written.map((line) => line.split(' ')[1] as string));
    return this.#commit(copy, own, written, nowMs);
  }

  #run(operation: BatchOperation, nowMs: number, position: Position): ModelOutcome {
    if (operation.kind === 'get') throw new Error('no gets here');
    const { key } = operation.command;
    if (operation.kind === 'delete') return this.delete(key, operation.command.condition, nowMs);
    if (operation.kind === 'increment') return this.increment(key, operation.command, nowMs, position);
    if (operation.kind === 'touch') return this.touchEntry(key, operation.command.expiry, nowMs);
    const value = Buffer.from(operation.command.value).toString();
    return this.set(key, value, operation.command, nowMs, position);
  }

  /** Makes room in `copy` by removing others, and takes its entries over. */
  #commit(copy: Model, own: ReadonlySet<string>, written: string[], nowMs: number): AtomicPrediction {
    copy.limits = this.limits;
    const owned = new Model(this.limits, 0);
    for (const key of own) {
      const entry = copy.entries.get(key);
      if (entry !== undefined) owned.entries.set(key, entry);
    }
    if (owned.isOver(0, 0)) return { kind: 'refused', code: 'resource_exhausted' };
    const grows = copy.entries.size > this.entries.size || copy.bytes > this.bytes;
    const deletes: string[] = [];
    const isFull = () => grows && copy.isOver(0, 0);
    if (this.limits.policy === 'none') {
      for (const key of this.droppedExpired) {
        if (!isFull() || this.live(key, nowMs) !== undefined) throw new Error(`${key} had to stay`);
        this.remove(key);
        copy.remove(key);
        deletes.push(`delete ${key} expired`);
      }
      if (isFull()) return { kind: 'refused', code: 'resource_exhausted' };
    }
    for (const victim of copy.order.filter((one) => !own.has(one))) {
      if (!isFull()) break;
      copy.remove(victim);
      deletes.push(`delete ${victim} evicted`);
    }
    this.entries.clear();
    for (const [key, entry] of copy.entries) this.entries.set(key, entry);
    this.order = copy.order;
    return { kind: 'committed', mutations: [...deletes, ...written] };
  }

  delete(key: string, condition: Condition | undefined, nowMs: number): ModelOutcome {
    const live = this.live(key, nowMs);
    if (live === undefined || !meets(condition, live)) {
      return { kind: 'not_met', current: condition === undefined ? undefined : live };
    }
    this.remove(key);
    return { kind: 'applied', previous: live, mutations: [`delete ${key} client`] };
  }

  expire(nowMs: number): string[] {
    const due = [...this.entries.values()].filter((one) => one.expireAtMs !== 0 && one.expireAtMs <= nowMs);
    for (const { key } of due) this.remove(key);
    return due.map(({ key }) => key).sort();
  }

  touch(key: string): void {
    this.order = this.order.filter((one) => one !== key);
    this.order.push(key);
  }

  remove(key: string): boolean {
    this.order = this.order.filter((one) => one !== key);
    return this.entries.delete(key);
  }

  /** Folds a record of the log. */
  apply(mutations: readonly Mutation[], position: Position): void {
    for (const mutation of mutations) {
      if (mutation.op === 'touch') {
        const touched = this.entries.get(mutation.key);
        if (touched === undefined) continue;
        this.entries.set(mutation.key, { ...touched, expireAtMs: mutation.expireAtMs });
        this.touch(mutation.key);
        continue;
      }
      this.remove(mutation.key);
      if (mutation.op === 'delete') continue;
      const value = Buffer.from(mutation.value).toString();
      this.entries.set(mutation.key, {
        key: mutation.key,
        value,
        expireAtMs: mutation.expireAtMs,
        version: position,
      });
      this.order.push(mutation.key);
    }
  }

  isOver(moreEntries: number, moreBytes: number): boolean {
    const { entriesMax, bytesMax } = this.limits;
    return (
      (entriesMax > 0 && this.entries.size + moreEntries > entriesMax) ||
      (bytesMax > 0 && this.bytes + moreBytes > bytesMax)
    );
  }

  deadline(expiry: Expiry, live: ModelEntry | undefined, nowMs: number): number {
    if (expiry.kind === 'default') return this.defaultTtlMs === 0 ? 0 : nowMs + this.defaultTtlMs;
    if (expiry.kind === 'ttl') return nowMs + expiry.ttlMs;
    if (expiry.kind === 'at') return expiry.expireAtMs;
    return live?.expireAtMs ?? 0;
  }

  /** The deletes that make room, or undefined where there is none to make. */
  #makeRoom(key: string, value: string, nowMs: number): string[] | undefined {
    const { limits } = this;
    const cost = costOf(key, value);
    if (limits.bytesMax > 0 && cost > limits.bytesMax) return undefined;
    const before = this.entries.get(key);
    const moreEntries = before === undefined ? 1 : 0;
    const moreBytes = cost - (before === undefined ? 0 : costOf(before.key, before.value));
    if (moreEntries === 0 && moreBytes <= 0) return [];
    const deletes: string[] = [];
    if (limits.policy === 'none') {
      // Which of the expired ones go first is the master's choice: it may only take what it needs.
      for (const dropped of [...this.droppedExpired]) {
        const entry = this.entries.get(dropped);
        if (!this.isOver(moreEntries, moreBytes) || dropped === key) break;
        if (entry === undefined || this.live(dropped, nowMs) !== undefined)
          throw new Error(`${dropped} had to stay`);
        this.remove(dropped);
        this.droppedExpired.shift();
        deletes.push(`delete ${dropped} expired`);
      }
      const hasOtherExpired = [...this.entries.keys()].some((one) => one !== key && !this.live(one, nowMs));
      if (!this.isOver(moreEntries, moreBytes)) return deletes;
      if (hasOtherExpired) throw new Error('refused although something has expired');
      return undefined;
    }
    for (const victim of this.order.filter((one) => one !== key)) {
      if (!this.isOver(moreEntries, moreBytes)) break;
      this.remove(victim);
      deletes.push(`delete ${victim} evicted`);
    }
    return deletes;
  }
}

export function costOf(key: string, value: string): number {
  return Buffer.byteLength(key) + Buffer.byteLength(value) + ENTRY_OVERHEAD_BYTES;
}

export function meets(condition: Condition | undefined, live: ModelEntry | undefined): boolean {
  if (condition === undefined) return true;
  if (condition.kind === 'absent') return live === undefined;
  if (condition.kind === 'present') return live !== undefined;
  // fill-model.test.ts has the leases.
  if (condition.kind === 'fill_lease') return false;
  return (
    live !== undefined &&
    live.version.epoch === condition.version.epoch &&
    live.version.lsn === condition.version.lsn
  );
}

/** The mutations of a record as short lines. */
export function linesOf(mutations: readonly Mutation[]): string[] {
  return mutations.map(({ op, key, cause }) => `${op} ${key} ${cause}`);
}
