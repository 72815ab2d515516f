/** A replica is its node id: an address never stands for it where something is counted. */
import { describe, expect, it } from 'vitest';
import type { NodePorts } from '#model/ports.ts';
import type { ReplicateRequest } from '#model/replication.ts';
import { silentLogger } from '#platform/logger.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

/** Replicas by Status of their master, and how many count for a write made now. */
async function countedNow(group: TestGroup, master: TestNode) {
  const { position, replicasAcked } = await group.set(master, 'counted', 'x', {
    minAcks: 2,
    timeoutMs: 2_000,
  });
  const later = await group.until(
    master.node.awaitDurable({ position, durability: 'local', minAcks: 2, timeoutMs: 500 }),
  );
  expect(later.replicasAcked).toBe(replicasAcked);
  return { replicasAcked, addresses: master.node.status().replicas.map(({ address }) => address) };
}

/** A replica of version 0.1: it reads no node id in pushes, and writes none in its answers. */
function asOldVersion(group: TestGroup, one: TestNode): void {
  const { replication, ...others } = one.node.ports;
  const old: NodePorts = {
    ...others,
    replication: {
      register: (request, remote) => replication.register(request, remote),
      fetchSnapshot: (logId, signal) => replication.fetchSnapshot(logId, signal),
      claim: (request) => replication.claim(request),
      announce: (request, remote) => replication.announce(request, remote),
      observe: (request, remote, signal) => replication.observe(request, remote, signal),
      takeOver: (request) => replication.takeOver(request),
      replicate: async ({ replicaNodeId: _, ...request }: ReplicateRequest) => {
        const { nodeId: __, ...answer } = await replication.replicate(request);
        return answer;
      },
    },
  };
  group.network.attach(one.address, old);
}

describe('two replicas with one address', () => {
  it('the second is refused while the first lives, and neither is counted for the other', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const two = await group.replica('two', { advertise: 'one:1' });
    expect(await countedNow(group, master)).toEqual({ replicasAcked: 1, addresses: ['one:1'] });
    expect(two.node.status().reasons.join()).toMatch(
      /address one:1 belongs to the live replica with node id [0-9a-f]{32}.*server\.advertise of its own/,
    );
    group.kill(two);
    expect(await countedNow(group, master)).toMatchObject({ replicasAcked: 1 });
  });

  it('the one that really stands there gets it, although the other registered first', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const two = await group.replica('two', { advertise: 'one:1' });
    await group.clock.advance(1_000);
    expect(master.node.status().replicas[0]?.problem).toMatch(/it takes no pushes/);
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    expect(await countedNow(group, master)).toEqual({ replicasAcked: 1, addresses: ['one:1'] });
    expect(master.node.status().replicas[0]).toMatchObject({
      nodeId: one.node.status().nodeId,
      state: 'streaming',
      problem: '',
    });
    expect(two.node.status().reasons.join()).toMatch(/address one:1 belongs to the live replica/);
  });

  it('a push that reaches another node than it is for is refused, and the master says so once', async () => {
    const group = new TestGroup();
    const messages: string[] = [];
    const error = (_fields: object, message: string): void => void messages.push(message);
    const master = await group.master({ logger: { ...silentLogger, error } });
    const one = await group.replica('one');
    const two = await group.replica('two');
    await group.untilLevel([master, one, two]);
    // What a name does that is moved by mistake.
    group.network.attach('one:1', two.node.ports);
    expect(await countedNow(group, master)).toMatchObject({ replicasAcked: 1 });
    const entry = master.node.status().replicas.find(({ address }) => address === 'one:1');
    expect(entry).toMatchObject({ state: 'catching_up' });
    expect(entry?.problem).toMatch(/another node than .* answers at one:1/);
    // It registers again every second: that is no news, neither in Status nor in the log.
    const told = messages.length;
    for (let i = 0; i < 100; i++) {
      await group.clock.advance(100);
      const now = master.node.status().replicas.find(({ address }) => address === 'one:1');
      expect(now?.problem).toMatch(/another node than .* answers at one:1/);
    }
    expect(messages).toHaveLength(told);
  });
});

describe('a replica that advertises an address where another node answers', () => {
  const OTHERS = /address (\S+) belongs to .* node id [0-9a-f]{32}.*set server\.advertise of this replica/;

  it('is refused where that is the master itself, and its Status says what to change', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const wrong = await group.replica('wrong', { advertise: 'master:1' });
    await group.clock.advance(5_000);
    const [reason = ''] = wrong.node.status().reasons;
    expect(reason).toMatch(OTHERS);
    expect(reason).toContain('master:1 belongs to this master');
    expect(master.node.status().replicas).toEqual([]);
    await group.clock.advance(60_000);
    expect(master.node.status()).toMatchObject({ state: 'serving', reasons: [] });
    // Changed as the reason says, it follows.
    const right = await group.replica('wrong', { fileSystem: group.kill(wrong) });
    await group.untilLevel([master, right]);
    expect(await countedNow(group, master)).toEqual({ replicasAcked: 1, addresses: ['wrong:1'] });
  });

  it('is refused where that is a node of another group', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const foreign = await group.start('foreign', 'master');
    const wrong = await group.replica('wrong', { advertise: 'foreign:1' });
    await group.clock.advance(5_000);
    expect(wrong.node.status().reasons.join()).toMatch(OTHERS);
    expect(wrong.node.status().reasons.join()).toContain(foreign.node.status().nodeId);
    expect(master.node.status().replicas).toEqual([]);
  });

  it('is taken where nobody answers: it can pull, and its master says what is wrong', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one', { advertise: 'nowhere:1' });
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    await group.clock.advance(10_000);
    expect(master.node.status().replicas[0]?.problem).toMatch(/it takes no pushes/);
  });
});

describe('a replica that restarts empty at its address', () => {
  it('takes the place of the one it was: a disk that is gone is counted no more', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    const before = await group.set(master, 'a', '1', { minAcks: 1, timeoutMs: 1_000 });
    expect(before.replicasAcked).toBe(1);
    group.kill(one);
    const again = await group.replica('one', { fileSystem: new MemoryFileSystem() });
    await group.untilLevel([master, again]);
    expect(await countedNow(group, master)).toEqual({ replicasAcked: 1, addresses: ['one:1'] });
    expect(master.node.status().replicas[0]?.nodeId).toBe(again.node.status().nodeId);
  });

  it('does not make two of one for replication.min_replicas_to_write', async () => {
    const group = new TestGroup();
    const master = await group.master({ minReplicasToWrite: 2 });
    const one = await group.replica('one');
    group.kill(one);
    const again = await group.replica('one', { fileSystem: new MemoryFileSystem() });
    await group.untilLevel([master, again]);
    await group.clock.advance(1_000);
    expect(() => group.set(master, 'a', '1')).toThrow('1 replica takes pushes');
  });
});

describe('a replica of version 0.1', () => {
  it('is pushed to and counts for nothing, since it does not say whose disk it acks', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    asOldVersion(group, one);
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    expect(await countedNow(group, master)).toMatchObject({ replicasAcked: 0 });
    await group.untilLevel([master, one]);
    const [entry] = master.node.status().replicas;
    expect(entry).toMatchObject({ state: 'streaming', lagRecords: 0 });
    expect(entry?.problem).toMatch(/version 0\.1 .* counts for no min_acks/);
    // Upgraded in place, it counts.
    group.network.attach('one:1', one.node.ports);
    expect(await countedNow(group, master)).toMatchObject({ replicasAcked: 1 });
    expect(master.node.status().replicas[0]?.problem).toBe('');
  });

  it('does not let a master write that wants live replicas', async () => {
    const group = new TestGroup();
    const master = await group.master({ minReplicasToWrite: 1 });
    const one = await group.replica('one');
    asOldVersion(group, one);
    await group.clock.advance(2_000);
    expect(() => group.set(master, 'a', '1')).toThrow('0 replicas take pushes');
    group.network.attach('one:1', one.node.ports);
    await group.clock.advance(1_000);
    await group.set(master, 'a', '1');
  });

  it('a master of version 0.1 pushes to a new replica as before', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const { nodeId, logId, term } = master.node.status();
    const push: ReplicateRequest = {
      masterNodeId: nodeId,
      logId,
      term,
      previous: { epoch: 0, lsn: 0 as never, crc: 0 },
      frames: new Uint8Array(0),
      durableLsn: 1 as never,
      logClockMs: group.clock.wallMs(),
      ackWhenDurable: false,
    };
    const answer = await one.node.replicate(push);
    expect(answer).toMatchObject({ verdict: { kind: 'need' }, nodeId: one.node.status().nodeId });
    const other = one.node.replicate({ ...push, replicaNodeId: 'e'.repeat(32) });
    await expect(other).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('what another group’s node says', () => {
  it('at the address of a replica, of terms of its own log, fences nobody', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const { nodeId } = master.node.status();
    const push: ReplicateRequest = {
      masterNodeId: nodeId,
      logId: 'c'.repeat(32),
      term: 0,
      previous: { epoch: 0, lsn: 0 as never, crc: 0 },
      frames: new Uint8Array(0),
      durableLsn: 1 as never,
      logClockMs: group.clock.wallMs(),
      ackWhenDurable: false,
    };
    expect((await one.node.replicate(push)).verdict.kind).toBe('conflict');
    await expect(master.node.replicate(push)).rejects.toMatchObject({ code: 'failed_precondition' });
  });

  it('a copy of the master’s own directory is no replica of it', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const { nodeId, logId } = master.node.status();
    const request = {
      nodeId,
      incarnation: 'x',
      advertise: 'copy:1',
      logId,
      tail: { epoch: 0, lsn: 0 as never, crc: 0 },
      upstreamPath: [],
      applyDelayMs: 0,
      term: 0,
    };
    await expect(group.until(master.node.register(request, '10.0.0.9'))).rejects.toThrow(
      /is this master's own; was its data directory copied to copy:1/,
    );
  });
});
