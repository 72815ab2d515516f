/** One write at a time, against a plain model with an exact order of recency. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  BatchOperation,
  BatchResult,
  Condition,
  Expiry,
  TouchAnswer,
  WriteAnswer,
} from '#model/commands.ts';
import type { EvictionPolicy, StoreLimits } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { toLsn } from '#model/position.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import {
  deleteOf,
  drainVictims,
  incrementOf,
  type LoggedRecord,
  Rig,
  setOf,
  stateOf,
  toRecord,
  touchOf,
} from '#test/engine/rig.ts';
import { linesOf, Model, type ModelEntry, type ModelOutcome } from '#test/master/model.ts';

type WriteStep =
  | {
      readonly kind: 'set';
      readonly key: string;
      readonly bytes: number;
      readonly expiry: Expiry | { readonly kind: 'offset'; readonly ms: number };
      readonly condition: ConditionKind;
    }
  | {
      readonly kind: 'increment';
      readonly key: string;
      readonly delta: bigint;
      readonly initial: bigint;
      readonly expiry: Expiry | { readonly kind: 'offset'; readonly ms: number };
      readonly condition: ConditionKind;
    }
  | { readonly kind: 'delete'; readonly key: string; readonly condition: ConditionKind }
  | {
      readonly kind: 'touch';
      readonly key: string;
      readonly expiry: Expiry | { readonly kind: 'offset'; readonly ms: number };
      readonly condition: 'none';
    };
type ConditionKind = 'none' | 'absent' | 'present' | 'same version' | 'other version';
type Step =
  | WriteStep
  | { readonly kind: 'get'; readonly key: string }
  | { readonly kind: 'batch'; readonly steps: readonly WriteStep[] }
  | { readonly kind: 'atomic'; readonly steps: readonly WriteStep[] }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'tick' }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'restart'; readonly how: 'stop' | 'kill' };

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', '__proto__', 'ключ');
const condition = fc.constantFrom<ConditionKind>(
  'none',
  'none',
  'none',
  'absent',
  'present',
  'same version',
  'other version',
);
/** Numbers stay mostly by themselves: other values refuse to be added to. */
const counter = fc.constantFrom('n', 'm', 'a');
const setStep = fc.record({
  kind: fc.constant('set' as const),
  key,
  bytes: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2_000 })),
  expiry: fc.oneof(
    fc.constant({ kind: 'default' as const }),
    fc.constant({ kind: 'keep' as const }),
    fc.record({ kind: fc.constant('ttl' as const), ttlMs: fc.integer({ min: 1, max: 5_000 }) }),
    fc.record({ kind: fc.constant('offset' as const), ms: fc.integer({ min: -1_000, max: 5_000 }) }),
    fc.constant({ kind: 'at' as const, expireAtMs: 0 }),
  ),
  condition,
});
const deleteStep = fc.record({ kind: fc.constant('delete' as const), key, condition });
const incrementStep = fc.record({
  kind: fc.constant('increment' as const),
  key: counter,
  delta: fc.bigInt(-20n, 20n),
  initial: fc.bigInt(-3n, 3n),
  expiry: fc.oneof(
    fc.constant({ kind: 'default' as const }),
    fc.record({ kind: fc.constant('ttl' as const), ttlMs: fc.integer({ min: 1, max: 5_000 }) }),
    fc.record({ kind: fc.constant('offset' as const), ms: fc.integer({ min: -1_000, max: 5_000 }) }),
  ),
  condition,
});
const touchStep = fc.record({
  kind: fc.constant('touch' as const),
  key,
  expiry: fc.oneof(
    fc.record({ kind: fc.constant('ttl' as const), ttlMs: fc.integer({ min: 1, max: 5_000 }) }),
    fc.record({ kind: fc.constant('offset' as const), ms: fc.integer({ min: -1_000, max: 5_000 }) }),
    fc.constant({ kind: 'at' as const, expireAtMs: 0 }),
  ),
  condition: fc.constant('none' as const),
});
const writeStep: fc.Arbitrary<WriteStep> = fc.oneof(
  { weight: 4, arbitrary: setStep },
  { weight: 2, arbitrary: incrementStep },
  { weight: 1, arbitrary: deleteStep },
  { weight: 2, arbitrary: touchStep },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: writeStep },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('get' as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('batch' as const),
      steps: fc.array(writeStep, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('atomic' as const),
      steps: fc.array(writeStep, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'tick' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'checkpoint' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      how: fc.constantFrom('stop' as const, 'kill' as const),
    }),
  },
);
const limits: fc.Arbitrary<StoreLimits> = fc.record({
  entriesMax: fc.constantFrom(0, 1, 4, 6),
  bytesMax: fc.constantFrom(0, 2_000, 4_000),
  policy: fc.constantFrom<EvictionPolicy>('lru', 'lru', 'none'),
});

/** Runs steps on a master and the model side by side. */
class Comparison {
  #rig: Rig;
  readonly #clock: VirtualClock;
  readonly #model: Model;
  readonly #fsync: 'always' | 'interval';
  #records: LoggedRecord[] = [];
  /** The order of recency as the log alone tells it, since the last snapshot. */
  #logOrder: string[] = [];

  private constructor(rig: Rig, model: Model, fsync: 'always' | 'interval') {
    this.#rig = rig;
    this.#clock = rig.clock;
    this.#model = model;
    this.#fsync = fsync;
    this.#listen();
  }

  static async start(
    fsync: 'always' | 'interval',
    limits: StoreLimits,
    defaultTtlMs: number,
  ): Promise<Comparison> {
    const rig = await Rig.open({ fsync, limits, defaultTtlMs, clock: new VirtualClock() });
    await rig.until(rig.engine.formats.take());
    return new Comparison(rig, new Model(limits, defaultTtlMs), fsync);
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const one of steps) {
      await this.#step(one);
      this.#compare();
    }
    await this.#restart('stop');
    this.#compare();
    expect(drainVictims(this.#rig.engine)).toEqual(
      this.#model.limits.policy === 'lru' ? this.#model.order : [],
    );
    await this.#rig.close();
  }

  #listen(): void {
    this.#rig.engine.appliedFrames.subscribe((frame) => {
      const record = toRecord({
        ...frame,
        bytes: Buffer.from(frame.bytes),
        payload: Buffer.from(frame.payload),
      });
      this.#records.push(record);
      for (const { op, key: touched } of record.mutations) {
        const isThere = op === 'set' || (op === 'touch' && this.#logOrder.includes(touched));
        this.#logOrder = this.#logOrder.filter((one) => one !== touched);
        if (isThere) this.#logOrder.push(touched);
      }
    });
  }

  get #nowMs(): number {
    return this.#rig.engine.logClock.nowMs();
  }

  get #nextPosition(): Position {
    const { engine } = this.#rig;
    return { epoch: engine.position.epoch, lsn: toLsn(engine.position.lsn + 1) };
  }

  async #step(one: Step): Promise<void> {
    this.#records = [];
    switch (one.kind) {
      case 'set':
      case 'delete':
      case 'increment':
      case 'touch':
        return this.#write([one], false);
      case 'batch':
        return this.#write(one.steps, true);
      case 'atomic':
        return this.#writeAtomic(one.steps);
      case 'get':
        expect(this.#rig.get(one.key)).toBe(this.#model.get(one.key, this.#nowMs)?.value);
        return;
      case 'pass':
        return this.#clock.advance(one.ms);
      case 'tick': {
        const expired = this.#model.expire(this.#nowMs);
        expect(this.#rig.master.tick()).toBe(false);
        await this.#rig.settle();
        const deleted = this.#records.flatMap(({ mutations }) => linesOf(mutations)).sort();
        expect(deleted).toEqual(expired.map((key) => `delete ${key} expired`).sort());
        return;
      }
      case 'checkpoint':
        await this.#rig.until(this.#rig.host.checkpoint());
        this.#logOrder = [...this.#model.order];
        return;
      case 'restart':
        return this.#restart(one.how);
    }
  }

  async #restart(how: 'stop' | 'kill'): Promise<void> {
    const { engine } = this.#rig;
    const before = {
      entries: engine.store.entries,
      digest: engine.store.stateDigest(),
      epoch: engine.position.epoch,
    };
    const fileSystem = how === 'stop' ? await this.#rig.close() : this.#rig.kill();
    const { limits, defaultTtlMs } = this.#model;
    this.#rig = await Rig.open({ fileSystem, fsync: this.#fsync, limits, defaultTtlMs, clock: this.#clock });
    this.#listen();
    const again = this.#rig.engine;
    expect({ entries: again.store.entries, digest: again.store.stateDigest() }).toMatchObject({
      entries: before.entries,
      digest: before.digest,
    });
    expect(again.position.epoch === before.epoch).toBe(how === 'stop');
    // Touches by reads are not in the log.
    this.#model.order = [...this.#logOrder];
  }

  async #write(steps: readonly WriteStep[], isBatch: boolean): Promise<void> {
    const { master, settle } = { master: this.#rig.master, settle: () => this.#rig.settle() };
    const nowMs = this.#nowMs;
    const operations = steps.map((one, i) => this.#operationOf(one, `${i}`, nowMs));
    const position = this.#nextPosition;
    let results: BatchResult[];
    if (isBatch) {
      const pending = master.batch(operations, () => {
        throw new Error('no gets here');
      });
      await settle();
      results = await pending;
    } else {
      const [operation] = operations as [BatchOperation];
      const pending = alone(master, operation);
      await settle();
      results = [await pending];
    }
    const mutations = this.#records.flatMap((record) => record.mutations);
    this.#model.droppedExpired = mutations.filter(({ cause }) => cause === 'expired').map(({ key }) => key);
    const outcomes = operations.map((operation) => this.#predict(operation, nowMs, position));
    results.forEach((result, i) => {
      this.#checkResult(result, outcomes[i] as ModelOutcome, steps[i] as WriteStep, isBatch);
    });
    const expected = outcomes.flatMap((outcome) => (outcome.kind === 'applied' ? outcome.mutations : []));
    const lines = linesOf(mutations);
    if (outcomes.some((outcome) => outcome.kind === 'full'))
      expect(lines).toEqual(expect.arrayContaining(expected));
    else expect(lines).toEqual(expected);
    expect(this.#records.length).toBeLessThanOrEqual(1);
  }

  async #writeAtomic(steps: readonly WriteStep[]): Promise<void> {
    const nowMs = this.#nowMs;
    const operations = steps.map((one, i) => this.#operationOf(one, `${i}`, nowMs));
    const position = this.#nextPosition;
    const pending = this.#rig.master
      .atomicBatch({ operations, answerBytesMax: 1 << 20, minAcks: 0, timeoutMs: 0 }, () => {})
      .catch((error: WalnutError) => error);
    await this.#rig.settle();
    const answer = await pending;
    const mutations = this.#records.flatMap((record) => record.mutations);
    this.#model.droppedExpired = mutations.filter(({ cause }) => cause === 'expired').map(({ key }) => key);
    const predicted = this.#model.atomic(operations, nowMs, position);
    const lines = linesOf(mutations);
    if (predicted.kind === 'refused') {
      expect(answer).toMatchObject({ code: predicted.code });
      expect(lines.filter((line) => !line.endsWith(' expired'))).toEqual([]);
      return;
    }
    expect(answer).toMatchObject({ isCommitted: predicted.kind === 'committed' });
    expect(lines).toEqual(predicted.kind === 'committed' ? predicted.mutations : []);
    expect(this.#records.length).toBeLessThanOrEqual(1);
    if (predicted.kind === 'committed' || answer instanceof WalnutError) return;
    expect(answer.results.map((result) => result !== undefined)).toEqual(predicted.isUnmet);
  }

  #operationOf(one: WriteStep, tag: string, nowMs: number): BatchOperation {
    const condition = this.#conditionOf(one.condition, one.key);
    if (one.kind === 'delete')
      return { kind: 'delete', command: deleteOf(one.key, { condition, returnPrevious: true }) };
    if (one.kind === 'increment') {
      const { key, delta, initial } = one;
      return {
        kind: 'increment',
        command: incrementOf(key, { delta, initial, condition, expiry: expiryOf(one, nowMs) }),
      };
    }
    if (one.kind === 'touch') return { kind: 'touch', command: touchOf(one.key, expiryOf(one, nowMs)) };
    const value = `${this.#rig.engine.nextLsn}.${tag} `.padEnd(one.bytes, 'x');
    const expiry = expiryOf(one, nowMs);
    return { kind: 'set', command: setOf(one.key, value, { condition, expiry, returnPrevious: true }) };
  }

  #conditionOf(kind: ConditionKind, key: string): Condition | undefined {
    if (kind === 'none') return undefined;
    if (kind === 'absent' || kind === 'present') return { kind };
    const version = this.#model.entries.get(key)?.version ?? { epoch: 1, lsn: toLsn(1) };
    if (kind === 'same version') return { kind: 'version', version };
    return { kind: 'version', version: { ...version, lsn: toLsn(version.lsn + 1) } };
  }

  #predict(operation: BatchOperation, nowMs: number, position: Position): ModelOutcome {
    if (operation.kind === 'get') throw new Error('no gets here');
    const { command } = operation;
    if (operation.kind === 'delete')
      return this.#model.delete(command.key, operation.command.condition, nowMs);
    if (operation.kind === 'increment')
      return this.#model.increment(command.key, operation.command, nowMs, position);
    if (operation.kind === 'touch')
      return this.#model.touchEntry(command.key, operation.command.expiry, nowMs);
    const { value, expiry } = operation.command;
    const options = { expiry, condition: operation.command.condition };
    return this.#model.set(command.key, Buffer.from(value).toString(), options, nowMs, position);
  }

  #checkResult(result: BatchResult, outcome: ModelOutcome, one: WriteStep, isBatch: boolean): void {
    if (outcome.kind === 'full') {
      expect(result).toMatchObject({ kind: 'error', error: { code: 'resource_exhausted' } });
      return;
    }
    if (outcome.kind === 'no number') {
      expect(result).toMatchObject({ kind: 'error', error: { code: 'failed_precondition' } });
      return;
    }
    expect(result.kind).toBe(one.kind);
    const { answer } = result as { answer: WriteAnswer };
    expect(answer.applied).toBe(outcome.kind === 'applied');
    if (one.kind === 'touch') {
      const { entry, expireAtMs } = answer as TouchAnswer;
      const touched = outcome.kind === 'applied' ? outcome.previous : undefined;
      expect(entry?.version).toEqual(touched?.version);
      expect(entry === undefined ? undefined : Buffer.from(entry.value).toString()).toBe(touched?.value);
      expect(entry?.expireAtMs ?? 0).toBe(expireAtMs);
    } else if (one.kind !== 'increment')
      expect(modelOf(answer.previous)).toEqual(outcome.kind === 'applied' ? outcome.previous : undefined);
    expect(modelOf(answer.current)).toEqual(outcome.kind === 'not_met' ? outcome.current : undefined);
    // With nothing else going on an answer is of the newest state; in a batch, of that before it where it wrote nothing.
    const { position } = this.#rig.engine;
    const hasWritten = outcome.kind === 'applied' && outcome.mutations.length > 0;
    if (hasWritten || !isBatch) expect(answer.position).toEqual(position);
    else expect(position.lsn - answer.position.lsn).toBeLessThanOrEqual(1);
    if (this.#fsync === 'always') expect(answer.durabilityReached).toBe('local');
  }

  #compare(): void {
    const { store } = this.#rig.engine;
    const { entries } = this.#model;
    expect([...entries.keys()].map((key) => modelOf(store.peek(key)))).toEqual([...entries.values()]);
    expect(store.entries).toBe(entries.size);
    expect(store.bytes).toBe(this.#model.bytes);
    expect(this.#model.isOver(0, 0)).toBe(false);
  }
}

function alone(master: Rig['master'], operation: BatchOperation): Promise<BatchResult> {
  switch (operation.kind) {
    case 'set':
      return master.set(operation.command).then((answer) => ({ kind: 'set', answer }), toError);
    case 'delete':
      return master.delete(operation.command).then((answer) => ({ kind: 'delete', answer }), toError);
    case 'increment':
      return master.increment(operation.command).then((answer) => ({ kind: 'increment', answer }), toError);
    case 'touch':
      return master.touch(operation.command).then((answer) => ({ kind: 'touch', answer }), toError);
    case 'get':
      throw new Error('no gets here');
  }
}

function expiryOf({ expiry }: Extract<WriteStep, { expiry: unknown }>, nowMs: number): Expiry {
  return expiry.kind === 'offset' ? { kind: 'at', expireAtMs: nowMs + expiry.ms } : expiry;
}

function toError(error: unknown): BatchResult {
  if (error instanceof WalnutError) return { kind: 'error', error };
  throw error;
}

function modelOf(
  entry: { key: string; value: Uint8Array; expireAtMs: number; version: Position } | undefined,
) {
  if (entry === undefined) return undefined;
  const { key, value, expireAtMs, version } = entry;
  return { key, value: Buffer.from(value).toString(), expireAtMs, version } satisfies ModelEntry;
}

describe('one write at a time', () => {
  it.each(['always', 'interval'] as const)('does what the plain model does, at fsync %s', async (fsync) => {
    await fc.assert(
      fc.asyncProperty(
        limits,
        fc.constantFrom(0, 2_000),
        fc.array(step, { minLength: 5, maxLength: 40 }),
        async (chosen, defaultTtlMs, steps) => {
          const comparison = await Comparison.start(fsync, chosen, defaultTtlMs);
          await comparison.run(steps);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('recovers a digest that a fresh fold of the same log has', async () => {
    const rig = await Rig.open({ limits: { entriesMax: 10, bytesMax: 0, policy: 'lru' } });
    for (let i = 0; i < 50; i++) await rig.set(`k${i % 17}`, `v${i}`);
    const before = stateOf(rig.engine);
    const again = await Rig.open({
      fileSystem: await rig.close(),
      limits: { entriesMax: 10, bytesMax: 0, policy: 'lru' },
    });
    expect(stateOf(again.engine)).toBe(before);
  });
});
