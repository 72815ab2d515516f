/** Fill leases of whole nodes: which node gives them, and what becomes of them when the master changes. */
import { describe, expect, it } from 'vitest';
import type { FillWish, GetAnswer } from '#model/commands.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { watch } from '#test/engine/rig.ts';

const FILL: FillWish = { leaseMs: 30_000, refreshBeforeMs: 2_000 };

function ask({ node }: TestNode, key: string, waitMs = 0): Promise<GetAnswer> {
  return (async () => node.get({ key, waitMs, fill: FILL }))();
}

async function pair(): Promise<{ group: TestGroup; master: TestNode; replica: TestNode }> {
  const group = new TestGroup();
  const master = await group.master();
  const replica = await group.replica('one');
  await group.set(master, 'there', 'v', { expiry: { kind: 'ttl', ttlMs: 10_000 } });
  await group.untilLevel([master, replica]);
  return { group, master, replica };
}

function tokenOf({ fill }: GetAnswer): string {
  return fill?.kind === 'lease' ? fill.token : 'none';
}

describe('a replica', () => {
  it('answers what it has, and refuses with a hint what would need a lease', async () => {
    const { group, replica } = await pair();
    const found = await group.until(ask(replica, 'there'));
    expect([Buffer.from(found.entry?.value ?? []).toString(), found.fill]).toEqual(['v', undefined]);
    const refusal = {
      code: 'not_master',
      message: 'this node is a replica: only a master can give fill leases',
      details: { leaderHint: 'master:1' },
    };
    await expect(group.until(ask(replica, 'missing'))).rejects.toMatchObject(refusal);
    await group.clock.advance(8_500);
    await expect(group.until(ask(replica, 'there'))).rejects.toMatchObject(refusal);
    const get = { kind: 'get', command: { key: 'missing', waitMs: 0, fill: FILL } } as const;
    expect(await group.until(replica.node.batch([get]))).toMatchObject([{ kind: 'error', error: refusal }]);
  });
});

describe('a master', () => {
  it('that reads what a position names waits for it, then for the lease', async () => {
    const { group, master } = await pair();
    const { position } = await group.set(master, 'k', 'v');
    const { fill } = await group.until(
      (async () => master.node.get({ key: 'new', waitMs: 9, atLeast: position, fill: FILL }))(),
    );
    expect(fill?.kind).toBe('lease');
    const dated = { key: 'there', waitMs: 0, withModified: true };
    const { entry } = await group.until((async () => master.node.get({ ...dated, fill: FILL }))());
    expect(entry?.modifiedMs).toBe(
      (await group.until((async () => master.node.get(dated))())).entry?.modifiedMs,
    );
    expect(entry?.modifiedMs).toBeGreaterThan(0);
    expect(master.node.status().fill).toMatchObject({ leases: 1, granted: 1 });
  });

  it('that hands over sends its waiters to the next, which does not know its tokens', async () => {
    const { group, master, replica } = await pair();
    const token = tokenOf(await group.until(ask(master, 'k')));
    const waiting = watch(ask(master, 'k', 60_000));
    await group.untilTrue(() => replica.node.status().state === 'streaming', 'linked');
    await group.until(master.node.failover(replica.address, 0));
    await group.untilTrue(() => waiting.error !== undefined, 'told');
    expect(waiting.error).toMatchObject({ code: 'unavailable', details: { leaderHint: replica.address } });
    const condition = { kind: 'fill_lease', token } as const;
    expect(await group.set(replica, 'k', 'stale', { condition })).toMatchObject({ applied: false });
    expect(tokenOf(await group.until(ask(replica, 'k')))).not.toBe('none');
  });

  it('that stops ends the waits at once, and gives no more leases', async () => {
    const { group, master } = await pair();
    await group.until(ask(master, 'k'));
    const waiting = watch(ask(master, 'k', 60_000));
    await group.clock.settle();
    master.node.beginDrain();
    await group.clock.settle();
    expect(waiting.error).toMatchObject({ code: 'unavailable' });
    await expect(group.until(ask(master, 'k'))).rejects.toMatchObject({ code: 'unavailable' });
    expect((await group.until(ask(master, 'there'))).entry).toBeDefined();
  });

  it('that may not write answers what it has, and gives no leases', async () => {
    const group = new TestGroup();
    const fenced = await group.master({ minReplicasToWrite: 1 });
    await expect(group.until(ask(fenced, 'k'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect((async () => fenced.node.set(setCommand('k', 'v')))()).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});
