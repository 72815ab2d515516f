/** DeletePrefix: what goes and what stays, and how much work one call and one turn may be. */
import { describe, expect, it } from 'vitest';
import type { DeletePrefixAnswer, DeletePrefixCommand } from '#model/commands.ts';
import { deleteOf, Rig, setOf, ttl, watch } from '#test/engine/rig.ts';

function start(
  rig: Rig,
  changes: Partial<DeletePrefixCommand> = {},
  mayGoOn = () => true,
): Promise<DeletePrefixAnswer> {
  const command = { prefix: 'a:', cursor: '', limit: 0, minAcks: 0, timeoutMs: 0, ...changes };
  return rig.master.deletePrefix(command, mayGoOn);
}
const call = (rig: Rig, ...args: [Partial<DeletePrefixCommand>?, (() => boolean)?]) =>
  rig.until(start(rig, ...args));

/** Call after call, as a client does. */
async function callAll(rig: Rig, changes: Partial<DeletePrefixCommand> = {}): Promise<number[]> {
  const deleted: number[] = [];
  let cursor = '';
  do {
    const answer = await call(rig, { ...changes, cursor });
    deleted.push(answer.deleted);
    cursor = answer.nextCursor;
  } while (cursor !== '');
  return deleted;
}

async function fill(rig: Rig, entries: number, prefix: string): Promise<void> {
  const sets = Array.from({ length: entries }, (_, i) => rig.master.set(setOf(`${prefix}${i}`, 'v')));
  await rig.until(Promise.all(sets));
}

describe('DeletePrefix', () => {
  it('deletes what begins with the prefix, and nothing else', async () => {
    const rig = await Rig.open();
    for (const key of ['a:', 'a:1', 'a:2', 'a', 'b:a:', 'ä:']) await rig.set(key, 'v');
    await rig.set('a:gone', 'v', { expiry: ttl(5) });
    await rig.clock.advance(10);
    const lsn = rig.engine.nextLsn;
    expect(await call(rig)).toMatchObject({
      deleted: 3,
      nextCursor: '',
      position: { lsn },
      durabilityReached: 'local',
    });
    expect(['a:', 'a:1', 'a:2', 'a', 'b:a:', 'ä:'].map((key) => rig.get(key))).toEqual([
      undefined,
      undefined,
      undefined,
      'v',
      'v',
      'v',
    ]);
    const last = (await rig.records()).at(-1);
    expect(last?.mutations.map(({ op, cause }) => `${op} ${cause}`)).toEqual(Array(3).fill('delete client'));
  });

  it('with an empty prefix deletes every entry', async () => {
    const rig = await Rig.open();
    await fill(rig, 5, 'a:');
    await fill(rig, 5, 'b:');
    expect(await callAll(rig, { prefix: '' })).toEqual([10]);
    expect(rig.engine.store.entries).toBe(0);
  });

  it('goes on where the call before ended, each entry once', async () => {
    const rig = await Rig.open();
    await fill(rig, 250, 'a:');
    await fill(rig, 250, 'b:');
    const deleted = await callAll(rig, { limit: 100 });
    expect(deleted.reduce((sum, one) => sum + one, 0)).toBe(250);
    expect(Math.max(...deleted)).toBeLessThanOrEqual(100);
    expect(rig.engine.store.entries).toBe(250);
  });

  it('deletes 512 entries a turn, and lets others in between', async () => {
    const rig = await Rig.open();
    await fill(rig, 2_000, 'a:');
    const deleting = start(rig, { limit: 10_000 });
    // A write that is made between two turns is in a record between theirs, and stays.
    const between = rig.master.set(setOf('b', 'v'));
    const answer = await rig.until(deleting);
    await rig.until(between);
    expect(answer).toMatchObject({ deleted: 2_000, nextCursor: '' });
    expect(rig.get('b')).toBe('v');
    const records = (await rig.records()).slice(-5).map(({ mutations }) => mutations.length);
    expect(records).toEqual([512, 1, 512, 512, 464]);
  });

  it('ends a call after so many turns where few keys have the prefix', async () => {
    const rig = await Rig.open();
    await rig.set('a:1', 'v');
    const { store } = rig.engine;
    let pages = 0;
    const scan = store.scan.bind(store);
    store.scan = (command, nowMs) => {
      pages++;
      // A store that has no end answers like this.
      return { ...scan({ ...command, cursor: '' }, nowMs), nextCursor: 'ab-1' };
    };
    const { deleted, nextCursor } = await call(rig);
    expect([deleted, nextCursor !== '']).toEqual([1, true]);
    expect(pages).toBe(33);
  });

  it('does not count what is being deleted already', async () => {
    const rig = await Rig.open();
    await fill(rig, 3, 'a:');
    rig.fileSystem.holdSyncs();
    const one = watch(rig.master.delete(deleteOf('a:1')));
    const all = watch(start(rig));
    await rig.settle();
    expect(all.value).toBeUndefined();
    const again = watch(start(rig));
    await rig.settle();
    rig.fileSystem.releaseSyncs();
    await rig.until(Promise.all([one.promise, all.promise, again.promise]));
    expect([one.value?.applied, all.value?.deleted, again.value?.deleted]).toEqual([true, 2, 0]);
    // Nothing deleted: the state that it looked at, which it waited for.
    expect(again.value?.position).toEqual(all.value?.position);
  });

  it('tells what it did where the node may write no longer', async () => {
    const rig = await Rig.open();
    await fill(rig, 1_500, 'a:');
    let turns = 0;
    const answer = await call(rig, { limit: 10_000 }, () => ++turns < 2);
    expect(answer).toMatchObject({ deleted: 1_024 });
    expect(answer.nextCursor).not.toBe('');
    expect(await callAll(rig, { cursor: answer.nextCursor })).toEqual([476]);
  });

  it('waits for what it asks, and refuses a cursor of another store', async () => {
    const rig = await Rig.open();
    await fill(rig, 2, 'a:');
    expect(await call(rig, { minAcks: 1, timeoutMs: 20 })).toMatchObject({ deleted: 2, replicasAcked: 0 });
    await expect(call(rig, { cursor: 'ab-1' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
