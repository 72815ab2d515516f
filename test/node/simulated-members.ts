/** The processes of a simulated group: what starts them, stops them, and what an operator does with them. */
import type { Position } from '#model/position.ts';
import { NO_POSITION, termOf } from '#model/position.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { PausableClock } from '#test/doubles/pausable-clock.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import type { NodeChanges, TestGroup, TestNode } from '#test/doubles/test-group.ts';
import type { KnownRecord } from '#test/node/simulated-history.ts';
import { tryDecodeManifest } from '#wal/manifest.ts';

/** `master.sync_interval`. */
export const PULL_INTERVAL_MS = 1_000;
/** `replication.apply_delay` of a delayed member, at most. */
export const APPLY_DELAY_MS_MAX = 2_500;

export interface Member {
  readonly name: string;
  readonly address: string;
  readonly changes: NodeChanges;
  readonly clock: PausableClock;
  /** It follows, and no operator makes anything else of it. */
  readonly isObserver: boolean;
  running: TestNode | undefined;
  /** What a stopped member finds at its next start; undefined: an empty directory. */
  disk: MemoryFileSystem | undefined;
  isPaused: boolean;
  /** Its disk was made to fail: it may give up, as a process does with exit 4. */
  mayFail: boolean;
  /** Nothing was seen of it since it started, or since its data was discarded. */
  isNew: boolean;
  /** It was a master before it was stopped, and is not known to have gone on since. */
  wasMaster: boolean;
  /** The last record that it was seen to have; undefined: none. */
  seen: KnownRecord | undefined;
  /** An older state of its directory. */
  copy: { readonly disk: MemoryFileSystem; readonly seen: Member['seen'] } | undefined;
}

export type Ending = 'kill' | 'powerCut' | 'cleanRestart';

/** What differs between groups of different seeds, and between their members. */
export function createMembers(
  group: TestGroup,
  random: SeededRandom,
  {
    hasRetention,
    hasOperator,
    evicts,
    hasObserver,
  }: {
    readonly hasRetention: boolean;
    readonly hasOperator: boolean;
    readonly evicts: boolean;
    readonly hasObserver: boolean;
  },
): Member[] {
  const shared = {
    maxFileBytes: 4_096,
    // A node may become a master in place: enough for the oracle to read what it wrote before it is compacted.
    retentionBytes: hasRetention ? 1 << 24 : hasOperator ? 30_000 : 0,
    snapshotEveryBytes: random.pick([6_000, 20_000, 1 << 24]),
    pullIntervalMs: PULL_INTERVAL_MS,
    pushIntervalMs: random.pick([0, 10, 50]),
    limits: { entriesMax: random.pick([evicts ? 15 : 1_000, 1_000]), bytesMax: 0, policy: 'lru' as const },
  };
  const names = ['master', 'one', 'two', 'three'].slice(0, random.between(3, 4));
  return [...names, ...(hasObserver ? ['observer'] : [])].map((name) => {
    const fsync = random.pick(['always', 'interval', 'never'] as const);
    const clock = new PausableClock(group.clock.skewed({ offsetMs: random.between(-60_000, 60_000) }));
    // An operator of this simulation tells who is ahead by what is applied.
    const mayDelay = name === 'three' && !hasOperator;
    const applyDelayMs = mayDelay ? random.pick([0, 300, APPLY_DELAY_MS_MAX]) : 0;
    const isObserver = name === 'observer';
    return {
      name,
      address: `${name}:1`,
      changes: {
        ...shared,
        fsync,
        clock,
        applyDelayMs,
        ...(isObserver ? { isObserver, advertise: '' } : {}),
      },
      clock,
      isObserver,
      running: undefined,
      disk: undefined,
      isPaused: false,
      mayFail: false,
      isNew: true,
      wasMaster: false,
      seen: undefined,
      copy: undefined,
    };
  });
}

export class Members {
  readonly all: readonly Member[];
  /** The one that the operator means to be master. */
  leader: Member;
  readonly #group: TestGroup;
  readonly #random: SeededRandom;

  constructor(group: TestGroup, random: SeededRandom, all: readonly Member[]) {
    this.#group = group;
    this.#random = random;
    this.all = all;
    this.leader = all[0] as Member;
  }

  /** The replicas that an operator may make the master. */
  get followers(): Member[] {
    return this.all.filter((member) => member !== this.leader && !member.isObserver);
  }

  /** Members whose node is a master, deposed ones too. */
  get masters(): { readonly member: Member; readonly node: TestNode['node'] }[] {
    return this.all.flatMap((member) =>
      member.running?.node.status().role === 'master' ? [{ member, node: member.running.node }] : [],
    );
  }

  async start(member: Member, changes: NodeChanges = {}): Promise<void> {
    const isLeader = member === this.leader;
    const isFirst = member.disk === undefined;
    member.running = await this.#group.start(member.name, isLeader ? 'master' : 'replica', {
      ...member.changes,
      upstream: isLeader ? '' : this.leader.address,
      ...(member.disk === undefined ? {} : { fileSystem: member.disk }),
      // A checkpoint right after a restart would compact what the oracle has not read yet.
      ...((isLeader || member.wasMaster) && !isFirst ? { snapshotEveryBytes: 1 << 24 } : {}),
      ...changes,
    });
    member.disk = undefined;
    member.mayFail = false;
    member.isNew = true;
  }

  /** Its disk stays for the next start. */
  async takeDown(member: Member, kind: Ending): Promise<void> {
    const { running } = member;
    if (running === undefined) return;
    if (kind === 'cleanRestart') this.resume(member);
    // Until it was seen to have what is known: it may have shown what was not on its disk yet.
    member.wasMaster ||= running.node.status().role === 'master';
    member.running = undefined;
    if (kind === 'kill') member.disk = this.#group.kill(running);
    else if (kind === 'powerCut') member.disk = this.#group.powerCut(running, this.#random.uint32());
    else {
      running.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
      member.disk = await this.#group.stop(running).catch((error: unknown) => {
        if (!member.mayFail) throw error;
        return this.#group.kill(running);
      });
      member.disk.clearFaults();
    }
    this.resume(member);
  }

  /** Starts it where it is down, gives its disk room, lets it go on. */
  async revive(member: Member): Promise<void> {
    this.resume(member);
    if (member.running === undefined) return this.start(member);
    member.running.fileSystem.bytesMax = Number.POSITIVE_INFINITY;
    member.running.fileSystem.clearFaults();
  }

  pause(member: Member): void {
    member.isPaused = true;
    member.clock.pause();
    this.#group.network.pause(member.address);
  }

  resume(member: Member): void {
    if (!member.isPaused) return;
    member.isPaused = false;
    member.clock.resume();
    this.#group.network.resume(member.address);
  }

  /** Keeps a copy of the directory of a member that is down, for `rollBack`. */
  keepCopy(member: Member): void {
    if (member.disk !== undefined) member.copy = { disk: copyOf(member.disk), seen: member.seen };
  }

  /** Starts a member from the copy that was kept, or with an empty directory where there is none. */
  async rollBack(member: Member, isEmptied: boolean): Promise<void> {
    await this.takeDown(member, 'kill');
    const copy = isEmptied ? undefined : member.copy;
    member.disk = copy === undefined ? undefined : copyOf(copy.disk);
    member.seen = copy?.seen;
    await this.start(member);
  }

  /** As with `--force-role master`, whatever becomes of the old master. */
  async promote(member: Member): Promise<void> {
    await this.takeDown(member, 'cleanRestart');
    this.leader = member;
    await this.start(member, { forcedRole: 'master' });
  }

  /** A promotion of which nothing is ever heard but the claim of its term at one node. False: not granted. */
  async claimAt(member: Member): Promise<boolean> {
    const { node } = member.running ?? {};
    if (node === undefined || member.isPaused) return false;
    const { logId, term } = node.status();
    return (await node.claim({ logId, term: term + 1, nodeId: 'f'.repeat(32) })).isGranted;
  }

  /** Restarts a member with the leader as its `master.address`, whatever it was before. */
  async follow(member: Member): Promise<void> {
    // A failover that was asked for long ago may make it the leader meanwhile.
    if (member === this.leader) return;
    await this.takeDown(member, 'cleanRestart');
    await this.start(member, member === this.leader ? {} : { forcedRole: 'replica' });
  }

  /** The master that takes writes in the highest term, whoever was meant to. */
  whoLeads(logId: string): Member | undefined {
    const term = (member: Member): number => termOf(member.running?.node.status().position.epoch ?? 0);
    return this.masters
      .filter(({ node }) => node.status().logId === logId && node.status().state === 'serving')
      .map(({ member }) => member)
      .reduce<Member | undefined>((a, b) => (a === undefined || term(b) > term(a) ? b : a), undefined);
  }

  /** The running follower that has most of this log. */
  mostAdvanced(logId: string): Member | undefined {
    const position = (member: Member): Position => member.running?.node.status().position ?? NO_POSITION;
    const running = this.followers.filter(
      (member) => member.running?.node.status().logId === logId && position(member).lsn > 0,
    );
    return running.reduce<Member | undefined>((best, member) => {
      if (best === undefined) return member;
      const [a, b] = [position(best), position(member)];
      const isAhead =
        termOf(b.epoch) > termOf(a.epoch) || (termOf(b.epoch) === termOf(a.epoch) && b.lsn > a.lsn);
      return isAhead ? member : best;
    }, undefined);
  }
}

function copyOf(disk: MemoryFileSystem): MemoryFileSystem {
  const copy = new MemoryFileSystem();
  for (const path of disk.paths()) copy.put(path, disk.content(path));
  return copy;
}

/** The addresses that a replica can ask: those its master sent it. */
export function siblingsKnownTo({ fileSystem }: TestNode): readonly string[] {
  const manifest = tryDecodeManifest(fileSystem.content('/data/MANIFEST'));
  return typeof manifest === 'string' ? [] : manifest.replicas.added;
}
