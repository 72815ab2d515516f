/**
 * One group, its coordinators and the metadata store on one virtual clock, under faults.
 * The oracle is outside of them: it sees every write that is taken or acked.
 */
import type { HandOverAnswer } from '#cluster/member-port.ts';
import { Coordinator } from '#coordinator/coordinator.ts';
import type { ClaimAnswer, Members } from '#coordinator/members.ts';
import type { LocalStore } from '#metadata/local-store.ts';
import type { StoreWrite } from '#metadata/metadata-store.ts';
import { silentLogger } from '#platform/logger.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { PausableClock } from '#test/doubles/pausable-clock.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { SimulatedHistory } from './simulated-history.ts';
import { type PushAnswer, SimulatedMember, type Surroundings } from './simulated-member.ts';
import { type Process, SimulatedNetwork } from './simulated-network.ts';
import { SimulatedStore } from './simulated-store.ts';

const WRITE_MS = 40;
/** How long a coordinator waits for the answer to a hand-over. */
const HAND_OVER_MS = 10_000;

export interface SimulatedCoordinator extends Process {
  readonly coordinator: Coordinator;
  readonly store: SimulatedStore;
}

export class SimulatedCluster {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly members: ReadonlyMap<string, SimulatedMember>;
  readonly trace: string[] = [];
  /** What must never be; a run fails with the first. */
  readonly wrongs: string[] = [];
  store: LocalStore;
  coordinators: SimulatedCoordinator[] = [];
  /** From when on the heartbeats of a member arrive, by name: before, it looks for a coordinator elsewhere. */
  readonly heartbeatsFromMs = new Map<string, number>();
  /** How much later than they are sent hand-overs arrive: without an answer, which nobody waits for any more. */
  handOversLateMs = 0;
  /** Writes acked at QUORUM. */
  readonly acked = new Set<number>();
  /** What was written and read linearizably. */
  readonly history: SimulatedHistory;
  /** Writes that some master took. */
  taken = 0;
  #coordinatorsMade = 0;
  #highestTermTaken = 0;
  readonly #leaders = new Map<number, string>();

  constructor(seed: number, voters = 3) {
    this.random = new SeededRandom(seed);
    this.network = new SimulatedNetwork(this.clock, this.random.fork());
    this.store = createMemoryMetadata(this.clock);
    this.history = new SimulatedHistory(this.clock);
    const around = this.#surroundings();
    const names = Array.from({ length: voters }, (_, i) => String.fromCharCode(97 + i));
    this.members = new Map(
      names.map((name) => [name, new SimulatedMember(name, this.clock, this.random.fork(), around)]),
    );
  }

  /** Starts everything and founds the cluster; there is a master after it. */
  async begin(coordinators = 2): Promise<void> {
    for (const member of this.members.values()) member.start();
    for (let i = 0; i < coordinators; i++) this.addCoordinator();
    this.#writeOn(1);
    await this.advanceUntil(() => this.active !== undefined, 10_000);
    await this.clock.advance(1_000);
    const nodes = [...this.members.keys()];
    await this.drive(
      (this.active as SimulatedCoordinator).coordinator.requests.initCluster({
        kind: 'given',
        groups: [{ id: 'g1', nodes }],
      }),
    );
    await this.advanceUntil(() => this.master !== undefined, 10_000);
  }

  /** How often a member began to lead a term. */
  get failovers(): number {
    return this.#leaders.size;
  }

  get active(): SimulatedCoordinator | undefined {
    return this.coordinators.find(({ isRunning, coordinator }) => isRunning && coordinator.isActive);
  }

  /** The member that takes writes. */
  get master(): SimulatedMember | undefined {
    return [...this.members.values()].find((member) => member.isMaster && member.whyNoWrites === '');
  }

  member(name: string): SimulatedMember {
    return this.members.get(name) as SimulatedMember;
  }

  addCoordinator(): SimulatedCoordinator {
    this.#coordinatorsMade += 1;
    const name = `coordinator-${this.#coordinatorsMade}`;
    const clock = new PausableClock(this.clock);
    const store = new SimulatedStore(this.store, clock, this.random.fork());
    const self = { name, clock, process: name, isRunning: true, store };
    const coordinator = new Coordinator({
      cluster: 'test',
      store,
      members: this.#membersFor(self),
      clock,
      readClocks: () => {
        const monotonicMs = clock.monotonicMs();
        return { monotonicMs, wallMs: clock.wallMs(), uptimeMs: monotonicMs };
      },
      random: this.random.fork(),
      logger: silentLogger,
    });
    coordinator.start(`${name}:1`);
    const added = Object.assign(self, { coordinator });
    this.coordinators.push(added);
    return added;
  }

  /** It dies: nothing that it still does reaches anybody. */
  killCoordinator(killed: SimulatedCoordinator): void {
    (killed as { isRunning: boolean }).isRunning = false;
    killed.store.isCut = true;
    killed.clock.pause();
    this.coordinators = this.coordinators.filter((each) => each !== killed);
  }

  /** Nothing passes between the process and those that run now, until the links are mended. */
  isolate(name: string): void {
    for (const other of [...this.members.keys(), ...this.coordinators.map((each) => each.name)]) {
      this.network.cut(name, other);
      this.network.cut(other, name);
    }
  }

  /** The store drops the key of the active coordinator, which does not know. */
  async depose(): Promise<void> {
    await this.store.transact({ compare: [], writes: [{ key: '/walnut/test/leader', value: undefined }] });
  }

  /** The records of the store as they are now, to be restored later. */
  async copyStore(): Promise<StoreWrite[]> {
    const { entries } = await this.store.read('/walnut/test/');
    return entries.filter(({ key }) => !key.endsWith('/leader')).map(({ key, value }) => ({ key, value }));
  }

  /** Kills all coordinators; a new one works on a store that was made from the copy. */
  async restoreStore(copy: readonly StoreWrite[]): Promise<SimulatedCoordinator> {
    for (const coordinator of [...this.coordinators]) this.killCoordinator(coordinator);
    this.store = createMemoryMetadata(this.clock);
    await this.store.transact({ compare: [], writes: [...copy] });
    return this.addCoordinator();
  }

  note(what: string): void {
    this.trace.push(`${Math.round(this.clock.monotonicMs())} ms: ${what}`);
  }

  /** Lets time pass until a promise is settled. */
  async drive<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.advanceUntil(() => isSettled, 10_000);
    return promise;
  }

  /** Lets time pass until the condition is true, in steps of 20 ms; throws after `limitMs`. */
  async advanceUntil(condition: () => boolean, limitMs: number): Promise<void> {
    for (let ms = 0; ms < limitMs && !condition(); ms += 20) await this.clock.advance(20);
    if (!condition()) throw new Error(`not so after ${limitMs} ms: ${condition}`);
  }

  /** Every acked write is in the log of the member. */
  checkKept(member: SimulatedMember): void {
    const kept = new Set(member.records.map(({ write }) => write));
    const lost = [...this.acked].filter((write) => !kept.has(write));
    if (lost.length > 0)
      this.wrongs.push(
        `${member.name} in term ${member.term} lacks ${lost.length} acked writes, as ${lost[0]}`,
      );
  }

  #writeOn(write: number): void {
    for (const member of this.members.values()) {
      const { term } = member;
      this.history.read(member, write);
      if (!this.history.write(member, write, () => this.acked.add(write))) continue;
      this.taken += 1;
      if (term < this.#highestTermTaken)
        this.wrongs.push(
          `${member.name} took a write in term ${term} after one in ${this.#highestTermTaken}`,
        );
      this.#highestTermTaken = Math.max(this.#highestTermTaken, term);
    }
    this.clock.after(WRITE_MS, () => this.#writeOn(write + 1));
  }

  #surroundings(): Surroundings {
    return {
      heartbeat: (from, heartbeat, onAnswer) => {
        if (this.clock.monotonicMs() < (this.heartbeatsFromMs.get(from.name) ?? 0)) return;
        for (const to of this.coordinators)
          this.network.call(from, to, () => to.coordinator.heartbeat(heartbeat)).then(onAnswer, () => {});
      },
      push: (from, to, push, onAnswer) => {
        const answer = (): PushAnswer => this.member(to).receive(push);
        this.network.call(from, this.member(to), answer).then(onAnswer, (error: Error) => {
          if (error.message.startsWith('two masters')) this.wrongs.push(error.message);
        });
      },
      takeOver: (from, to, term, tail) =>
        this.network.call(from, this.member(to), () => this.member(to).takeOverNext(term, tail)),
      onLeads: (member) => {
        this.note(`${member.name} leads term ${member.term}`);
        const other = this.#leaders.get(member.term);
        if (other !== undefined && other !== member.name)
          this.wrongs.push(`${other} and ${member.name} lead term ${member.term}`);
        this.#leaders.set(member.term, member.name);
        // A process that starts again may not know yet that its term is over.
        if (member.term === Math.max(...this.#leaders.keys())) this.checkKept(member);
      },
    };
  }

  #membersFor(from: Process): Members {
    const call = <T>(
      name: string,
      answer: (member: SimulatedMember) => Promise<T> | T,
      limitMs?: number,
    ): Promise<T> => this.network.call(from, this.member(name), () => answer(this.member(name)), limitMs);
    return {
      wouldGrant: (_map, name, group, term) =>
        call<ClaimAnswer>(name, (member) => member.wouldGrant(group, term)),
      claim: (_map, name, group) => call<ClaimAnswer>(name, (member) => member.claim(group)),
      takeOver: (map, group, leader) => {
        if (map.groups.get(group.id)?.leader?.node !== leader.node)
          this.wrongs.push(`${leader.node} is told to lead by a map that does not name it`);
        return call(leader.node, (member) => member.takeOver(group, leader));
      },
      handOver: (_map, group) => {
        const handOver = (): Promise<HandOverAnswer> =>
          call(group.leader?.node ?? '', (member) => member.handOver(group), HAND_OVER_MS);
        if (this.handOversLateMs === 0) return handOver();
        this.clock.after(this.handOversLateMs, () => void handOver().catch(() => {}));
        return Promise.reject(new Error('the hand-over is not answered'));
      },
    };
  }
}
