/**
 * Many writes on their way at once. The oracle is the log itself: a write is
 * accepted in the order of its call, so it must have been judged against the
 * fold of every record before its own, however slow the disk.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Condition, WriteAnswer } from '#model/commands.ts';
import type { StoreLimits } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { deleteOf, type LoggedRecord, Rig, setOf, stateOf, toRecord, ttl, watch } from '#test/engine/rig.ts';
import { Model, type ModelEntry, meets } from '#test/master/model.ts';

interface Call {
  readonly kind: 'set' | 'delete';
  readonly key: string;
  readonly value: string;
  readonly condition: Condition | undefined;
  readonly nowMs: number;
  /** The record it would write. */
  readonly lsn: Lsn;
  readonly answer: { value?: WriteAnswer; error?: unknown };
}

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

class Crowd {
  readonly calls: Call[] = [];
  readonly records: LoggedRecord[] = [];
  readonly rig: Rig;
  readonly #random: SeededRandom;
  readonly #hasTtl: boolean;

  constructor(rig: Rig, random: SeededRandom, hasTtl: boolean) {
    this.rig = rig;
    this.#random = random;
    this.#hasTtl = hasTtl;
    rig.engine.appliedFrames.subscribe((frame) => {
      this.records.push(toRecord({ ...frame, payload: Buffer.from(frame.payload) }));
      if (rig.engine.log.durableLsn < frame.lsn && this.#isAlways)
        throw new Error('visible before it is durable');
    });
  }

  get #isAlways(): boolean {
    return this.rig.host.options.fsync === 'always';
  }

  async run(steps: number): Promise<void> {
    const random = this.#random;
    for (let i = 0; i < steps; i++) {
      if (random.chance(0.15)) this.rig.fileSystem.holdSyncs();
      if (random.chance(0.25)) this.rig.fileSystem.releaseSyncs();
      if (random.chance(0.3)) await this.rig.settle();
      if (random.chance(0.1)) await this.rig.clock.advance(random.between(1, 400));
      if (random.chance(0.05)) this.rig.master.tick();
      if (random.chance(0.3)) this.rig.get(random.pick(KEYS));
      this.#call(`${i}`);
    }
  }

  async end(): Promise<void> {
    this.rig.fileSystem.releaseSyncs();
    await this.rig.settle();
    await this.rig.until(this.rig.engine.log.drain());
    while (this.rig.master.tick()) await this.rig.settle();
    await this.rig.settle();
  }

  #call(value: string): void {
    const random = this.#random;
    const key = random.pick(KEYS);
    const { engine, master } = this.rig;
    const condition = this.#condition(key);
    const common = { key, condition, nowMs: engine.logClock.nowMs(), lsn: engine.nextLsn };
    const options = { condition, returnPrevious: true } as const;
    if (random.chance(0.2)) {
      this.calls.push({
        kind: 'delete',
        value: '',
        ...common,
        answer: watch(master.delete(deleteOf(key, options))),
      });
      return;
    }
    const expiry =
      this.#hasTtl && random.chance(0.3) ? ttl(random.between(1, 1_000)) : ({ kind: 'keep' } as const);
    const answer = watch(master.set(setOf(key, value, { ...options, expiry })));
    this.calls.push({ kind: 'set', value, ...common, answer });
  }

  #condition(key: string): Condition | undefined {
    const random = this.#random;
    const kind = random.pick(['none', 'none', 'none', 'absent', 'present', 'version'] as const);
    if (kind === 'none') return undefined;
    if (kind !== 'version') return { kind };
    // The version a client may have seen, or been told by an answer.
    const answered = this.calls.findLast((call) => call.key === key && call.answer.value?.applied)?.answer
      .value;
    const seen = this.rig.engine.store.peek(key)?.version;
    const version = random.chance(0.5) ? (answered?.position ?? seen) : seen;
    return version === undefined ? { kind: 'present' } : { kind, version };
  }

  /** Every answer against the fold of the log before its record. */
  check(limits: StoreLimits): void {
    const model = new Model(limits, 0);
    let applied = 0;
    for (const call of this.calls) {
      for (; applied < this.records.length; applied++) {
        const record = this.records[applied] as LoggedRecord;
        if (record.position.lsn >= call.lsn) break;
        model.apply(record.mutations, record.position);
        expect(model.isOver(0, 0)).toBe(false);
      }
      const own = this.records.find((record) => record.position.lsn === call.lsn);
      this.#checkCall(call, model.live(call.key, call.nowMs), model, own);
    }
  }

  #checkCall(call: Call, live: ModelEntry | undefined, model: Model, own: LoggedRecord | undefined): void {
    const answer = call.answer.value;
    if (answer === undefined)
      throw new Error(`no answer to ${call.kind} ${call.key} ${call.value}: ${call.answer.error}`);
    const isDeleteOfNothing = call.kind === 'delete' && live === undefined;
    const isApplied = meets(call.condition, live) && !isDeleteOfNothing;
    expect(answer.applied).toBe(isApplied);
    if (!isApplied) {
      const current = call.kind === 'delete' && call.condition === undefined ? undefined : live;
      expect(answer.current?.version).toEqual(current?.version);
      expect(answer.position.lsn).toBeLessThan(call.lsn);
      if (live !== undefined) expect(answer.position.lsn).toBeGreaterThanOrEqual(live.version.lsn);
      return;
    }
    expect(answer.position.lsn).toBe(call.lsn);
    expect(answer.previous?.version).toEqual(live?.version);
    const mutations = own?.mutations ?? [];
    const last = mutations.at(-1);
    expect(last).toMatchObject({ op: call.kind, key: call.key, cause: 'client' });
    if (last?.op === 'set') expect(Buffer.from(last.value).toString()).toBe(call.value);
    // Victims are there, and only as many as the set needs.
    const victims = mutations.slice(0, -1);
    const needed = model.entries.has(call.key) ? 0 : model.entries.size + 1 - model.limits.entriesMax;
    expect(victims.length).toBe(call.kind === 'set' && model.limits.entriesMax > 0 ? Math.max(0, needed) : 0);
    for (const victim of victims) {
      expect(victim).toMatchObject({ op: 'delete', cause: 'evicted' });
      expect(model.entries.has(victim.key)).toBe(true);
    }
  }
}

describe.each(['always', 'interval'] as const)('many writes on their way, at fsync %s', (fsync) => {
  it('are judged as if each had been made when the one before was done', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.constantFrom(0, 1, 3, 5),
        fc.boolean(),
        async (seed, entriesMax, hasTtl) => {
          const limits: StoreLimits = { entriesMax, bytesMax: 0, policy: 'lru' };
          const rig = await Rig.open({ fsync, limits });
          const crowd = new Crowd(rig, new SeededRandom(seed), hasTtl);
          await crowd.run(80);
          await crowd.end();
          crowd.check(limits);
          expect(rig.engine.log.tail.lsn).toBe(rig.engine.applied.lsn);
          if (entriesMax > 0) expect(rig.engine.store.entries).toBeLessThanOrEqual(entriesMax);
          // What is accepted agrees with what is stored again: a store filled to its limit takes no victim too many.
          const before = stateOf(rig.engine);
          const again = await Rig.open({ fileSystem: await rig.close(), fsync, limits });
          expect(stateOf(again.engine)).toBe(before);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('are an exact prefix after a power cut, with all that was acknowledged as durable', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 60 }), async (seed, crashAfter) => {
        const limits: StoreLimits = { entriesMax: 5, bytesMax: 0, policy: 'lru' };
        const rig = await Rig.open({ fsync, limits });
        const crowd = new Crowd(rig, new SeededRandom(seed), true);
        rig.fileSystem.crashAtCall = rig.fileSystem.callCount + crashAfter;
        await crowd.run(80).catch(() => undefined);
        await rig.settle();
        const acked = crowd.calls
          .map(({ answer }) => answer.value)
          .filter((value) => value?.applied === true && value.durabilityReached === 'local')
          .map((value) => value?.position.lsn ?? 0);
        const fence = rig.engine.epochs.starts();
        const again = await Rig.open({ fileSystem: rig.powerCut(seed), fsync, limits });
        const newEpoch = again.engine.epochs.starts().at(-1);
        const prefixLsn = (newEpoch?.firstLsn ?? 0) - 1;
        expect(prefixLsn).toBeGreaterThanOrEqual(Math.max(0, ...acked));
        expect(again.engine.epochs.starts().slice(0, -1)).toEqual(fence);
        const model = new Model(limits, 0);
        for (const { position, mutations } of await again.records()) {
          if (position.lsn <= prefixLsn) model.apply(mutations, position);
        }
        const seen = crowd.records.filter(({ position }) => position.lsn <= prefixLsn);
        const expected = new Model(limits, 0);
        for (const { position, mutations } of seen) expected.apply(mutations, position);
        for (const key of KEYS) {
          expect(again.engine.store.peek(key)?.version).toEqual(model.entries.get(key)?.version);
          // At always what was never visible may have become durable all the same.
          if (seen.at(-1)?.position.lsn === prefixLsn) {
            expect(model.entries.get(key)).toEqual(expected.entries.get(key));
          }
        }
      }),
      { numRuns: 25 },
    );
  });
});
