/**
 * A group under random work and random faults, all from one seed, with an
 * oracle outside it that knows every state which a master ever had on disk.
 *
 * Without operators (`hasOperator` false) one master stays master and nothing acknowledged
 * may be lost. With them masters are also replaced, rolled back to old copies or empty
 * directories, and deposed ones go on: only what the operator's choice discards may be lost.
 */
import { formatPosition, type Position, termOf } from '#model/position.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { describeState, setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';
import type { Companions } from '#test/node/simulated-companions.ts';
import { FAULTS, type Happening, OPERATIONS, type ProcessFault } from '#test/node/simulated-happenings.ts';
import { KnownHistory, type KnownRecord, recordIn } from '#test/node/simulated-history.ts';
import { breakLink, isLinkFault } from '#test/node/simulated-links.ts';
import {
  APPLY_DELAY_MS_MAX,
  createMembers,
  type Ending,
  type Member,
  Members,
  PULL_INTERVAL_MS,
  siblingsKnownTo,
} from '#test/node/simulated-members.ts';
import { Promises } from '#test/node/simulated-promises.ts';
import { decodeFrames } from '#wal/frame.ts';

const STEPS = 50;

export class SimulatedGroup {
  /** How often each thing really happened. */
  readonly counts = new Map<Happening, number>();
  /** What was done, and when: for the message of a seed that fails. */
  readonly trace: string[] = [];
  readonly sessions: Companions | undefined;
  readonly #random: SeededRandom;
  readonly #group: TestGroup;
  readonly #members: Members;
  readonly #history = new KnownHistory();
  readonly #promises = new Promises();
  /** On a full disk the log kept for replicas goes first. */
  #wasMasterFull = false;
  #wasOperated = false;
  #wasRolledBack = false;
  #wasPromoted = false;
  /** By term, who was seen to lead it last. */
  readonly #leaders = new Map<number, string>();
  /** What is given up cannot be told at once: a promotion that seemed to fail, or two that led the same term. */
  #isUnsure = false;
  #violation = '';
  #firstLogId = '';
  readonly #hasRetention: boolean;
  readonly #hasOperator: boolean;

  /** `withSessions`: clients that come along; no data is rolled back behind their tokens, nor evicted. */
  constructor(seed: number, withSessions?: (random: SeededRandom, clock: VirtualClock) => Companions) {
    this.#random = new SeededRandom(seed);
    this.#group = new TestGroup(seed * 1_000);
    this.#hasRetention = this.#random.chance(0.4);
    this.#hasOperator = this.#random.chance(0.5) || withSessions !== undefined;
    const members = createMembers(this.#group, this.#random, {
      ...{ hasRetention: this.#hasRetention, hasOperator: this.#hasOperator },
      evicts: withSessions === undefined,
      hasObserver: seed % (withSessions === undefined ? 4 : 2) === 0,
    });
    this.#members = new Members(this.#group, this.#random, members);
    this.sessions = withSessions?.(this.#random, this.#group.clock);
    this.#group.network.onFrames = (sender, after, frames) => this.#noteSent(sender, after, frames);
  }

  async run(): Promise<void> {
    for (const member of this.#members.all) await this.#members.start(member);
    this.#firstLogId = this.#members.leader.running?.node.status().logId ?? '';
    for (let step = 0; step < STEPS; step++) {
      this.#work();
      this.sessions?.step(this.#members.all);
      await this.#group.clock.advance(this.#random.pick([1, 7, 30, 120, 400]));
      await this.#observe();
      if (this.#random.chance(0.35)) await this.#fault();
      if (this.#hasOperator && this.#random.chance(0.06)) await this.#operate();
    }
    await this.#end();
  }

  #note(what: Happening, text = '', by = 1): void {
    if (by === 0) return;
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
    const at = Math.round(this.#group.clock.monotonicMs());
    this.trace.push(`${at} ms: ${what} ${text}`.trimEnd());
  }

  /** Some writes at once, unawaited: they are judged when they are answered. */
  #work(): void {
    const random = this.#random;
    for (const { member, node } of this.#members.masters) {
      if (member.isPaused) continue;
      for (let i = random.between(0, 6); i > 0; i--) this.#write(member, node);
    }
  }

  #write(member: Member, node: TestNode['node']): void {
    const random = this.#random;
    const key = `k${random.below(40)}`;
    const durability = random.chance(0.3) ? ('local' as const) : undefined;
    const minAcks = random.chance(0.1) ? 1 : 0;
    const options = { durability, minAcks, timeoutMs: 500 };
    const expiry = random.chance(0.3)
      ? { kind: 'ttl' as const, ttlMs: random.between(1, 3_000) }
      : { kind: 'default' as const };
    const value = 'v'.repeat(random.pick([0, 10, 100, 1_500]));
    const answering = (async () =>
      random.chance(0.2)
        ? node.delete({ key, returnPrevious: false, ...options })
        : node.set(setCommand(key, value, { ...options, expiry })))();
    answering.then(
      ({ applied, durabilityReached, replicasAcked, position }) => {
        const isPromised = applied && durabilityReached === 'local' && member === this.#members.leader;
        // A deposed master may acknowledge what its successor never had.
        if (isPromised) this.#promises.add({ position, key, isReplicated: replicasAcked > 0 });
      },
      () => undefined,
    );
  }

  /** What is sent must be on the sender's disk: it may stop being a master before the oracle reads its log again. */
  #noteSent(from: string, after: Position, frames: Uint8Array): void {
    const sent = decodeFrames(new Uint8Array(frames));
    const last = sent.at(-1);
    if (last === undefined) return;
    // Undefined: it is stopping in good order, and sends what it has until it has stopped.
    const sender = this.#members.all.find(({ address }) => address === from)?.running;
    const { durableLsn } = sender?.node.status() ?? {};
    if (durableLsn !== undefined && last.lsn > durableLsn)
      this.#violation ||= `${from} sent ${last.lsn}, its disk has ${durableLsn}`;
    this.#history.learnSent(after, sent);
  }

  /** The oracle reads on; then every node must be in a state that a master had. */
  async #observe(): Promise<void> {
    if (this.#violation !== '') throw new Error(this.#violation);
    await this.#readMasters();
    for (const member of this.#members.all) {
      const { running, name } = member;
      if (running === undefined) continue;
      if (running.failures.length > 0) {
        if (!member.mayFail) throw new Error(`${name} failed: ${running.failures[0]}`);
        await this.#members.takeDown(member, 'kill');
        continue;
      }
      const { state, position, role, reasons } = running.node.status();
      if (state === 'quarantined' && !this.#wasOperated)
        throw new Error(`${name} is quarantined: ${reasons}`);
      const { digestMismatches, rebuilds } = running.node.status().integrity;
      if (digestMismatches + rebuilds > 0) throw new Error(`${name} took a digest for wrong: ${reasons}`);
      // Promoted apart from each other, two may lead one term: what the one of them has is given up.
      if (String(reasons).includes('leads the same term')) this.#isUnsure = true;
      if (state === 'fenced') this.#note('fenced', `${name}: ${reasons}`);
      if (position.lsn === 0 || role === 'master') continue;
      await this.#check(member, running);
    }
  }

  async #check(member: Member, { node }: TestNode): Promise<void> {
    const { position, digest } = node.digest();
    // It may have moved on while the masters were read.
    if (this.#history.find(position, digest) === undefined) await this.#readMasters();
    // What a master wrote while it was being stopped stands at the end of its log only.
    if (this.#history.find(position, digest) === undefined && member.wasMaster) {
      // Its disk may have failed while it was being stopped: then there is no log to read until it is up again.
      if (!member.mayFail) await this.#history.readOn(node, member.seen);
      else if (!(await this.#history.tryReadOn(node, member.seen))) return;
    }
    const record = this.#history.find(position, digest);
    // Nor is that on its disk at once: it has told nobody of it, and shows it as a master does at fsync `never`.
    if (record === undefined && member.wasMaster && position.lsn > node.status().durableLsn) return;
    if (record === undefined) {
      const known = this.#history.digestsAt(position);
      const had = known.length === 0 ? 'nothing' : known.join(' or ');
      throw new Error(`${member.name} at ${formatPosition(position)} has ${digest}, a master had ${had}`);
    }
    this.#checkGoesOn(member, record);
    member.seen = record;
    member.wasMaster = false;
    member.isNew = false;
  }

  /** Nothing is taken back but what a master of a higher term does not have, or at an operator's word. */
  #checkGoesOn({ name, seen, isNew }: Member, record: KnownRecord): void {
    if (isNew || seen === undefined || recordIn(record, seen.position) === seen) return;
    // Not only of the one that is meant to lead: an operator may have put back that one.
    const others = [record, ...this.#members.all.map((member) => member.seen)];
    const isOver = others.some(
      (other) =>
        other !== undefined &&
        termOf(other.position.epoch) > termOf(seen.position.epoch) &&
        recordIn(other, seen.position) !== seen,
    );
    if (isOver) return;
    const [from, to] = [formatPosition(seen.position), formatPosition(record.position)];
    throw new Error(`${name} went from ${from} to ${to}, which does not hold it`);
  }

  /** Only promotions apart from each other may lead one term twice: what one of the two has is then given up. */
  #noteLeader({ name }: Member, node: TestNode['node']): void {
    const { position, logId, state } = node.status();
    // Before its epoch is in its log, its last record is of the term before.
    if (logId !== this.#firstLogId || state !== 'serving') return;
    const term = termOf(position.epoch);
    const before = this.#leaders.get(term) ?? name;
    const isNew = !this.#leaders.has(term);
    if (isNew && this.#leaders.get(Math.max(...this.#leaders.keys())) === name) this.#note('ledAgain', name);
    this.#leaders.set(term, name);
    if (before === name) return;
    this.#isUnsure = true;
    if (this.#wasPromoted) return;
    throw new Error(`${before} and ${name} both led term ${term}`);
  }

  async #readMasters(): Promise<void> {
    for (const { member, node } of this.#members.masters) {
      // Its role may change in place before it is read again.
      member.wasMaster = true;
      this.#noteLeader(member, node);
      member.seen = await this.#history.readOn(node, member.seen);
    }
  }

  async #fault(): Promise<void> {
    const kind = this.#random.pick(FAULTS);
    const member = this.#random.pick(this.#members.all);
    const other = this.#random.pick(this.#members.all.filter((one) => one !== member));
    const { running } = member;
    if (isLinkFault(kind)) {
      breakLink(this.#group.network, kind, member.address, other.address, this.#random);
      return this.#note(kind, `${member.name} > ${other.name}`);
    }
    if (kind !== 'heal')
      return running === undefined ? this.#members.revive(member) : this.#faultOf(kind, member, running);
    this.#group.network.heal();
    for (const one of this.#members.all) await this.#members.revive(one);
    this.#note(kind);
  }

  async #faultOf(kind: ProcessFault, member: Member, running: TestNode): Promise<void> {
    const random = this.#random;
    const members = this.#members;
    switch (kind) {
      case 'pause':
        members.pause(member);
        break;
      case 'diskFull':
        running.fileSystem.bytesMax = running.fileSystem.usedBytes + random.below(3_000);
        if (running.node.status().role === 'master') this.#wasMasterFull = true;
        break;
      case 'diskError': {
        const call = random.pick(['write', 'datasync', 'sync', 'create', 'rename', 'syncDirectory'] as const);
        running.fileSystem.fail({ call, code: 'EIO', skip: random.below(3), times: 1 });
        member.mayFail = true;
        break;
      }
      case 'checkpoint':
      case 'rotate':
        if (member.isPaused || running.node.status().position.lsn === 0) return;
        // A full disk refuses it; a kill before its end never answers.
        (kind === 'rotate' ? running.node.rotateWal() : running.node.checkpoint()).catch(() => undefined);
        break;
      default:
        await this.#takeDown(member, kind);
    }
    this.#note(kind, member.name);
  }

  async #takeDown(member: Member, kind: Ending): Promise<void> {
    // What was durable before may have been pushed: the oracle must have seen it.
    await this.#readMasters();
    this.#noteResyncs(member);
    await this.#members.takeDown(member, kind);
    if (this.#random.chance(0.4)) this.#members.keepCopy(member);
    if (this.#random.chance(0.5)) await this.#members.revive(member);
  }

  async #operate(): Promise<void> {
    const members = this.#members;
    const operation = this.#random.pick(OPERATIONS);
    await this.#readMasters();
    switch (operation) {
      case 'failover':
        return this.#failOver();
      case 'promotion':
        return this.#promoteByRpc();
      case 'promote':
        return this.#promote(this.#random.pick(['dead', 'apart', 'alive']));
      case 'claim': {
        const member = this.#random.pick(members.all);
        this.#wasOperated = true;
        members.claimAt(member).then(
          (isGranted) => this.#note(operation, member.name, Number(isGranted)),
          (error: unknown) => this.trace.push(`claim at ${member.name}: ${error}`),
        );
        return;
      }
      case 'refollow': {
        const member = this.#random.pick(members.followers);
        this.#note(operation, `${member.name} of ${members.leader.name}`);
        return members.follow(member);
      }
      case 'rollBack':
      case 'emptyMaster': {
        const { leader } = members;
        if (this.sessions !== undefined) return;
        const isEmptied = operation === 'emptyMaster';
        // An emptied group has nothing to lose: rarely, then.
        if (isEmptied ? this.#random.chance(0.7) : leader.copy === undefined) return;
        this.#wasOperated = true;
        this.#wasRolledBack = true;
        this.#note(operation, leader.name);
        await members.rollBack(leader, isEmptied);
        if (!isEmptied && leader.running?.node.status().state !== 'fenced')
          this.#promises.discardBut(leader.seen);
      }
    }
  }

  /** `walnut failover`: whatever becomes of it, nothing acknowledged is lost. */
  #failOver(): void {
    const { leader } = this.#members;
    const target = this.#random.pick(this.#members.followers);
    if (leader.running === undefined || leader.isPaused) return;
    this.#wasOperated = true;
    const asked = `${leader.name} to ${target.name}`;
    leader.running.node.failover(target.address, this.#random.pick([100, 1_000, 5_000])).then(
      () => {
        this.#note('failover', asked);
        if (this.#members.leader === leader) this.#members.leader = target;
      },
      (error: unknown) => this.trace.push(`failover ${asked}: ${error}`),
    );
  }

  /** `walnut promote` once the master is dead: what a reachable sibling has on its disk is not lost. */
  async #promoteByRpc(): Promise<void> {
    const members = this.#members;
    const { leader } = members;
    const target = this.#random.pick(members.followers);
    if (target.running === undefined || target.isPaused) return;
    this.#wasOperated = true;
    this.#wasPromoted = true;
    const known = siblingsKnownTo(target.running);
    const isComplete = members.followers.every(
      (one) => one.running !== undefined && !one.isPaused && (one === target || known.includes(one.address)),
    );
    if (isComplete) this.#group.network.heal();
    await this.#takeDownFor(leader);
    const isForced = this.#random.chance(0.1);
    const { epoch } = target.running.node.status().position;
    const promoting = (async () => target.running?.node.promote(isForced))();
    const answer = await this.#group.until(promoting).catch((error: unknown) => {
      this.trace.push(`promotion of ${target.name}: ${error}`);
      // It may have come to it all the same.
      this.#isUnsure = true;
    });
    if (answer?.isPromoted !== true || target.running === undefined) return;
    this.#note('promotion', `${target.name}, ${leader.name} is dead`);
    members.leader = target;
    await this.#readMasters();
    this.#checkGivenUp(target, epoch, isComplete && !isForced);
  }

  async #takeDownFor(leader: Member): Promise<void> {
    await this.#readMasters();
    await this.#members.takeDown(leader, 'kill');
  }

  /** What the new leader has not is given up: no more than must be. `epoch`: of its last record as a replica. */
  #checkGivenUp(leader: Member, epoch: number, isComplete: boolean): void {
    const lost = this.#promises.discardBut(leader.seen);
    // Two promotions apart from each other may begin the same term: between such forks nobody is more advanced.
    const worst = lost.find(({ isReplicated, position }) => isReplicated && position.epoch === epoch);
    if (worst === undefined || !isComplete || this.#wasRolledBack) return;
    const at = formatPosition(worst.position);
    throw new Error(`${worst.key} at ${at} was on a replica's disk, and ${leader.name} leads without it`);
  }

  /** The follower that has most becomes master; the old one is dead, cut off from all, or just deposed. */
  async #promote(old: 'dead' | 'apart' | 'alive'): Promise<void> {
    const members = this.#members;
    const member = members.mostAdvanced(this.#firstLogId);
    if (member === undefined) return;
    this.#wasOperated = true;
    this.#wasPromoted = true;
    const { leader } = members;
    const isComplete = members.followers.every(
      ({ running }) => running !== undefined && running.node.status().position.lsn > 0,
    );
    if (old === 'dead') await members.takeDown(leader, 'kill');
    for (const other of members.all) {
      if (old !== 'apart' || other === leader) continue;
      this.#group.network.cut(leader.address, other.address);
      this.#group.network.cut(other.address, leader.address);
    }
    await this.#observe();
    this.#note('promote', `${member.name}, ${leader.name} is ${old}`);
    // From here on what the old one acknowledges is no promise any more.
    members.leader = member;
    this.#checkGivenUp(member, member.seen?.position.epoch ?? 0, isComplete);
    await members.promote(member);
    for (const follower of members.followers) {
      if (follower !== leader && this.#random.chance(0.6)) await members.follow(follower);
    }
  }

  #noteResyncs(member: Member): void {
    const { running } = member;
    if (running === undefined) return;
    this.#note('digestComparison', member.name, running.node.status().integrity.digestComparisons);
    for (const { fullResyncs, partialResyncs } of running.node.status().replicas) {
      this.#note('fullResync', '', fullResyncs);
      this.#note('partialResync', '', partialResyncs);
    }
  }

  /** Faults end; within two intervals of silence, and a pull, all is one. */
  async #end(): Promise<void> {
    const { network, clock } = this.#group;
    for (const member of this.#members.all) await this.#members.revive(member);
    network.heal();
    // Delayed calls that are on their way still, and full disks that are tried again once a second.
    await clock.advance(2_000);
    await this.#observe();
    for (const member of this.#members.all) await this.#members.revive(member);
    if (this.#wasOperated) await this.#settle();
    await clock.advance(2 * PULL_INTERVAL_MS);
    const { leader } = this.#members;
    const nodes = this.#members.all.map(({ running }) => running as TestNode);
    await this.#group.until(
      Promise.resolve((leader.running as TestNode).node.set(setCommand('last', 'write'))),
    );
    await clock.advance(1_000 + APPLY_DELAY_MS_MAX);
    // One whose link broke in every resync so far waits before the next.
    const isBackingOff = nodes.some((one) => String(one.node.status().reasons).includes('resyncs in a row'));
    if (isBackingOff) await clock.advance(60_000 + PULL_INTERVAL_MS);
    await this.#observe();
    this.#judge(nodes);
    for (const member of this.#members.all) this.#noteResyncs(member);
    for (const node of nodes) await this.#group.stop(node);
  }

  #judge(nodes: readonly TestNode[]): void {
    this.sessions?.judge?.(this.#history);
    const states = new Set(nodes.map(describeState));
    if (states.size !== 1) {
      throw new Error(
        `not level: ${nodes.map((one) => `${one.name} ${describeState(one)} ${one.node.status().reasons}`)}`,
      );
    }
    const [lost] = this.#promises.discardBut(this.#members.leader.seen);
    if (lost !== undefined)
      throw new Error(`acknowledged write of ${lost.key} at ${formatPosition(lost.position)} is lost`);
    this.#note('ackedWrites', '', this.#promises.count);
    for (const node of nodes) {
      const { isReady, reasons } = node.node.status();
      if (!isReady) throw new Error(`${node.name} is not ready: ${reasons}`);
    }
    const snapshots = [...this.#group.network.calls.keys()].filter((call) =>
      call.startsWith('fetchSnapshot'),
    );
    const isSpared = this.#wasMasterFull || this.#wasOperated || !this.#hasRetention;
    if (!isSpared && snapshots.length > 0) throw new Error(`needless full resyncs: ${snapshots}`);
  }

  /** The operator makes one group of what there is: one master, the others follow it, what differs is discarded. */
  async #settle(): Promise<void> {
    const members = this.#members;
    // A master may learn only from those who come to follow it that its term is over.
    for (let i = 0; i < 3; i++) {
      const leader = members.whoLeads(this.#firstLogId) ?? members.leader;
      // A master forced while one of a higher term was away is over when that comes back.
      if (leader !== members.leader && this.counts.has('promote')) this.#isUnsure = true;
      members.leader = leader;
      const { role, state, logId } = (members.leader.running as TestNode).node.status();
      const isFit = role === 'master' && state !== 'fenced' && logId === this.#firstLogId;
      if (isFit && i > 0) break;
      if (!isFit) await this.#promote('alive');
      for (const member of members.followers) await members.follow(member);
      await this.#group.clock.advance(5_000);
    }
    await this.#readMasters();
    // Where a master was rolled back without a word, what only others had is given up by going on with it.
    if (this.#wasRolledBack || this.#isUnsure) this.#promises.discardBut(members.leader.seen);
    for (const member of members.all) {
      const { node } = member.running as TestNode;
      if (node.status().state !== 'quarantined') continue;
      this.#note('quarantine', `${member.name}: ${node.status().reasons}`);
      member.isNew = true;
      await this.#group.until(node.quarantineRelease('discard_local'));
    }
    await this.#group.clock.advance(5_000);
  }
}
