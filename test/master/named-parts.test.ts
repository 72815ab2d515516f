/** A Batch that has one name for all of its writes and is not atomic. */
import { describe, expect, it } from 'vitest';
import type { BatchResult, WriteOperation } from '#model/commands.ts';
import type { BatchId } from '#model/write-id.ts';
import { clientId, deleteOf, incrementOf, Rig, setOf, touchOf, ttl } from '#test/engine/rig.ts';

const nameOf = (sequence: number, checksum = 1): BatchId => ({ ...clientId(7, sequence).id, checksum });
const set = (key: string, value: string): WriteOperation => ({ kind: 'set', command: setOf(key, value) });
const increment = (key: string): WriteOperation => ({ kind: 'increment', command: incrementOf(key) });

async function open(): Promise<Rig> {
  const rig = await Rig.open();
  await rig.until(rig.engine.formats.take());
  return rig;
}

const run = (rig: Rig, writes: readonly WriteOperation[], id: BatchId): Promise<BatchResult[]> =>
  rig.until(rig.master.namedBatch(writes, id));

/** Tells of each result if it was applied and repeated, or the code of its error. */
const told = (results: readonly BatchResult[]): unknown[] =>
  results.map((result) => {
    if (result.kind === 'error') return result.error.code;
    if (result.kind === 'get') return 'get';
    const { applied, isRepeat } = result.answer;
    return [applied, isRepeat === true];
  });

describe('a Batch with one name', () => {
  it('is carried out once, as one record, and a restarted master tells what each write came to', async () => {
    const rig = await open();
    await rig.set('here', '1');
    const { nextLsn } = rig.engine;
    const writes: WriteOperation[] = [
      set('a', '1'),
      set('a', '2'),
      increment('n'),
      { kind: 'delete', command: deleteOf('missing') },
      { kind: 'set', command: setOf('here', '2', { condition: { kind: 'absent' } }) },
      { kind: 'touch', command: touchOf('here', ttl(5_000)) },
    ];
    const first = await run(rig, writes, nameOf(1));
    expect(rig.engine.nextLsn).toBe(nextLsn + 1);
    expect(told(first).map((one) => (one as boolean[])[0])).toEqual([true, true, true, false, false, true]);
    const again = await run(rig, writes, nameOf(1));
    expect(told(again)).toEqual(told(first).map((one) => [(one as boolean[])[0], true]));
    expect(rig.get('n')).toBe('1');
    const restarted = await Rig.open({ fileSystem: await rig.close() });
    const later = await run(restarted, writes, nameOf(1));
    expect(told(later)).toEqual(told(again));
    expect(later[2]).toMatchObject({ answer: { value: 1n, isRepeat: true } });
    expect(restarted.get('n')).toBe('1');
  });

  it('keeps a write refused that was refused the first time', async () => {
    const rig = await open();
    await rig.set('text', 'no number');
    const writes = [increment('text'), increment('n')];
    const first = await run(rig, writes, nameOf(1));
    expect(told(first)).toEqual(['failed_precondition', [true, false]]);
    await rig.delete('text');
    expect(told(await run(rig, writes, nameOf(1)))).toEqual(['failed_precondition', [true, true]]);
    const restarted = await Rig.open({ fileSystem: await rig.close() });
    const later = await run(restarted, writes, nameOf(1));
    expect(later[0]).toMatchObject({ error: { code: 'unavailable', details: { nothingDone: true } } });
    expect(told(later)).toEqual(['unavailable', [true, true]]);
    expect(restarted.get('text')).toBeUndefined();
  });

  it('of which every write is refused leaves its name new', async () => {
    const rig = await open();
    await rig.set('text', 'no number');
    const { nextLsn } = rig.engine;
    expect(told(await run(rig, [increment('text')], nameOf(1)))).toEqual(['failed_precondition']);
    expect(rig.engine.nextLsn).toBe(nextLsn);
    await rig.delete('text');
    expect(told(await run(rig, [increment('text')], nameOf(1)))).toEqual([[true, false]]);
  });

  it('is refused whole where its name stands for another write, or may have been forgotten', async () => {
    const rig = await open();
    await run(rig, [set('a', '1')], nameOf(2));
    await expect(run(rig, [set('a', '1')], nameOf(2, 5))).rejects.toMatchObject({ code: 'invalid_argument' });
    const { position } = rig.engine;
    const since = { epoch: position.epoch + 1, lsn: position.lsn };
    await expect(run(rig, [set('a', '2')], { ...nameOf(3), since })).rejects.toMatchObject({
      code: 'aborted',
    });
    expect(rig.get('a')).toBe('1');
  });
});
