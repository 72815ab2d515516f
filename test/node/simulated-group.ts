/**
 * A group under random work and random faults, all from one seed, with an
 * oracle outside it: the oracle reads the master's durable log record by record
 * and folds it into a store of its own, so it knows the digest of every state
 * that the master's history ever had.
 */

import { decodeMutations } from '#engine/record-codec.ts';
import { formatPosition, NO_POSITION, type Position } from '#model/position.ts';
import { createStore } from '#storage/store.ts';
import type { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import {
  describeState,
  type NodeChanges,
  setCommand,
  TestGroup,
  type TestNode,
} from '#test/doubles/test-group.ts';
import { decodeFrames, RECORD_TYPE } from '#wal/frame.ts';

export const FAULTS = [
  'cut',
  'lostAnswers',
  'delay',
  'stall',
  'heal',
  'kill',
  'powerCut',
  'cleanRestart',
  'diskFull',
  'checkpoint',
  'rotate',
] as const;
export type FaultKind = (typeof FAULTS)[number];
export type Outcome = 'fullResync' | 'partialResync' | 'ackedWrites' | 'digestComparison';

/** `master.sync_interval`. */
export const PULL_INTERVAL_MS = 1_000;
const STEPS = 50;

interface Member {
  readonly name: string;
  readonly changes: NodeChanges;
  running: TestNode | undefined;
  disk: MemoryFileSystem | undefined;
}

interface Promised {
  readonly position: Position;
  readonly key: string;
}

export class SimulatedGroup {
  readonly counts = new Map<FaultKind | Outcome, number>();
  readonly #random: SeededRandom;
  readonly #group: TestGroup;
  readonly #members: Member[];
  /** Of every state the master's durable history had: position → digest. */
  readonly #states = new Map<string, string>();
  /** Position → keys written there. */
  readonly #written = new Map<string, ReadonlySet<string>>();
  readonly #promised: Promised[] = [];
  readonly #oracle = createStore({
    limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' },
    hashSeed: 1,
    incarnation: 'oracle00',
  });
  #seen: Position = NO_POSITION;
  /** On a full disk the log kept for replicas goes first. */
  #wasMasterFull = false;
  readonly hasRetention: boolean;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#group = new TestGroup(seed * 1_000);
    const random = this.#random;
    this.hasRetention = random.chance(0.4);
    const shared = {
      maxFileBytes: 4_096,
      retentionBytes: this.hasRetention ? 1 << 24 : 0,
      snapshotEveryBytes: random.pick([6_000, 20_000, 1 << 24]),
      pullIntervalMs: PULL_INTERVAL_MS,
      pushIntervalMs: random.pick([0, 10, 50]),
      limits: { entriesMax: random.pick([15, 1_000]), bytesMax: 0, policy: 'lru' as const },
    };
    const names = ['master', 'one', 'two', 'three'].slice(0, random.between(3, 4));
    this.#members = names.map((name) => {
      const fsync = random.pick(['always', 'interval', 'never'] as const);
      const clock = this.#group.clock.skewed({ offsetMs: random.between(-60_000, 60_000) });
      return { name, changes: { ...shared, fsync, clock }, running: undefined, disk: undefined };
    });
  }

  async run(): Promise<void> {
    for (const member of this.#members) await this.#start(member);
    for (let step = 0; step < STEPS; step++) {
      this.#work();
      await this.#group.clock.advance(this.#random.pick([1, 7, 30, 120, 400]));
      await this.#observe();
      if (this.#random.chance(0.35)) await this.#fault();
    }
    await this.#end();
  }

  get #master(): TestNode | undefined {
    return this.#members[0]?.running;
  }

  #count(what: FaultKind | Outcome, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by);
  }

  async #start(member: Member): Promise<void> {
    const role = member.name === 'master' ? 'master' : 'replica';
    const disk =
      member.disk === undefined
        ? {}
        : {
            fileSystem: member.disk,
            // A checkpoint right after a restart would compact what the oracle has not read yet.
            ...(role === 'master' ? { snapshotEveryBytes: 1 << 24 } : {}),
          };
    member.running = await this.#group.start(member.name, role, { ...member.changes, ...disk });
    member.disk = undefined;
  }

  /** Some writes at once, unawaited: they are judged when they are answered. */
  #work(): void {
    const master = this.#master;
    if (master === undefined) return;
    const random = this.#random;
    for (let i = random.between(0, 6); i > 0; i--) {
      const key = `k${random.below(40)}`;
      const durability = random.chance(0.3) ? ('local' as const) : undefined;
      const minAcks = random.chance(0.1) ? 1 : 0;
      const options = { durability, minAcks, timeoutMs: 500 };
      const expiry = random.chance(0.3)
        ? { kind: 'ttl' as const, ttlMs: random.between(1, 3_000) }
        : { kind: 'default' as const };
      const value = 'v'.repeat(random.pick([0, 10, 100, 1_500]));
      const answer = random.chance(0.2)
        ? master.node.delete({ key, returnPrevious: false, ...options })
        : master.node.set(setCommand(key, value, { ...options, expiry }));
      answer.then(
        ({ applied, durabilityReached, position }) => {
          if (applied && durabilityReached === 'local') this.#promised.push({ position, key });
        },
        () => undefined,
      );
    }
  }

  /** The oracle reads on; then every replica must be in a state that the master had. */
  async #observe(): Promise<void> {
    await this.#readMaster();
    for (const { name, running } of this.#members.slice(1)) {
      if (running === undefined) continue;
      const { state, position } = running.node.status();
      if (state === 'quarantined')
        throw new Error(`${name} is quarantined: ${running.node.status().reasons}`);
      if (running.failures.length > 0) throw new Error(`${name} failed: ${running.failures[0]}`);
      const { digestMismatches, rebuilds } = running.node.status().integrity;
      if (digestMismatches + rebuilds > 0)
        throw new Error(`${name} took a digest for wrong: ${running.node.status().reasons}`);
      if (position.lsn === 0) continue;
      const at = formatPosition(position);
      const { digest } = running.node.digest();
      const expected = this.#states.get(at);
      if (expected !== digest) throw new Error(`${name} at ${at} has ${digest}, the master had ${expected}`);
    }
  }

  async #readMaster(): Promise<void> {
    const master = this.#master;
    if (master === undefined) return;
    if (master.failures.length > 0) throw new Error(`master failed: ${master.failures[0]}`);
    for (;;) {
      const answer = await master.node.getUpdates({ after: this.#seen, format: 'frames', bytesMax: 1 << 20 });
      if (answer.frames.length === 0) return;
      for (const frame of decodeFrames(answer.frames)) {
        const position = { epoch: frame.epoch, lsn: frame.lsn };
        const mutations = frame.type === RECORD_TYPE.data ? decodeMutations(frame.payload) : [];
        for (const mutation of mutations) this.#oracle.apply(mutation, position);
        this.#states.set(formatPosition(position), this.#oracle.digest());
        this.#written.set(formatPosition(position), new Set(mutations.map(({ key }) => key)));
        this.#seen = position;
      }
    }
  }

  async #fault(): Promise<void> {
    const kind = this.#random.pick(FAULTS);
    const member = this.#random.pick(this.#members);
    const other = this.#random.pick(this.#members.filter((one) => one !== member));
    const [from, to] = [`${member.name}:1`, `${other.name}:1`];
    const { network } = this.#group;
    const { running } = member;
    switch (kind) {
      case 'cut':
        network.cut(from, to);
        break;
      case 'lostAnswers':
        network.loseAnswers(from, to);
        break;
      case 'delay':
        network.delay(from, to, this.#random.between(20, 1_000));
        break;
      case 'stall':
        network.stall(from, to);
        break;
      case 'heal':
        network.heal();
        for (const one of this.#members) await this.#revive(one);
        break;
      case 'diskFull':
        if (running === undefined) return;
        running.fileSystem.bytesMax = running.fileSystem.usedBytes + this.#random.below(3_000);
        if (member.name === 'master') this.#wasMasterFull = true;
        break;
      case 'checkpoint':
      case 'rotate':
        if (running === undefined || running.node.status().position.lsn === 0) return;
        // A full disk refuses it; a kill before its end never answers.
        (kind === 'rotate' ? running.node.rotateWal() : running.node.checkpoint()).catch(() => undefined);
        break;
      default:
        if (running === undefined) return this.#revive(member);
        await this.#takeDown(member, running, kind);
    }
    this.#count(kind);
  }

  async #takeDown(
    member: Member,
    running: TestNode,
    kind: 'kill' | 'powerCut' | 'cleanRestart',
  ): Promise<void> {
    // What was durable before may have been pushed: the oracle must have seen it.
    if (member.name === 'master') await this.#readMaster();
    this.#noteResyncs(member, running);
    member.running = undefined;
    if (kind === 'kill') member.disk = this.#group.kill(running);
    else if (kind === 'powerCut') member.disk = this.#group.powerCut(running, this.#random.uint32());
    else {
      running.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
      member.disk = await this.#group.stop(running);
    }
    if (this.#random.chance(0.5)) await this.#revive(member);
  }

  async #revive(member: Member): Promise<void> {
    if (member.running === undefined) return this.#start(member);
    member.running.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
  }

  #noteResyncs(member: Member, running: TestNode): void {
    this.#count('digestComparison', running.node.status().integrity.digestComparisons);
    if (member.name !== 'master') return;
    for (const { fullResyncs, partialResyncs } of running.node.status().replicas) {
      this.#count('fullResync', fullResyncs);
      this.#count('partialResync', partialResyncs);
    }
  }

  /** Faults end; within two intervals of silence, and a pull, all is one. */
  async #end(): Promise<void> {
    const master = this.#members[0] as Member;
    await this.#revive(master);
    for (const member of this.#members) await this.#revive(member);
    this.#group.network.heal();
    // Delayed calls that are on their way still, and full disks that are tried again once a second.
    await this.#group.clock.advance(1_000);
    await this.#observe();
    await this.#group.clock.advance(2 * PULL_INTERVAL_MS);
    const nodes = this.#members.map(({ running }) => running as TestNode);
    await this.#group.until(Promise.resolve((nodes[0] as TestNode).node.set(setCommand('last', 'write'))));
    await this.#group.clock.advance(1_000);
    await this.#observe();
    const states = new Set(nodes.map(describeState));
    if (states.size !== 1) {
      throw new Error(
        `not level: ${nodes.map((one) => `${one.name} ${describeState(one)} ${one.node.status().reasons}`)}`,
      );
    }
    for (const { position, key } of this.#promised) {
      const keys = this.#written.get(formatPosition(position));
      if (keys?.has(key) !== true)
        throw new Error(`acknowledged write of ${key} at ${formatPosition(position)} is lost`);
    }
    this.#count('ackedWrites', this.#promised.length);
    this.#members.forEach((member, i) => {
      this.#noteResyncs(member, nodes[i] as TestNode);
    });
    for (const node of nodes) {
      const { isReady, reasons } = node.node.status();
      if (!isReady) throw new Error(`${node.name} is not ready: ${reasons}`);
    }
    const snapshots = [...this.#group.network.calls.keys()].filter((call) =>
      call.startsWith('fetchSnapshot'),
    );
    if (this.hasRetention && !this.#wasMasterFull && snapshots.length > 0)
      throw new Error(`needless full resyncs: ${snapshots}`);
    for (const node of nodes) await this.#group.stop(node);
  }
}
