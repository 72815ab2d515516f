/** An explanation reads the log for at most 2 seconds, and 64 MiB of it, however large the records are. */
import { describe, expect, it } from 'vitest';
import type { ExplainAnswer } from '#model/explain.ts';
import type { AccessTimes } from '#node/access-times.ts';
import { Explainer } from '#node/explainer.ts';
import { Rig, setOf } from '#test/engine/rig.ts';

const MIB = 1_024 * 1_024;
const accesses = { lastMs: () => 0 } as unknown as AccessTimes;

/** Explains `key`, where each read of the log takes so long; `reads`: how often it was read, and how many bytes. */
async function explained(rig: Rig, key: string, readMs: number) {
  const reads = { count: 0, bytes: 0 };
  const { feed } = rig.engine;
  const read = feed.read.bind(feed);
  feed.read = async (...args: Parameters<typeof read>) => {
    await rig.clock.sleep(readMs);
    const run = await read(...args);
    reads.count++;
    if (run !== undefined && 'bytes' in run) reads.bytes += run.bytes.length;
    return run;
  };
  const context = { engine: () => rig.engine, stalenessMs: 0, lagRecords: 0, accesses };
  const explainer = new Explainer(context, rig.clock);
  const answer: ExplainAnswer = await rig.until(
    explainer.explain({ key, changes: 0 }, new AbortController().signal),
  );
  return { answer, reads };
}

describe('the bounds of an explanation', () => {
  it('of its time are kept within records that belong together, and what is newest is found', async () => {
    const rig = await Rig.open({ fsync: 'always' });
    await rig.set('first', 'x');
    for (let i = 0; i < 300; i++) await rig.set(`k${i % 7}`, 'v'.repeat(20_000));
    await rig.set('last', 'x');
    const { answer, reads } = await explained(rig, 'last', 190);
    expect(answer).toMatchObject({ sets: 1, isComplete: false });
    expect(reads.count).toBeLessThanOrEqual(11);
    expect(answer.searchedFrom.lsn).toBeLessThan(rig.engine.position.lsn);
    await rig.close();
  });

  it('of its bytes are kept too, and cost little of what could be searched', async () => {
    const rig = await Rig.open({ fsync: 'always' });
    const small = Array.from({ length: 40 }, (_, i) => setOf(`s${i}`, 'x'));
    const large = 'v'.repeat(MIB);
    for (let i = 0; i < 70; i++) await rig.set(`large${i % 3}`, large);
    for (const command of small) await rig.until(rig.master.set(command));
    const { answer, reads } = await explained(rig, 'large0', 0);
    expect(answer.isComplete).toBe(false);
    expect(reads.bytes).toBeLessThan(66 * MIB);
    expect(answer.sets).toBeGreaterThan(16);
    await rig.close();
  });
});
