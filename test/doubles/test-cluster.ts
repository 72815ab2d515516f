/**
 * A group of whole members under a real coordinator, in one process: memory disks, a
 * memory metadata store and a virtual clock. Links between nodes are those of `TestGroup`.
 */

import type { MemberPort } from '#cluster/member-port.ts';
import { Coordinator } from '#coordinator/coordinator.ts';
import { createMembers } from '#coordinator/members.ts';
import type { LocalStore } from '#metadata/local-store.ts';
import { unavailable } from '#model/errors.ts';
import type { MemberOptions } from '#node/member/member-options.ts';
import { silentLogger } from '#platform/logger.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { type NodeChanges, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const COORDINATOR = 'coordinator:1';

export class TestCluster {
  readonly group: TestGroup;
  readonly nodes = new Map<string, TestNode>();
  /** Nodes between which and the coordinator nothing passes. */
  readonly cutOff = new Set<string>();
  store: LocalStore;
  coordinator: Coordinator;
  #seed: number;
  readonly #changes: NodeChanges;

  /** `changes`: what every member has otherwise than `TestGroup` has it. */
  constructor(seed = 1, changes: NodeChanges = {}) {
    this.#seed = seed;
    this.#changes = changes;
    this.group = new TestGroup(seed);
    this.store = createMemoryMetadata(this.group.clock);
    this.coordinator = this.#startCoordinator();
  }

  /** Starts members of these names and founds the cluster with them as one group; resolves when one takes writes. */
  found(...names: string[]): Promise<number> {
    return this.foundGroups({ g1: names });
  }

  /** Starts the members of these groups and founds the cluster; resolves when every group takes writes, with the virtual milliseconds that this took. */
  async foundGroups(groups: Readonly<Record<string, readonly string[]>>): Promise<number> {
    for (const name of Object.values(groups).flat()) await this.start(name);
    await this.group.untilTrue(() => this.coordinator.isActive, 'an active coordinator');
    await this.group.clock.advance(1_000);
    const plans = Object.entries(groups).map(([id, nodes]) => ({ id, nodes }));
    await this.group.until(this.coordinator.requests.initCluster({ kind: 'given', groups: plans }));
    const ledMs = await this.untilLed(20_000, plans.length);
    // By then the others follow, and the coordinator has heard it.
    await this.group.clock.advance(2_000);
    return ledMs;
  }

  async start(name: string, changes: NodeChanges = {}): Promise<TestNode> {
    const one = await this.group.start(name, 'replica', {
      upstream: '',
      member: this.memberOptions(name),
      ...this.#changes,
      ...changes,
    });
    this.nodes.set(name, one);
    return one;
  }

  memberOptions(node: string): MemberOptions {
    const { clock } = this.group;
    return {
      cluster: 'test',
      node,
      zone: '',
      coordinators: [COORDINATOR],
      leaseMs: 1_500,
      heartbeat: async (_, heartbeat) => {
        this.#checkReached(node);
        const answer = await this.coordinator.heartbeat(heartbeat);
        this.#checkReached(node);
        return answer;
      },
      readClocks: () => ({
        monotonicMs: clock.monotonicMs(),
        wallMs: clock.wallMs(),
        uptimeMs: clock.monotonicMs(),
      }),
    };
  }

  kill(name: string): ReturnType<TestGroup['kill']> {
    const one = this.node(name);
    this.nodes.delete(name);
    return this.group.kill(one);
  }

  node(name: string): TestNode {
    const one = this.nodes.get(name);
    if (one === undefined) throw new Error(`${name} does not run`);
    return one;
  }

  /** The members that take writes now. */
  get masters(): TestNode[] {
    return [...this.nodes.values()].filter(({ node }) => node.status().state === 'serving');
  }

  get master(): TestNode {
    const [master] = this.masters;
    if (master === undefined) throw new Error('nobody takes writes');
    return master;
  }

  /** Resolves when so many members take writes. Returns how long it took, milliseconds. */
  async untilLed(limitMs = 20_000, count = 1): Promise<number> {
    const { clock } = this.group;
    const fromMs = clock.monotonicMs();
    while (this.masters.length < count) {
      if (clock.monotonicMs() - fromMs > limitMs) throw new Error(`nobody takes writes: ${this.#describe()}`);
      await clock.advance(20);
    }
    return clock.monotonicMs() - fromMs;
  }

  /** Ends the coordinator; the store keeps what it has. */
  async stopCoordinator(): Promise<void> {
    await this.group.until(this.coordinator.stop());
  }

  /** The coordinator ends, and another one starts on an empty store. */
  async loseStore(): Promise<void> {
    await this.stopCoordinator();
    this.store = createMemoryMetadata(this.group.clock);
    this.restartCoordinator();
  }

  restartCoordinator(): void {
    this.coordinator = this.#startCoordinator();
  }

  async stop(): Promise<void> {
    for (const { node } of this.nodes.values()) await this.group.until(node.stop());
    await this.stopCoordinator();
  }

  #startCoordinator(): Coordinator {
    const { clock } = this.group;
    const coordinator = new Coordinator({
      cluster: 'test',
      store: this.store,
      members: createMembers((address) => this.#memberAt(address)),
      clock,
      readClocks: () => ({
        monotonicMs: clock.monotonicMs(),
        wallMs: clock.wallMs(),
        uptimeMs: clock.monotonicMs(),
      }),
      random: new SeededRandom(this.#seed++ + 1_000),
      logger: silentLogger,
    });
    coordinator.start(COORDINATOR);
    return coordinator;
  }

  #memberAt(address: string): MemberPort {
    const name = address.slice(0, address.indexOf(':'));
    this.#checkReached(name);
    const port = this.nodes.get(name)?.node.ports.member;
    if (port === undefined) throw unavailable(`${name} does not answer`);
    return port;
  }

  #checkReached(name: string): void {
    if (this.cutOff.has(name) || !this.nodes.has(name))
      throw unavailable(`${name} and the coordinator are cut off`);
  }

  #describe(): string {
    const states = [...this.nodes.values()].map(({ name, node }) => {
      const { state, reasons, term } = node.status();
      return `${name} ${state} in term ${term} (${reasons.join('; ')})`;
    });
    return [...states, ...this.coordinator.alarms].join(', ');
  }
}
