/** Asked for again and again while it is in flight, a large value is there once. */
import { expect, it } from 'vitest';
import type { BatchOperation } from '#model/commands.ts';
import { deleteOf, Rig, setOf, watch } from '#test/engine/rig.ts';

const VALUE = Buffer.alloc(1_000_000, 'v');

it('in a batch that reads and judges its own write', async () => {
  const rig = await Rig.open({ fsync: 'always', maxFileBytes: 1 << 24 });
  const operations: BatchOperation[] = [{ kind: 'set', command: setOf('large', VALUE) }];
  for (let i = 0; i < 20; i++) {
    operations.push({ kind: 'get', command: { key: 'large', waitMs: 0 } });
    operations.push({ kind: 'set', command: setOf('large', 'x', { condition: { kind: 'absent' } }) });
  }
  const read = (): never => ({ entry: undefined, asOf: { epoch: 0, lsn: 0 }, stalenessMs: 0 }) as never;
  const results = await rig.until(rig.master.batch(operations, read));
  const values = results.slice(1).map((result) => {
    if (result.kind === 'get') return result.answer.entry?.value;
    return result.kind === 'set' ? result.answer.current?.value : undefined;
  });
  expect(values.length).toBe(40);
  expect(Buffer.from(values[0] ?? []).equals(VALUE)).toBe(true);
  expect(new Set(values.map((value) => value?.buffer)).size).toBe(1);
});

it('in writes that are judged by it one after another, and its record is not changed by the next one', async () => {
  const rig = await Rig.open({ fsync: 'always', maxFileBytes: 1 << 24 });
  rig.fileSystem.holdSyncs();
  const first = watch(rig.master.set(setOf('large', VALUE)));
  const failed = Array.from({ length: 10 }, () =>
    watch(rig.master.set(setOf('large', 'x', { condition: { kind: 'absent' } }))),
  );
  const previous = watch(rig.master.delete(deleteOf('large', { returnPrevious: true })));
  void rig.master.set(setOf('other', Buffer.alloc(1_000_000, 'w')));
  await rig.settle();
  rig.fileSystem.releaseSyncs();
  await rig.settle();
  expect(first.value?.applied).toBe(true);
  const values = failed.map(({ value }) => value?.current?.value);
  expect(new Set(values.map((value) => value?.buffer)).size).toBe(1);
  for (const value of [values[0], previous.value?.previous?.value])
    expect(Buffer.from(value ?? []).equals(VALUE)).toBe(true);
});
