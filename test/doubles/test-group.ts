/**
 * A group of whole nodes in one process, on memory disks and a virtual clock:
 * the real protocol code with nothing real around it.
 */
import type { DeleteCommand, GetCommand, SetCommand, TouchCommand } from '#model/commands.ts';
import { formatPosition } from '#model/position.ts';
import type { Role } from '#model/status.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { silentLogger } from '#platform/logger.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestNetwork } from '#test/doubles/network.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { createWholeNode, type WholeNode } from '#test/doubles/whole-node.ts';

export interface TestNode {
  readonly name: string;
  readonly address: string;
  readonly node: WholeNode;
  readonly fileSystem: MemoryFileSystem;
  readonly failures: Error[];
}

export type NodeChanges = Partial<NodeOptions> & {
  readonly fileSystem?: MemoryFileSystem;
  /** What other nodes are told, where that is not the node's address. */
  readonly advertise?: string;
};

const MASTER_ADDRESS = 'master:1';

export class TestGroup {
  readonly clock = new VirtualClock();
  readonly network: TestNetwork;
  /** Nodes in the order of their starts, those still starting too. */
  readonly started: WholeNode[] = [];
  #seed: number;

  constructor(seed = 1) {
    this.#seed = seed;
    this.network = new TestNetwork(this.clock, seed);
  }

  master(changes: NodeChanges = {}): Promise<TestNode> {
    return this.start('master', 'master', changes);
  }

  replica(name: string, changes: NodeChanges = {}): Promise<TestNode> {
    return this.start(name, 'replica', changes);
  }

  /** Starts a node and lets it come up; `fileSystem` continues an earlier disk. */
  async start(name: string, role: Role, changes: NodeChanges = {}): Promise<TestNode> {
    const address = `${name}:1`;
    const failures: Error[] = [];
    const fileSystem = changes.fileSystem ?? new MemoryFileSystem();
    const node = createWholeNode({
      fileSystem,
      clock: this.clock,
      random: new SeededRandom(this.#seed++),
      logger: silentLogger,
      dialer: this.network.dialer(address),
      version: 'test',
      role,
      upstream: role === 'master' ? '' : MASTER_ADDRESS,
      directory: '/data',
      fsync: 'interval',
      walSyncIntervalMs: 1_000,
      maxFileBytes: 16_384,
      retentionBytes: 65_536,
      snapshotEveryBytes: 1 << 20,
      limits: { entriesMax: 1_000, bytesMax: 0, policy: 'lru' },
      defaultTtlMs: 0,
      replicas: [],
      pushIntervalMs: 10,
      heartbeatMs: 250,
      maxLagMs: 5_000,
      serveStale: true,
      minReplicasToWrite: 0,
      pullIntervalMs: 1_000,
      onFatal: (error) => failures.push(error),
      ...changes,
    });
    this.network.attach(address, node.ports);
    this.started.push(node);
    const starting = node.start(changes.advertise ?? address);
    await this.until(starting);
    return { name, address, node, fileSystem, failures };
  }

  /** Lets virtual time pass until the promise settles; fails the test where it does not within a minute of it. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = promise.finally(() => {
      isSettled = true;
    });
    done.catch(() => undefined);
    for (let i = 0; i < 6_000 && !isSettled; i++) await this.clock.advance(10);
    if (!isSettled) throw new Error('nothing settled within a minute of virtual time');
    return done;
  }

  /** Lets time pass until the condition is true. */
  async untilTrue(condition: () => boolean, what: string): Promise<void> {
    for (let i = 0; i < 3_000; i++) {
      if (condition()) return;
      await this.clock.advance(20);
    }
    throw new Error(`not within a minute of virtual time: ${what}`);
  }

  /** All nodes at one position with one digest. */
  async untilLevel(nodes: readonly TestNode[]): Promise<void> {
    await this.untilTrue(
      () => new Set(nodes.map((one) => describeState(one))).size === 1,
      'nodes level',
    ).catch(() => {
      throw new Error(
        `nodes are not level: ${nodes.map((one) => `${one.name} ${describeState(one)}`).join(', ')}`,
      );
    });
  }

  set(to: TestNode, key: string, value: string, changes: Partial<SetCommand> = {}) {
    return this.until(Promise.resolve(to.node.set(setCommand(key, value, changes))));
  }

  delete(to: TestNode, key: string, changes: Partial<DeleteCommand> = {}) {
    return this.until(Promise.resolve(to.node.delete(deleteCommand(key, changes))));
  }

  async get(from: TestNode, key: string, changes: Partial<GetCommand> = {}): Promise<string | undefined> {
    const answer = await this.until(Promise.resolve(from.node.get({ key, waitMs: 0, ...changes })));
    return answer.entry === undefined ? undefined : Buffer.from(answer.entry.value).toString();
  }

  /** An orderly stop; the disk stays for the next start. */
  async stop(one: TestNode): Promise<MemoryFileSystem> {
    await this.until(one.node.stop());
    this.network.detach(one.address);
    return one.fileSystem;
  }

  /** SIGKILL: the disk keeps all that was written, synced or not. */
  kill(one: TestNode): MemoryFileSystem {
    this.network.detach(one.address);
    const disk = one.fileSystem.kill();
    this.#bury(one);
    return disk;
  }

  /** A power cut: of what was not synced a part survives, chosen by the seed. */
  powerCut(one: TestNode, seed: number): MemoryFileSystem {
    this.network.detach(one.address);
    const disk = one.fileSystem.crash(seed);
    this.#bury(one);
    return disk;
  }

  /** The dead process has no disk and no network any more; this only ends its timers. */
  #bury(one: TestNode): void {
    one.node.stop().catch(() => undefined);
  }
}

export function setCommand(key: string, value: string, changes: Partial<SetCommand> = {}): SetCommand {
  return {
    key,
    value: Buffer.from(value),
    expiry: { kind: 'default' },
    returnPrevious: false,
    minAcks: 0,
    timeoutMs: 0,
    ...changes,
  };
}

export function touchCommand(key: string, expireAtMs: number): TouchCommand {
  return { key, expiry: { kind: 'at', expireAtMs }, returnValue: false, minAcks: 0, timeoutMs: 0 };
}

export function deleteCommand(key: string, changes: Partial<DeleteCommand> = {}): DeleteCommand {
  return { key, returnPrevious: false, minAcks: 0, timeoutMs: 0, ...changes };
}

export function describeState(one: TestNode): string {
  try {
    const { position, entries, digest } = one.node.digest();
    return `${formatPosition(position)} ${entries} ${digest}`;
  } catch (error) {
    return `${one.name}: ${error instanceof Error ? error.message : error}`;
  }
}
