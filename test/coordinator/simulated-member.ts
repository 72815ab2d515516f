/**
 * A member of a group as ADR 17 asks for it, small enough to see that it is right: a log
 * of which every record is on disk at once, pushes of the whole log, claims, a lease.
 * Calls run in the process of the member that is called.
 */
import type { Grant } from '#cluster/choose-leader.ts';
import { FIRST_WRITE_WAIT_MS, HEARTBEAT_MS } from '#cluster/figures.ts';
import { FIRST_TERM } from '#cluster/group-terms.ts';
import type { Heartbeat, HeartbeatAnswer, MemberRole } from '#cluster/heartbeat.ts';
import { type ClockReading, MasterLease, type SentAt } from '#cluster/lease.ts';
import type { HandOverAnswer } from '#cluster/member-port.ts';
import { type Group, type Leader, majorityOf } from '#cluster/shard-map.ts';
import type { ClaimAnswer, TakeOverAnswer } from '#coordinator/members.ts';
import { makeEpoch, type Position, termOf, toLsn } from '#model/position.ts';
import { whyNotBelieved } from '#model/terms.ts';
import { NO_REPORT } from '#test/doubles/heartbeat.ts';
import { PausableClock } from '#test/doubles/pausable-clock.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';

const WALL_START_MS = 1_767_225_600_000;
const PUSH_MS = 50;
/** Clocks run up to this much too fast or too slow: two of them differ by less than the tenth that is assumed. */
const DRIFT_MAX = 0.045;

/** A record: an EPOCH record has no write. */
export interface SimulatedRecord {
  readonly epoch: number;
  readonly write: number | undefined;
}

/** What a member does to others. */
export interface Surroundings {
  heartbeat(from: SimulatedMember, heartbeat: Heartbeat, onAnswer: (answer: HeartbeatAnswer) => void): void;
  push(from: SimulatedMember, to: string, push: Push, onAnswer: (answer: PushAnswer) => void): void;
  takeOver(from: SimulatedMember, to: string, term: number, tail: Position): Promise<boolean>;
  /** The member leads this term from now on. */
  onLeads(member: SimulatedMember): void;
}

/** A write that the log has, and its position. */
export interface Found {
  readonly write: number;
  readonly version: Position;
}

export interface Push {
  readonly term: number;
  /** The name of the pusher. */
  readonly leader: string;
  /** Whom the group consists of, as the MEMBERS record of a real log says it: its receiver may lead before a coordinator hears it. */
  readonly group: Group | undefined;
  readonly records: readonly SimulatedRecord[];
}

/** How many records of the pusher's log are here, or the higher term that refuses it. */
export type PushAnswer =
  | { readonly matched: number; readonly incarnation: number }
  | { readonly fencedBy: number };

export class SimulatedMember {
  readonly name: string;
  readonly clock: PausableClock;
  readonly #virtual: VirtualClock;
  readonly #random: SeededRandom;
  /** What its clocks show per true millisecond. */
  readonly #rate: number;
  readonly #around: Surroundings;
  // On disk.
  incarnation = 1;
  term = 0;
  records: SimulatedRecord[] = [];
  #termLed = 0;
  #group: Group | undefined;
  #clusterId = '';
  // In memory.
  isRunning = false;
  address = '';
  process = '';
  /** It could write nothing if it led. */
  isSick = false;
  /** It refuses to hand over what it leads. */
  refusesPlans = false;
  #role: MemberRole = 'unassigned';
  #lease: MasterLease | undefined;
  #matched = new Map<string, number>();
  /** What is answered once this record is at QUORUM, in the order of the records. */
  #waiting: { readonly lsn: number; readonly answer: () => void }[] = [];
  #isHandingOver = false;
  #firstWriteMs = 0;
  #lastAck: { readonly term: number; readonly atMs: number } | undefined;
  /** The first master that pushed in the highest term: in that one nobody else is followed. */
  #leader = { term: 0, node: '' };
  #sequence = 0;
  #mapEpoch = 0;
  #sleptMs = 0;

  constructor(name: string, virtual: VirtualClock, random: SeededRandom, around: Surroundings) {
    this.name = name;
    this.address = `${name}:1`;
    this.clock = new PausableClock(virtual);
    this.#virtual = virtual;
    this.#random = random;
    this.#rate = 1 + DRIFT_MAX * (2 * random.fraction() - 1);
    this.#around = around;
  }

  start(): void {
    this.isRunning = true;
    this.process = this.#random.id128();
    this.#role = this.#group === undefined ? 'unassigned' : 'replica';
    this.#lastAck = undefined;
    this.#sequence = 0;
    if (this.#group !== undefined && this.#termLed === this.term && this.term > 0) {
      const hasData = this.records.some(
        ({ epoch, write }) => termOf(epoch) === this.term && write !== undefined,
      );
      this.#lead(hasData ? 0 : waitBeforeFirstWrite(this.term));
    }
    this.#repeat(HEARTBEAT_MS, () => this.#sendHeartbeat());
    this.#repeat(PUSH_MS, () => this.#push());
  }

  kill(): void {
    this.isRunning = false;
    this.#role = 'replica';
    this.#waiting = [];
  }

  /** Its disk is replaced by an empty one; it is not running. */
  wipe(): void {
    this.incarnation += 1;
    this.term = 0;
    this.#termLed = 0;
    this.records = [];
  }

  /** The process went on after `ms` during which its machine slept, so that monotonic time stood still. */
  slept(ms: number): void {
    this.#sleptMs += ms;
  }

  /** It heard of a map that the store may not have any more. */
  hearEpoch(mapEpoch: number): void {
    this.#mapEpoch = mapEpoch;
  }

  get isMaster(): boolean {
    return this.isRunning && this.#role === 'master';
  }

  get lsn(): number {
    return this.records.length;
  }

  get tail(): Position {
    return { epoch: this.records.at(-1)?.epoch ?? 0, lsn: toLsn(this.lsn) };
  }

  /** One epoch a term: a restart of the process mints no other, since nothing here needs it. */
  get epoch(): number {
    return makeEpoch(this.term, 1 + this.name.charCodeAt(0));
  }

  /** Why no write is taken now; empty where one is. */
  get whyNoWrites(): string {
    if (this.isSick) return 'no space';
    if (this.#role !== 'master') return '';
    if (this.#isHandingOver) return 'handing over';
    if (this.#nowMs() < this.#firstWriteMs) return 'waits for its first write';
    return this.#lease?.isHeld(this.#readClocks()) === true ? '' : 'no lease';
  }

  /** Takes a write, and acks it when it is at QUORUM. False where none is taken. */
  write(write: number, onAcked: (version: Position) => void): boolean {
    if (!this.isMaster || this.whyNoWrites !== '') return false;
    this.records.push({ epoch: this.epoch, write });
    const version = this.tail;
    this.#waiting.push({ lsn: this.lsn, answer: () => onAcked(version) });
    this.#settle();
    return true;
  }

  /** A linearizable read of the newest write that `isWanted`, answered when all that is visible is at QUORUM. */
  read(isWanted: (write: number) => boolean, onAnswer: (found: Found | undefined) => void): void {
    if (!this.isMaster || this.whyNoWrites !== '') return;
    const index = this.records.findLastIndex(({ write }) => write !== undefined && isWanted(write));
    const { epoch = 0, write } = this.records[index] ?? {};
    const found = write === undefined ? undefined : { write, version: { epoch, lsn: toLsn(index + 1) } };
    this.#waiting.push({ lsn: this.lsn, answer: () => onAnswer(found) });
    this.#settle();
  }

  wouldGrant(group: Group, term: number): ClaimAnswer {
    if (this.#group !== undefined && this.#group.logId !== group.logId) throw new Error('another log');
    const isLed = this.#termLed === term || this.#lastAck?.term === term || termOf(this.tail.epoch) === term;
    if (term < this.term || isLed || whyNotBelieved(term, this.term) !== undefined)
      return { kind: 'refused', term: this.term };
    return { kind: 'granted', term: this.term, grant: this.#grant() };
  }

  claim(group: Group): ClaimAnswer {
    const answer = this.wouldGrant(group, group.term);
    if (answer.kind === 'refused') return answer;
    this.#follow(group.term);
    return { kind: 'granted', term: this.term, grant: this.#grant() };
  }

  takeOver(group: Group, leader: Leader): TakeOverAnswer {
    const isAccepted = this.#takesOver(group, leader);
    return { isAccepted, term: this.term };
  }

  #takesOver(group: Group, leader: Leader): boolean {
    if (this.#termLed === group.term && this.term === group.term) return true;
    const { tail } = this;
    const isAsClaimed = leader.tail.epoch === tail.epoch && leader.tail.lsn === tail.lsn;
    if (this.term > group.term || leader.incarnation !== this.incarnation || !isAsClaimed) return false;
    this.#group ??= group;
    this.term = group.term;
    this.#termLed = group.term;
    this.#lead(waitBeforeFirstWrite(group.term));
    return true;
  }

  /** The master stops, waits until `next` has all, gives its role up, and only then tells it to lead. */
  async handOver(group: Group): Promise<HandOverAnswer> {
    const isAccepted = await this.#handsOver(group);
    const leadsOn = !isAccepted && this.isMaster && this.term === group.term;
    return { isAccepted, leadsOn, reason: isAccepted ? '' : 'refused' };
  }

  async #handsOver({ next, term }: Group): Promise<boolean> {
    if (next !== undefined && !this.isMaster && this.term === next.term) return true;
    if (next === undefined || !this.isMaster || this.term !== term || this.refusesPlans) return false;
    this.#isHandingOver = true;
    for (let tries = 0; tries < 10 && this.#matched.get(next.node) !== this.lsn; tries++)
      await this.clock.sleep(PUSH_MS);
    this.#isHandingOver = false;
    if (!this.isMaster || this.term !== term || this.#matched.get(next.node) !== this.lsn) return false;
    this.#follow(next.term);
    return this.#around.takeOver(this, next.node, next.term, this.tail);
  }

  /** By the word of the master that handed over; it begins at once. */
  takeOverNext(term: number, tail: Position): boolean {
    if (this.term > term || tail.lsn !== this.lsn || tail.epoch !== this.tail.epoch) return false;
    if (this.#termLed === term) return true;
    this.term = term;
    this.#termLed = term;
    this.#lead(0);
    return true;
  }

  receive({ term, leader, group, records }: Push): PushAnswer {
    if (term < this.term) return { fencedBy: this.term };
    if (term > this.term) this.#follow(term);
    if (this.#role === 'master') throw new Error(`two masters of term ${term}`);
    if (term > this.#leader.term) this.#leader = { term, node: leader };
    if (leader !== this.#leader.node) throw new Error(`${this.#leader.node} leads term ${term} here`);
    this.#group ??= group;
    const shared = Math.min(records.length, this.lsn);
    let matched = 0;
    while (matched < shared && this.records[matched]?.epoch === records[matched]?.epoch) matched++;
    if (matched < shared || records.length > this.lsn) this.records = [...records];
    this.#lastAck = { term, atMs: this.#nowMs() };
    return { matched: records.length, incarnation: this.incarnation };
  }

  #grant(): Grant {
    const { name: node, incarnation, tail } = this;
    return { node, incarnation, tail, isQuarantined: false, isLoading: false };
  }

  #follow(term: number): void {
    this.term = term;
    this.#role = 'replica';
    this.#waiting = [];
  }

  #lead(waitMs: number): void {
    const others = (this.#group?.voters ?? []).map(({ node }) => node).filter((node) => node !== this.name);
    this.#role = 'master';
    this.#lease = new MasterLease({ others });
    this.#matched = new Map(others.map((node) => [node, 0]));
    this.#firstWriteMs = this.#nowMs() + waitMs;
    this.#isHandingOver = false;
    if (termOf(this.tail.epoch) !== this.term) this.records.push({ epoch: this.epoch, write: undefined });
    this.#around.onLeads(this);
  }

  #sendHeartbeat(): void {
    const sent = this.#lease?.sent(this.#readClocks());
    const { term, process } = this;
    const lastAck = this.#lastAck;
    this.#sequence += 1;
    const heartbeat: Heartbeat = {
      clusterName: 'test',
      clusterId: this.#clusterId,
      node: this.name,
      incarnation: this.incarnation,
      process,
      sequence: this.#sequence,
      address: this.address,
      zone: '',
      role: this.#role,
      term,
      tail: this.tail,
      mapEpoch: this.#mapEpoch,
      keptMapEpoch: 0,
      whyNoWrites: this.whyNoWrites,
      ackedByVoters: this.#role === 'master' ? (this.#lease?.voters(this.#readClocks()) ?? 0) : 0,
      lastAck: lastAck && { term: lastAck.term, agoMs: this.#nowMs() - lastAck.atMs },
      group: this.#group?.id ?? '',
      voters: [],
      logVoters: this.#group?.voters ?? [],
      plain: undefined,
      votersMin: 0,
      logId: this.#group?.logId ?? '',
      report: NO_REPORT,
    };
    this.#around.heartbeat(this, heartbeat, ({ clusterId, group, mapEpoch, isLeased }) => {
      if (process !== this.process) return;
      this.#mapEpoch = Math.max(this.#mapEpoch, mapEpoch);
      if (group !== undefined && this.#clusterId === '') this.#join(clusterId, group);
      if (isLeased && sent !== undefined && this.isMaster && this.term === term) this.#lease?.leased(sent);
    });
  }

  #join(clusterId: string, group: Group): void {
    this.#group = group;
    this.#clusterId = clusterId;
    if (this.#role === 'unassigned') this.#role = 'replica';
  }

  #push(): void {
    if (!this.isMaster || this.#lease === undefined) return;
    const { process } = this;
    const lease = this.#lease;
    for (const node of this.#matched.keys()) {
      const sent: SentAt = lease.sent(this.#readClocks());
      this.#around.push(this, node, this.#nextPush(), (answer) => {
        if (process !== this.process || lease !== this.#lease || !this.isMaster) return;
        if ('fencedBy' in answer) {
          const isBelieved = whyNotBelieved(answer.fencedBy, this.term) === undefined;
          if (answer.fencedBy > this.term && isBelieved) this.#follow(answer.fencedBy);
          return;
        }
        const voter = this.#group?.voters.find((each) => each.node === node);
        if (voter?.incarnation !== answer.incarnation) return;
        lease.acked(node, sent);
        this.#matched.set(node, Math.max(this.#matched.get(node) ?? 0, answer.matched));
        this.#settle();
      });
    }
  }

  #nextPush(): Push {
    return { term: this.term, leader: this.name, group: this.#group, records: [...this.records] };
  }

  /** Answers what is at QUORUM, if the lease is still there. */
  #settle(): void {
    const newestFirst = [...this.#matched.values()].sort((a, b) => b - a);
    const needed = majorityOf(newestFirst.length + 1) - 1;
    const atQuorum = needed === 0 ? this.lsn : (newestFirst[needed - 1] ?? 0);
    while (this.#waiting[0] !== undefined && this.#waiting[0].lsn <= atQuorum) {
      const { answer } = this.#waiting[0];
      this.#waiting.shift();
      if (this.#lease?.isHeld(this.#readClocks()) === true) answer();
    }
  }

  #repeat(ms: number, job: () => void): void {
    const { process } = this;
    const again = (): void => {
      if (!this.isRunning || this.process !== process) return;
      job();
      this.clock.after(ms, again);
    };
    this.clock.after(this.#random.below(ms), again);
  }

  #nowMs(): number {
    return this.#rate * (this.clock.monotonicMs() - this.#sleptMs);
  }

  #readClocks(): ClockReading {
    const uptimeMs = this.#rate * this.#virtual.monotonicMs();
    return { monotonicMs: this.#nowMs(), wallMs: WALL_START_MS + uptimeMs, uptimeMs };
  }
}

/** Nobody led the log of a new group in a lower term. */
function waitBeforeFirstWrite(term: number): number {
  return term === FIRST_TERM ? 0 : FIRST_WRITE_WAIT_MS;
}
