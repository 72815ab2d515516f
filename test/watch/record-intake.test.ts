/** Records that wait to be matched: every watcher gets what happened since it came, in order, whatever the records are. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import type { Entry, Mutation } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import type { WatchEvent } from '#model/watch.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import { EVERYTHING } from '#test/watch/following.ts';
import type { Frame } from '#wal/frame.ts';
import { BACKLOG_BYTES } from '#watch/backlog.ts';
import { RecordIntake } from '#watch/record-intake.ts';
import { Room } from '#watch/room.ts';
import { Watcher } from '#watch/watcher.ts';

type Step =
  | { readonly kind: 'watch'; readonly prefix: string; readonly withPrevious: boolean }
  | { readonly kind: 'leave' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'take' }
  | { readonly kind: 'records'; readonly keys: readonly string[]; readonly valueBytes: number };

const key = fc.constantFrom('a1', 'a2', 'b1', 'c');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('watch' as const),
    prefix: fc.constantFrom('', 'a', 'b'),
    withPrevious: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.boolean()),
  }),
  fc.constant({ kind: 'leave' as const }),
  fc.constant({ kind: 'settle' as const }),
  fc.constant({ kind: 'take' as const }),
  fc.record({
    kind: fc.constant('records' as const),
    keys: fc.array(fc.array(key, { minLength: 1, maxLength: 2 }).map(String), { minLength: 1, maxLength: 5 }),
    valueBytes: fc.constantFrom(0, 10, 900, 3_000),
  }),
);

interface Watch {
  readonly watcher: Watcher;
  readonly end: () => void;
  /** What it must get. */
  readonly told: string[];
  readonly got: WatchEvent[];
}

/** An engine as far as an intake uses it, which keeps nothing of a record once that is applied. */
class Rig {
  readonly entries = new Map<string, Entry>();
  readonly engine = {
    witness: undefined,
    store: { peek: (stored: string) => this.entries.get(stored) },
  } as unknown as Engine;
  readonly room = new Room(new VirtualClock(), 1 << 30);
  readonly watches: Watch[] = [];
  readonly intake = new RecordIntake(this.engine, 7, () => {});
  #lsn = 0;

  watch(prefix: string, withPrevious: boolean): void {
    const command = { ...EVERYTHING, target: { kind: 'prefix' as const, prefix }, withPrevious };
    const watcher = new Watcher(command, this.room, new VirtualClock());
    this.watches.push({ watcher, end: this.intake.attach(watcher), told: [], got: [] });
  }

  apply(keys: readonly string[], valueBytes: number): void {
    const lsn = ++this.#lsn as Lsn;
    const value = Buffer.alloc(valueBytes, lsn);
    const mutations = keys.map((one): Mutation => {
      return { op: 'set', key: one, value, expireAtMs: 0, cause: 'client' };
    });
    const frame = payloadOf(mutations).toFrame({
      ...{ lsn, epoch: 3, prevCrc: 0, type: 1, flags: 0, timestampMs: 1_000 + lsn },
    });
    for (const { watcher, told } of this.watches) told.push(...this.#expected(watcher, frame, keys, value));
    this.engine.witness?.beforeApply(frame);
    for (const one of keys)
      this.entries.set(one, { key: one, value, expireAtMs: 0, version: { epoch: 3, lsn } });
    frame.buffer.fill('#');
  }

  #expected(
    { target, withPrevious }: Watcher,
    { lsn }: Frame,
    keys: readonly string[],
    value: Buffer,
  ): string[] {
    const prefix = target.kind === 'prefix' ? target.prefix : '';
    return keys.flatMap((one, index) => {
      if (!one.startsWith(prefix)) return [];
      const before = keys.indexOf(one) < index ? lsn : this.entries.get(one)?.version.lsn;
      return [`${lsn} ${one} ${value.toString('hex')} ${withPrevious ? before : undefined}`];
    });
  }
}

/** Takes everything that waits for the watcher: its events must stay as they are. */
function take({ watcher, got }: Watch): void {
  const next = () => watcher.live.take(Number.MAX_SAFE_INTEGER as Lsn);
  for (let run = next(); run !== undefined; run = next()) got.push(...run.events);
}

/** All that the watcher got. */
function allOf(watch: Watch): string[] {
  take(watch);
  return watch.got.map(({ version, key: of, value, previous }) => {
    const before = watch.watcher.withPrevious ? previous?.version.lsn : undefined;
    return `${version.lsn} ${of} ${Buffer.from(value).toString('hex')} ${before}`;
  });
}

it('every watcher gets what was applied since it came, in order, and the entry before it where it asks', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const rig = new Rig();
      for (const one of steps) {
        if (one.kind === 'watch') rig.watch(one.prefix, one.withPrevious);
        else if (one.kind === 'settle') rig.intake.settle();
        else if (one.kind === 'take') rig.watches.forEach(take);
        else if (one.kind === 'leave') rig.watches.shift()?.end();
        else for (const keys of one.keys) rig.apply(keys.split(','), one.valueBytes);
      }
      rig.intake.settle();
      for (const watch of rig.watches) expect(allOf(watch)).toEqual(watch.told);
    }),
    { numRuns: 60 },
  );
});

it('a watcher is told nothing of the records that waited when it came', () => {
  const rig = new Rig();
  rig.watch('', false);
  rig.apply(['a1'], 10);
  rig.watch('', false);
  rig.apply(['a2'], 10);
  rig.intake.settle();
  expect(rig.watches.map((watch) => watch.got.length + watch.watcher.live.length)).toEqual([2, 1]);
  for (const watch of rig.watches) expect(allOf(watch)).toEqual(watch.told);
});

it('the entry before a record is looked up while the store still has it', () => {
  const rig = new Rig();
  rig.watch('', true);
  for (let i = 0; i < 3; i++) rig.apply(['a1'], 10);
  rig.intake.settle();
  const [watch] = rig.watches as [Watch];
  expect(allOf(watch).map((line) => line.split(' ').at(-1))).toEqual(['undefined', '1', '2']);
});

it('more records than may wait are matched as they come', () => {
  const rig = new Rig();
  rig.watch('', false);
  const [watch] = rig.watches as [Watch];
  for (let i = 0; i < 300; i++) rig.apply(['a1'], 900);
  expect(watch.watcher.live.length * 900).toBeGreaterThan(300 * 900 - BACKLOG_BYTES);
  rig.intake.settle();
  expect(allOf(watch)).toEqual(watch.told);
});

it('events that were taken stay as they are while others are packed where they were', () => {
  const rig = new Rig();
  rig.watch('', false);
  const [watch] = rig.watches as [Watch];
  for (let i = 0; i < 60; i++) {
    rig.apply(['a1'], 900);
    rig.intake.settle();
    take(watch);
  }
  expect(allOf(watch)).toEqual(watch.told);
});
