/**
 * Groups of three whole members under a real coordinator, with random faults: kills, power
 * cuts, wiped disks, cut links, members that the coordinator does not reach, coordinators
 * that stop. At every moment at most one member takes writes, in the end every write that
 * was acknowledged at QUORUM is there, and what was written and read is linearizable.
 * `WALNUT_MEMBER_RUNS` runs more.
 */
import { expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import type { TestNode } from '#test/doubles/test-group.ts';
import { MemberHistory } from './member-history.ts';

const RUNS = Number(process.env['WALNUT_MEMBER_RUNS'] ?? 2);
const SEED = Number(process.env['WALNUT_MEMBER_SEED'] ?? 1);
const NAMES = ['a', 'b', 'c'];
const STEP_MS = 20;
const STEPS = 500;
const FAULT_EVERY = 40;

type Disk = TestNode['fileSystem'];

class Run {
  readonly cluster: TestCluster;
  readonly #random: SeededRandom;
  readonly acknowledged = new Map<string, string>();
  readonly history: MemberHistory;
  readonly #down = new Map<string, Disk | undefined>();
  #isCoordinated = true;
  #writes = 0;
  leaders = new Set<string>();

  constructor(seed: number) {
    this.cluster = new TestCluster(seed);
    this.#random = new SeededRandom(seed);
    this.history = new MemberHistory(this.cluster.group.clock, new SeededRandom(seed));
  }

  async go(): Promise<void> {
    await this.cluster.found(...NAMES);
    for (let step = 0; step < STEPS; step++) {
      if (step % FAULT_EVERY === 0) await this.#fault();
      this.#write();
      for (const one of this.cluster.nodes.values()) this.history.act(one);
      await this.#advance();
    }
    await this.#heal();
  }

  async #advance(): Promise<void> {
    await this.cluster.group.clock.advance(STEP_MS);
    const serving = this.cluster.masters.map(({ name, node }) => `${name} in term ${node.status().term}`);
    expect(serving.length, serving.join(', ')).toBeLessThanOrEqual(1);
    if (serving[0] !== undefined) this.leaders.add(serving[0]);
  }

  /** Tries a write on every member: a master that was deposed must not acknowledge one. */
  #write(): void {
    const key = `k${this.#writes++}`;
    for (const { name, node } of this.cluster.nodes.values()) {
      const value = `${name} ${key}`;
      const command = {
        key: `${key}-${name}`,
        value: Buffer.from(value),
        expiry: { kind: 'default' },
      } as const;
      const receipt = { returnPrevious: false, minAcks: 0, durability: 'quorum', timeoutMs: 2_000 } as const;
      const writing = async (): Promise<void> => {
        const answer = await node.set({ ...command, ...receipt });
        if (answer.durabilityReached === 'quorum') this.acknowledged.set(command.key, value);
      };
      writing().catch(() => undefined);
    }
  }

  async #fault(): Promise<void> {
    const name = this.#random.pick(NAMES);
    const kind = this.#random.pick(['kill', 'power', 'wipe', 'cut', 'cut off', 'coordinator', 'mend']);
    const { group, nodes, cutOff } = this.cluster;
    if (kind === 'mend') return this.#mend();
    if (kind === 'cut') {
      const isBothWays = this.#random.chance(0.5);
      for (const other of NAMES) {
        group.network.cut(`${name}:1`, `${other}:1`);
        if (isBothWays) group.network.cut(`${other}:1`, `${name}:1`);
      }
    } else if (kind === 'cut off') cutOff.add(name);
    else if (kind === 'coordinator') {
      if (this.#isCoordinated) await this.cluster.stopCoordinator();
      else this.cluster.restartCoordinator();
      this.#isCoordinated = !this.#isCoordinated;
    } else if (nodes.has(name) && this.#down.size === 0) {
      // One disk at a time: the promise is about any single failure.
      const one = this.cluster.node(name);
      nodes.delete(name);
      const disk = kind === 'power' ? group.powerCut(one, this.#random.uint32()) : group.kill(one);
      this.#down.set(name, kind === 'wipe' && this.#mayWipe(name) ? undefined : disk);
    }
  }

  /** True if the two others have everything, and no disk was wiped before. */
  #mayWipe(name: string): boolean {
    if (this.#isWiped) return false;
    const levels = NAMES.filter((other) => other !== name).map((other) => {
      const one = this.cluster.nodes.get(other);
      return one === undefined ? -1 : one.node.status().durableLsn;
    });
    this.#isWiped = levels[0] === levels[1];
    return this.#isWiped;
  }
  #isWiped = false;

  async #mend(): Promise<void> {
    this.cluster.group.network.heal();
    this.cluster.cutOff.clear();
    for (const [name, disk] of this.#down)
      await this.cluster.start(name, disk === undefined ? {} : { fileSystem: disk });
    this.#down.clear();
  }

  async #heal(): Promise<void> {
    await this.#mend();
    if (!this.#isCoordinated) this.cluster.restartCoordinator();
    for (let i = 0; i < 3_000 && this.cluster.masters.length === 0; i++) await this.#advance();
    for (let i = 0; i < 500; i++) await this.#advance();
    await this.cluster.untilLed();
    const { master } = this.cluster;
    for (const [key, value] of this.acknowledged)
      expect(await this.cluster.group.get(master, key), key).toBe(value);
    expect(this.history.violations()).toEqual([]);
  }
}

it(
  `random faults leave at most one master, everything that reached QUORUM, and a linearizable history (${RUNS} groups)`,
  async () => {
    let acknowledged = 0;
    let leaders = 0;
    const answered = { reads: 0, swaps: 0 };
    for (let i = 0; i < RUNS; i++) {
      const seed = SEED + i;
      const run = new Run(seed);
      try {
        await run.go();
      } catch (error) {
        throw new Error(`WALNUT_MEMBER_SEED=${seed} WALNUT_MEMBER_RUNS=1`, { cause: error });
      }
      acknowledged += run.acknowledged.size;
      leaders += run.leaders.size;
      answered.reads += run.history.counts.reads;
      answered.swaps += run.history.counts.swaps;
      await run.cluster.stop();
    }
    expect(acknowledged).toBeGreaterThan(RUNS * 50);
    expect(leaders).toBeGreaterThanOrEqual(RUNS);
    expect(answered.reads).toBeGreaterThan(RUNS * 50);
    expect(answered.swaps).toBeGreaterThan(RUNS * 20);
  },
  60_000 + RUNS * 10_000,
);

it('what a master took without its voters, and a failover took back, was read linearizably by nobody', async () => {
  const cluster = new TestCluster(1);
  const { clock, network } = cluster.group;
  const history = new MemberHistory(clock, new SeededRandom(1));
  const act = async (ms: number): Promise<void> => {
    for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) {
      for (const one of cluster.nodes.values()) history.act(one);
      await clock.advance(STEP_MS);
    }
  };
  await cluster.found(...NAMES);
  await act(1_000);
  const old = cluster.master.name;
  for (const other of NAMES) {
    if (other === old) continue;
    network.cut(`${old}:1`, `${other}:1`);
    network.cut(`${other}:1`, `${old}:1`);
  }
  await act(9_000);
  expect(cluster.master.name).not.toBe(old);
  expect(history.violations()).toEqual([]);
  expect(history.counts.reads).toBeGreaterThan(50);
  await cluster.stop();
});
