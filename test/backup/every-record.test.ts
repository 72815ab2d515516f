/**
 * A log with a record of every row of the record table: the fold and the rehearsal
 * must come to the state of the engine, and not to that of the keys alone.
 */
import { describe, expect, it } from 'vitest';
import { foldLog } from '#backup/fold-log.ts';
import { rehearseSettled } from '#backup/repair/rehearse-start.ts';
import { withLogImage } from '#backup/survey-log.ts';
import { RECORD_TYPE, type RecordState } from '#engine/records/record-kind.ts';
import { RECORD_ROWS, recordNameOf } from '#engine/records/record-table.ts';
import { makeEpoch } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { clientId, DIR, openBareHost, Rig, requestId, settled, touchOf, ttl } from '#test/engine/rig.ts';

const OFFSET_MS = 3_600_000;
const MEMBERS = {
  voters: [
    { node: 'a', incarnation: 7 },
    { node: 'b', incarnation: 8 },
  ],
  learners: [{ node: 'c', incarnation: 9 }],
  quorum: 2,
};

const OWNERSHIP = { mapEpoch: 3, owned: [{ first: 0, last: 5_460 }] };

/** Whatever records can change. */
function stated({ store, epochs, logClock }: RecordState): unknown {
  const { limits, entries } = store;
  return {
    digest: store.stateDigest(),
    entries,
    limits,
    epochs: epochs.starts(),
    wallOffsetMs: logClock.wallOffsetMs,
    members: store.members.current,
    ownership: store.ownership.current,
  };
}

/** `checkpointAt`: before which group of records a checkpoint is made; the log then begins there. */
async function everyRecord(
  checkpointAt: number,
): Promise<{ disk: MemoryFileSystem; rows: string[]; expected: unknown }> {
  const rig = await Rig.open({ limits: { entriesMax: 50, bytesMax: 0, policy: 'none' } });
  const { engine } = rig;
  const groups = [
    () => rig.set('a', 'value'),
    () => rig.until(engine.formats.take()),
    () => rig.until(rig.master.touch(touchOf('a', ttl(60_000), clientId(7, 1)))),
    () => rig.set('a', 'other', { ...requestId('r'), condition: { kind: 'absent' } }),
    () => rig.logged((done) => engine.submitEpoch(makeEpoch(2, 7), done)),
    () => rig.logged((done) => engine.submitLimits({ entriesMax: 9, bytesMax: 99, policy: 'lru' }, done)),
    () => rig.logged((done) => engine.submitWallOffset(OFFSET_MS, done)),
    () => rig.logged((done) => engine.submitMembers(MEMBERS, done)),
    () => rig.logged((done) => engine.submitOwnership(OWNERSHIP, done)),
  ];
  for (const [i, write] of groups.entries()) {
    if (i === checkpointAt) await rig.until(rig.host.checkpoint());
    await write();
  }
  if (checkpointAt === groups.length) await rig.until(rig.host.checkpoint());
  const rows = (await rig.records()).map(({ frame }) => `${recordNameOf(frame)} ${frame.payload[0]}`);
  const expected = stated(engine);
  return { disk: rig.kill(), rows, expected };
}

const partsOf = (fileSystem: MemoryFileSystem) => ({
  fileSystem,
  clock: new VirtualClock(),
  random: new SeededRandom(3),
  logger: silentLogger,
});

describe('a log with every record of the table', () => {
  it('contains each of them, so a new row needs its record here', async () => {
    const { rows } = await everyRecord(-1);
    expect([...new Set(rows)].sort()).toEqual(
      RECORD_ROWS.map(({ name, version }) => `${name} ${version}`).sort(),
    );
    expect(new Set(RECORD_ROWS.map(({ name }) => name))).toEqual(new Set(Object.keys(RECORD_TYPE)));
  });

  it.each([-1, 0, 3, 4, 5, 6, 7, 8, 9])(
    'is folded to the state of the engine (checkpoint %i)',
    async (at) => {
      const { disk, expected } = await everyRecord(at);
      const parts = partsOf(disk);
      const folding = withLogImage(parts, DIR, (image) => foldLog(parts, image));
      expect(stated(await settled(parts.clock, folding))).toEqual(expected);
    },
  );

  it.each([-1, 0, 3, 4, 5, 6, 7, 8, 9])(
    'is recovered to the state of the engine (checkpoint %i)',
    async (at) => {
      const { disk, expected } = await everyRecord(at);
      const clock = new VirtualClock();
      const host = await openBareHost({ fileSystem: disk, clock });
      expect(stated(await settled(clock, host.open()))).toEqual(expected);
      await settled(clock, host.close());
    },
  );

  it.each([-1, 0, 3, 4, 5, 6, 7, 8, 9])(
    'is rehearsed to the state of the engine (checkpoint %i)',
    async (at) => {
      const { disk, expected } = await everyRecord(at);
      const parts = partsOf(disk);
      expect(stated(await settled(parts.clock, rehearseSettled(parts, DIR)))).toEqual(expected);
    },
  );
});
