/** A registration belongs to the caller that made it: it ends when that caller is retired. */
import { describe, expect, it } from 'vitest';
import { unavailable } from '#model/errors.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const NODE_ID = 'a'.repeat(32);

/** A master, and a replica at one:1 that has registered and notes how often it is pushed to. */
async function open() {
  const group = new TestGroup();
  const master = await group.master();
  let pushes = 0;
  const replicate = async () => {
    pushes++;
    throw unavailable('it takes no pushes');
  };
  const ports = { admin: { status: () => ({ nodeId: NODE_ID }) }, replication: { replicate } };
  group.network.attach('one:1', ports as never);
  const user = new AbortController();
  return { group, master, user, pushes: () => pushes };
}

function register(group: TestGroup, master: TestNode, retired: AbortSignal) {
  return group.until(
    master.node.register(
      {
        nodeId: NODE_ID,
        incarnation: 'once',
        advertise: 'one:1',
        logId: master.node.status().logId,
        tail: { epoch: 0, lsn: 0 as never, crc: 0 },
        upstreamPath: [NODE_ID],
        applyDelayMs: 0,
        term: 0,
      },
      '10.0.0.9',
      retired,
    ),
  );
}

/** Pushes of two seconds in which something is written. */
async function pushesAfterAWrite({ group, master, pushes }: Awaited<ReturnType<typeof open>>) {
  const before = pushes();
  await group.set(master, 'k', 'v');
  await group.clock.advance(2_000);
  return pushes() - before;
}

describe('a registration', () => {
  it('is dropped when its caller is retired, and no write goes to that node any more', async () => {
    const all = await open();
    const { group, master, user } = all;
    expect((await register(group, master, user.signal)).verdict.kind).toBe('continue');
    expect(await pushesAfterAWrite(all)).toBeGreaterThan(0);
    user.abort();
    await group.clock.advance(0);
    expect(await pushesAfterAWrite(all)).toBe(0);
    expect(master.node.status().replicas).toEqual([]);
  });

  it('that was made again belongs to the last caller alone', async () => {
    const all = await open();
    const { group, master, user } = all;
    const later = new AbortController();
    await register(group, master, user.signal);
    await register(group, master, later.signal);
    user.abort();
    await group.clock.advance(0);
    expect(await pushesAfterAWrite(all)).toBeGreaterThan(0);
    later.abort();
    expect(await pushesAfterAWrite(all)).toBe(0);
  });

  it('is refused where its caller is retired while it is being made, and ends an earlier one', async () => {
    const all = await open();
    const { group, master, user } = all;
    await register(group, master, new AbortController().signal);
    const asked = register(group, master, user.signal);
    user.abort();
    await expect(asked).rejects.toThrow('the rights of this caller changed: register again');
    expect(await pushesAfterAWrite(all)).toBe(0);
  });
});
