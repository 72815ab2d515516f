/** Who belongs to a group: removal, node ids, cycles, and pushes of strangers. */
import { describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { describeState, TestGroup } from '#test/doubles/test-group.ts';

/** The bytes of a disk as they are now, for a later start from this old state. */
function copyOf(fileSystem: MemoryFileSystem): MemoryFileSystem {
  const copy = new MemoryFileSystem();
  for (const path of fileSystem.paths()) {
    if (!path.endsWith('LOCK')) copy.put(path, fileSystem.content(path));
  }
  return copy;
}

describe('removing a replica', () => {
  it('lasts over restarts of the master, until it is added again', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    await group.until(master.node.removeReplica('one:1'));
    await group.set(master, 'a', '1');
    await group.clock.advance(3_000);
    expect(master.node.status().replicas).toEqual([]);
    expect(await group.get(one, 'a')).toBeUndefined();
    const again = await group.master({ fileSystem: await group.stop(master) });
    await group.clock.advance(3_000);
    expect(again.node.status().replicas).toEqual([]);
    expect(one.node.status().reasons.join()).toMatch(/was removed/);
    await group.until(again.node.addReplica('one:1'));
    await group.untilLevel([again, one]);
    expect(await group.get(one, 'a')).toBe('1');
    const third = await group.master({ fileSystem: await group.stop(again) });
    await group.set(third, 'a', '2');
    await group.untilLevel([third, one]);
  });

  it('is not undone by a registration at the same moment', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const { nodeId, logId } = one.node.status();
    const register = (incarnation: string) =>
      master.node.register(
        {
          nodeId,
          incarnation,
          advertise: 'one:1',
          logId,
          tail: { epoch: 0, lsn: 0 as never, crc: 0 },
          upstreamPath: [nodeId],
          applyDelayMs: 0,
          term: 0,
        },
        '10.0.0.9',
      );
    await group.until(
      Promise.allSettled([register('x'), master.node.removeReplica('one:1'), register('y'), register('z')]),
    );
    expect(master.node.status().replicas).toEqual([]);
    await expect(register('w')).rejects.toMatchObject({ code: 'failed_precondition' });
  });

  it('names what is unknown and what is no address', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await expect(master.node.removeReplica('nobody:1')).rejects.toMatchObject({ code: 'not_found' });
    await expect(master.node.addReplica('nonsense')).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('and adding at the same time lose neither', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const addresses = ['a:1', 'b:1', 'c:1', 'd:1'];
    await group.until(Promise.all(addresses.map((address) => master.node.addReplica(address))));
    await group.until(Promise.all(addresses.slice(1).map((address) => master.node.removeReplica(address))));
    const manifest = master.fileSystem.content('/data/MANIFEST').toString();
    expect(JSON.parse(manifest.split('\n')[0] ?? '').replicas).toMatchObject({
      added: ['a:1'],
      removed: ['b:1', 'c:1', 'd:1'],
    });
  });
});

describe('node ids', () => {
  it('a second live holder is refused, and the first goes on', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const copy = copyOf(one.fileSystem);
    const twin = await group.replica('twin', { fileSystem: copy });
    await group.clock.advance(5_000);
    expect(twin.node.status().reasons.join()).toMatch(
      /belongs to the live replica one:1; was the data directory of twin:1 copied/,
    );
    expect(master.node.status().replicas.map((replica) => replica.address)).toEqual(['one:1']);
    await group.set(master, 'a', '2');
    await group.untilLevel([master, one]);
    // Once the first is gone for good, the other may take its place.
    group.kill(one);
    await group.untilLevel([master, twin]);
  });

  it('a node that would follow itself is refused', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const { nodeId, logId } = master.node.status();
    const request = {
      nodeId: 'f'.repeat(32),
      incarnation: 'x',
      advertise: 'r:1',
      logId,
      tail: { epoch: 0, lsn: 0 as never, crc: 0 },
      upstreamPath: ['f'.repeat(32), nodeId],
      applyDelayMs: 0,
      term: 0,
    };
    await expect(master.node.register(request, '10.0.0.9')).rejects.toThrow(/cycle/);
    await expect(
      master.node.register(
        { ...request, upstreamPath: [], applyDelayMs: 0, advertise: 'not an address' },
        '10.0.0.9',
      ),
    ).rejects.toMatchObject({ code: 'invalid_argument' });
  });

  it('that register twice at a time are pushed to once', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const { nodeId } = one.node.status();
    group.kill(one);
    await group.clock.advance(2_000);
    const fresh = {
      nodeId,
      incarnation: 'x',
      advertise: 'one:1',
      logId: '',
      tail: { epoch: 0, lsn: 0 as never, crc: 0 },
      upstreamPath: [nodeId],
      applyDelayMs: 0,
      term: 0,
    };
    let pushes = 0;
    group.network.attach('one:1', {
      replication: {
        replicate: async ({ previous }: { previous: { lsn: number } }) => {
          pushes++;
          return { verdict: { kind: 'ok' }, durable: previous, appliedLsn: previous.lsn };
        },
      },
    } as never);
    await group.until(
      Promise.all([fresh, fresh, fresh].map((each) => master.node.register(each, '10.0.0.9'))),
    );
    await group.clock.advance(10_000);
    expect(pushes).toBeGreaterThanOrEqual(39);
    expect(pushes).toBeLessThanOrEqual(45);
    expect(master.node.status().replicas).toHaveLength(1);
  });

  it('beyond 64 are refused', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const register = (i: number) =>
      master.node.register(
        {
          nodeId: `${i}`.padStart(32, '0'),
          incarnation: 'x',
          advertise: `r${i}:1`,
          logId: '',
          tail: { epoch: 0, lsn: 0 as never, crc: 0 },
          upstreamPath: [],
          applyDelayMs: 0,
          term: 0,
        },
        '10.0.0.9',
      );
    for (let i = 0; i < 64; i++) await group.until(register(i));
    await expect(register(64)).rejects.toMatchObject({ code: 'resource_exhausted' });
    await group.until(register(3));
    await group.stop(master);
  });

  it('a replica takes no replicas', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    expect(() => one.node.addReplica('x:1')).toThrow(expect.objectContaining({ code: 'not_master' }));
  });
});

describe('pushes', () => {
  async function pair() {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const { nodeId, logId } = master.node.status();
    const tail = { epoch: 0, lsn: 0 as never, crc: 0 };
    const push = {
      masterNodeId: nodeId,
      logId,
      term: 1,
      previous: tail,
      frames: new Uint8Array(0),
      durableLsn: 3 as never,
      logClockMs: group.clock.wallMs(),
      ackWhenDurable: false,
    };
    return { group, master, one, push };
  }

  it('from a node that the replica did not register with are refused', async () => {
    const { one, push } = await pair();
    await expect(one.node.replicate({ ...push, masterNodeId: 'e'.repeat(32) })).rejects.toMatchObject({
      code: 'failed_precondition',
    });
  });

  it('of a lower term are fenced, of a foreign log refused, and change nothing', async () => {
    const { group, one, push } = await pair();
    const before = describeState(one);
    expect((await one.node.replicate({ ...push, term: 0 })).verdict).toEqual({ kind: 'fenced', term: 1 });
    expect((await one.node.replicate({ ...push, logId: 'd'.repeat(32) })).verdict.kind).toBe('conflict');
    expect(describeState(one)).toBe(before);
    await group.clock.advance(2_000);
    expect(one.node.status().state).toBe('streaming');
  });

  it('of a higher term make it remember the term before it answers', async () => {
    const { one, push } = await pair();
    await one.node.replicate({ ...push, term: 7 });
    expect(one.fileSystem.content('/data/MANIFEST').toString()).toContain('"term":7');
    expect((await one.node.replicate({ ...push, term: 6 })).verdict).toEqual({ kind: 'fenced', term: 7 });
  });

  it('to a master are refused; a higher term fences it for good', async () => {
    const { group, master, push } = await pair();
    await expect(master.node.replicate(push)).rejects.toMatchObject({ code: 'failed_precondition' });
    expect((await master.node.replicate({ ...push, term: 0 })).verdict).toEqual({ kind: 'fenced', term: 1 });
    await expect(master.node.replicate({ ...push, term: 3, logId: 'c'.repeat(32) })).rejects.toThrow();
    expect(master.node.status().state).toBe('serving');
    await expect(master.node.replicate({ ...push, term: 3 })).rejects.toThrow();
    expect(master.node.status().state).toBe('fenced');
    const again = await group.master({ fileSystem: await group.stop(master) });
    expect(again.node.status().state).toBe('fenced');
  });
});

describe('a directory forced to be a replica by the master binary', () => {
  it('is refused where no master is known to it', async () => {
    const group = new TestGroup();
    const disk = await group.stop(await group.master());
    const starting = group.master({ fileSystem: disk, forcedRole: 'replica' });
    await expect(starting).rejects.toThrow('start it with walnut-slave and master.address set');
  });
});
