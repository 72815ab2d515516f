/** Embedded replicas, on memory disks, a virtual clock and links within the process. */
import { describe, expect, it } from 'vitest';
import { formatPosition } from '#model/position.ts';
import { OBSERVER_PULL_BYTES_MAX } from '#slave/puller.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { MemoryFileSystem as Disk } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import type { EmbeddedReplica } from '../../embedded/embedded-replica.ts';
import { openReplica } from '../../embedded/open-replica.ts';
import type { ReplicaOptions } from '../../embedded/replica-options.ts';

const text = (value: Uint8Array | undefined): string | undefined =>
  value && Buffer.from(value.buffer, value.byteOffset, value.length).toString();

const BAD_TIMEOUT = { timeoutMs: Number.NaN };

interface Embedding {
  readonly name?: string;
  readonly fileSystem?: MemoryFileSystem;
  readonly options?: Partial<ReplicaOptions>;
}

function embed(group: TestGroup, { name = 'app', fileSystem, options }: Embedding = {}) {
  const opening = openReplica(
    { master: 'master:1', directory: '/data', ...options },
    {
      clock: group.clock,
      random: new SeededRandom(99),
      fileSystem: fileSystem ?? new Disk(),
      dialer: group.network.dialer(`${name}:1`),
    },
  );
  opening.catch(() => undefined);
  return group.until(opening);
}

const level = (group: TestGroup, master: TestNode, replica: EmbeddedReplica): Promise<void> =>
  group.untilTrue(
    () => formatPosition(replica.position) === formatPosition(master.node.status().position),
    'the replica is level',
  );

describe('an embedded replica', () => {
  it('reads without a promise, from what its master wrote', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const replica = await embed(group);
    expect(text(replica.get('a'))).toBe('1');
    await group.set(master, 'a', '2', { expiry: { kind: 'ttl', ttlMs: 60_000 } });
    await group.set(master, 'b:1', 'x');
    await group.set(master, 'b:2', 'y');
    await level(group, master, replica);
    expect(text(replica.get('a'))).toBe('2');
    expect(text(replica.get('b:1'))).toBe('x');
    expect(replica.has('b:3')).toBe(false);
    expect([...replica.scan('b:')].map(({ key }) => key).sort()).toEqual(['b:1', 'b:2']);
    expect(replica.entry('b:2')).toMatchObject({ key: 'b:2', version: master.node.status().position });
    expect(() => replica.get(7 as never)).toThrow(/the key is 7: expected a string/);
    const { store, state } = replica.status;
    expect({ state, hits: store.hits, misses: store.misses }).toEqual({
      state: 'streaming',
      hits: 4,
      misses: 1,
    });
    await group.until(replica.close());
    expect(() => replica.get('a')).toThrow(/this replica is closed/);
  });

  it('hides an entry at its deadline, though its master is gone', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1', { expiry: { kind: 'ttl', ttlMs: 5_000 } });
    const replica = await embed(group);
    await level(group, master, replica);
    group.kill(master);
    await group.clock.advance(4_000);
    expect(text(replica.get('a'))).toBe('1');
    await group.clock.advance(1_100);
    expect(replica.get('a')).toBeUndefined();
    expect(replica.has('a')).toBe(false);
    await group.until(replica.close());
  });

  it('writes its log on another thread than the one of the program', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const fileSystem = new Disk();
    const replica = await embed(group, { fileSystem });
    const { counts } = fileSystem;
    const before = counts.get('write') ?? 0;
    await group.set(master, 'a', '1');
    await level(group, master, replica);
    expect(counts.get('write')).toBeGreaterThan(before);
    expect(counts.get('writeNow')).toBeUndefined();
    await group.until(replica.close());
  });

  it('asks for less at once than other replicas, since it decodes it on the thread of the program', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const { ports } = master.node;
    const keyValue = Object.create(ports.keyValue) as typeof ports.keyValue;
    const asked: number[] = [];
    keyValue.getUpdates = (command, signal) => {
      asked.push(command.bytesMax);
      return ports.keyValue.getUpdates(command, signal);
    };
    group.network.attach('master:1', { ...ports, keyValue });
    const replica = await embed(group);
    expect(new Set(asked)).toEqual(new Set([OBSERVER_PULL_BYTES_MAX]));
    await group.until(replica.close());
  });

  it('copies nothing, and never writes over what it gave out', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const replica = await embed(group);
    const [first, same] = [replica.get('a'), replica.get('a')];
    expect([first?.buffer === same?.buffer, first?.byteOffset]).toEqual([true, same?.byteOffset]);
    for (let i = 2; i < 50; i++) await group.set(master, 'a', `${i}`);
    await level(group, master, replica);
    expect([text(first), text(replica.get('a'))]).toEqual(['1', '49']);
    await group.until(replica.close());
  });

  it('says how old its data is, and refuses reads beyond maxStalenessMs', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const replica = await embed(group, { options: { maxStalenessMs: 2_000 } });
    await level(group, master, replica);
    expect(replica.stalenessMs).toBeLessThan(500);
    group.network.cut('app:1', 'master:1');
    await group.clock.advance(1_500);
    expect(text(replica.get('a'))).toBe('1');
    await group.clock.advance(1_500);
    expect(replica.stalenessMs).toBeGreaterThan(2_000);
    for (const read of [() => replica.get('a'), () => replica.entry('a'), () => [...replica.scan()]])
      expect(read).toThrow(/ms old, and maxStalenessMs is 2000: cannot follow master:1/);
    group.network.heal();
    await group.until(replica.ready());
    expect(text(replica.get('a'))).toBe('1');
    await group.until(replica.close());
  });

  it('goes on from its own log: it can be read at once, and takes no snapshot', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const fileSystem = new Disk();
    const first = await embed(group, { fileSystem });
    await level(group, master, first);
    await group.until(first.close());
    await group.set(master, 'a', '2');
    group.network.cut('app:1', 'master:1');
    const again = await embed(group, { fileSystem });
    expect(text(again.get('a'))).toBe('1');
    const late = group.until(again.ready({ timeoutMs: 500 }));
    await expect(late).rejects.toThrow(/not ready after 500 ms: cannot follow master:1/);
    group.network.heal();
    await group.until(again.ready());
    expect(text(again.get('a'))).toBe('2');
    expect(master.node.status().observers?.furthest).toMatchObject([{ fullResyncs: 0 }]);
    await group.until(again.close());
  });

  it('reads what a snapshot brought, after the log of its master was cut', async () => {
    const group = new TestGroup();
    const master = await group.master({ retentionBytes: 0, ringBytesMax: 300_000 });
    await group.set(master, 'a', '1');
    const replica = await embed(group);
    await level(group, master, replica);
    expect(text(replica.get('a'))).toBe('1');
    group.network.cut('app:1', 'master:1');
    for (let i = 0; i < 100; i++) await group.set(master, 'a', `${i}`.padEnd(20_000, 'x'));
    await group.set(master, 'a', '2');
    await group.until(master.node.checkpoint());
    group.network.heal();
    await level(group, master, replica);
    expect(text(replica.get('a'))).toBe('2');
    expect(master.node.status().observers?.furthest).toMatchObject([{ fullResyncs: 1 }]);
    expect(replica.status.store).toMatchObject({ hits: 2, misses: 0 });
    await group.until(replica.close());
  });

  it('waits for the position of a write, or says that it will never come', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const replica = await embed(group);
    const { position } = await group.set(master, 'a', '2');
    await group.until(replica.waitFor(position));
    expect(text(replica.get('a'))).toBe('2');
    const later = { ...position, lsn: (position.lsn + 5) as typeof position.lsn };
    const waiting = group.until(replica.waitFor(formatPosition(later), { timeoutMs: 300 }));
    await expect(waiting).rejects.toThrow(/is not reached after 300 ms/);
    await group.until(replica.waitFor(`s1.${formatPosition(position)}`));
    await group.until(replica.waitFor('s1'));
    // A session that has not been shown to be whole is waited for as a whole.
    const unproven = replica.waitFor(`s1.${formatPosition(position)}.1-1`, { timeoutMs: 300 });
    await expect(group.until(unproven)).rejects.toThrow('position 1-1 is not reached');
    for (const wait of [() => replica.waitFor(position, BAD_TIMEOUT), () => replica.ready(BAD_TIMEOUT)])
      await expect(wait()).rejects.toThrow('timeoutMs is NaN: expected milliseconds, 0 or more');
    const misnamed = { timeout: 5 } as never;
    for (const wait of [() => replica.waitFor(position, misnamed), () => replica.ready(misnamed)])
      await expect(wait()).rejects.toThrow('unknown option "timeout": expected timeoutMs, signal');
    for (const place of [undefined, 7, { lsn: 1 }])
      await expect(replica.waitFor(place as never)).rejects.toThrow(/: expected a position, epoch-lsn/);
    await expect(replica.waitFor('nonsense')).rejects.toThrow(
      /is no position: expected epoch-lsn, or a session/,
    );
    await group.until(replica.close());
  });

  it('waits for what a session of groups of a cluster has seen of its own', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const replica = await embed(group);
    /** What the master names when it is asked. */
    const named = ['', 'g1'];
    const awaitDurable = async () => {
      const name = named.shift();
      if (name === undefined) throw new Error('nobody answers');
      return { durable: { group: name } };
    };
    Object.assign(replica.client, { awaitDurable });
    const { position } = await group.set(master, 'a', '2');
    const seen = `s2.g1_${formatPosition(position)}.g2_7-7`;
    await expect(group.until(replica.waitFor(seen))).rejects.toMatchObject({ code: 'failed_precondition' });
    await group.until(replica.waitFor(seen));
    expect(text(replica.get('a'))).toBe('2');
    const later = { ...position, lsn: (position.lsn + 5) as typeof position.lsn };
    const waiting = group.until(replica.waitFor(`s2.g1_${formatPosition(later)}`, { timeoutMs: 300 }));
    await expect(waiting).rejects.toThrow(/is not reached after 300 ms/);
    await group.until(replica.waitFor('s2.g2_7-7'));
    // Nobody has said which group this is of.
    const unproven = group.until(replica.waitFor('s2.1-1.g2_7-7', { timeoutMs: 300 }));
    await expect(unproven).rejects.toThrow('position 1-1 is not reached');
    await group.until(replica.close());
  });

  it('waits for no session of groups where its master does not answer', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const replica = await embed(group);
    const awaitDurable = ({ signal }: { signal: AbortSignal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))));
    Object.assign(replica.client, { awaitDurable });
    const waiting = group.until(replica.waitFor('s2.g1_7-7', { timeoutMs: 300 }));
    await expect(waiting).rejects.toThrow(/not known which group .*: given up/);
    await group.until(replica.close());
  });

  it('is not opened without options', async () => {
    await expect(openReplica(undefined as never)).rejects.toThrow(
      /options are undefined: expected an object/,
    );
  });

  it('without data and without a master is an error that names both', async () => {
    const group = new TestGroup();
    const opening = embed(group, { options: { openMs: 2_000 } });
    await expect(opening).rejects.toThrow(/not ready after 2000 ms: cannot follow master:1/);
  });

  it('throws once its disk has failed, and tells it', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await group.set(master, 'a', '1');
    const fileSystem = new Disk();
    const failures: string[] = [];
    const onFailed = (error: Error): void => void failures.push(error.message);
    const replica = await embed(group, { fileSystem, options: { onFailed } });
    fileSystem.fail({ call: 'datasync', code: 'EIO' });
    await group.set(master, 'a', '2');
    await group.untilTrue(() => failures.length > 0, 'the failure is told');
    expect(() => replica.get('a')).toThrow(/this replica has failed/);
    expect(failures).toHaveLength(1);
    await group.until(replica.close().catch(() => undefined));
  });

  it.each([
    [{ masters: 'a:1' } as never, /unknown option "masters": expected master, directory, tls/],
    [{ master: undefined as never }, /master is undefined: expected host:port such as/],
    [{ master: 8080 as never }, /master is 8080: expected host:port such as/],
    [{ onFailed: true as never }, /onFailed is true: expected a function/],
    [{ master: [] }, /master names 0 nodes: expected 1 to 32/],
    [{ master: 'master' }, /master is "master": expected host:port/],
    [{ master: ['https://a:1', 'b:1'] }, /master is "b:1": expected .* https:\/\/host:port for all/],
    [{ directory: '' }, /directory is "": expected a path/],
    [{ directory: 5 as never }, /directory is 5: expected a path/],
    [{ fsync: ['always'] as never }, /fsync is a list: expected always/],
    [{ logger: console.log as never }, /logger is a function: expected an object with .*, child/],
    [
      { logger: console as never },
      /logger is .*: expected an object with debug, info, warn, error, fatal, child/,
    ],
    [{ logger: null as never }, /logger is null: expected an object/],
    [{ master: '10.0.0.1:1', token: 'abc' }, /the token would cross the network to 10.0.0.1:1 in clear text/],
    [{ fsync: 'sometimes' as never }, /fsync is "sometimes": expected always, interval, never/],
    [{ maxStalenessMs: Number.NaN }, /maxStalenessMs is NaN: expected milliseconds, 0 or more/],
    [{ visibleMs: -1 }, /visibleMs is -1: expected milliseconds/],
    [{ openMs: '5s' as never }, /openMs is "5s": expected milliseconds/],
    [{ master: 'https://a:1', tls: { cert: 'x' } }, /expected tls.cert and tls.key together/],
  ])('refuses %j', async (options, why) => {
    await expect(embed(new TestGroup(), { options })).rejects.toThrow(why);
  });
});
