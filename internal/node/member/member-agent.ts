/**
 * What a member does by itself: it says how it is to the active coordinator every 300 ms,
 * whether or not earlier heartbeats were answered, and heeds the answers: a lease for a
 * master, its place in the cluster, and whom to follow. It never makes a term.
 */
import { HEARTBEAT_MS } from '#cluster/figures.ts';
import type { Heartbeat, HeartbeatAnswer } from '#cluster/heartbeat.ts';
import type { ClusterNode, Group } from '#cluster/shard-map.ts';
import { WalnutError } from '#model/errors.ts';
import { describeSelf } from '#node/member/describe-self.ts';
import { stateGroup } from '#node/member/lead-term.ts';
import type { LeaseSent } from '#node/member/member-lease.ts';
import type { MemberOptions } from '#node/member/member-options.ts';
import { takePlace } from '#node/member/whom.ts';
import { WriteStall } from '#node/member/write-stall.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import { messageOf } from '#platform/thrown.ts';

/** Coordinators that are named as the active one come and go. */
const PROBLEMS_MAX = 16;
/** Another coordinator may take this long to act, milliseconds. */
const UNHEARD_MS = 7_000;
/** How long a call waits for a newer map, milliseconds. */
const ASK_MS = 500;
/** How many coordinators Status names. */
const TOLD_MAX = 3;

export interface MemberAgentParts {
  readonly options: NodeOptions;
  readonly member: MemberOptions;
  readonly keeper: RoleKeeper;
}

export class MemberAgent {
  readonly #parts: MemberAgentParts;
  readonly #process: string;
  readonly #stop = new AbortController();
  readonly #stall: WriteStall;
  #address: string;
  #sequence = 0;
  #mapEpoch = 0;
  #nodes: ReadonlyMap<string, ClusterNode> = new Map();
  /** The highest term of which a map named a leader, the first one, and another that was told in the log. */
  #leader = { term: 0, node: '', second: '' };
  /** Why each coordinator that was tried does not hear this node: logged when it changes. */
  readonly #problems = new Map<string, string>();
  /** When a heartbeat was answered last, monotonic; before that, the start. */
  #answeredMs: number;
  #running: Promise<void> | undefined;
  #heeding: Promise<void> | undefined;
  #asking: Promise<void> | undefined;

  constructor(parts: MemberAgentParts) {
    const { options, member } = parts;
    this.#parts = parts;
    this.#process = options.random.id128();
    this.#stall = new WriteStall(options.clock);
    this.#address = member.coordinators[0] as string;
    this.#answeredMs = options.clock.monotonicMs();
    this.#mapEpoch = parts.keeper.host.manifest.member?.mapEpoch ?? 0;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#heeding;
  }

  /** Where a node of the group is, as the map has it. */
  addressOf(node: string): string | undefined {
    return this.#nodes.get(node)?.address;
  }

  /** For how long no coordinator has heard this node, and why, once that lasts; undefined if one does. */
  get whyUnheard(): string | undefined {
    const { clock } = this.#parts.options;
    const silentMs = clock.monotonicMs() - this.#answeredMs;
    if (this.#problems.size === 0 || silentMs < UNHEARD_MS) return undefined;
    const whys = [...this.#problems].slice(-TOLD_MAX).map(([address, why]) => describeProblem(address, why));
    return `no coordinator has heard this node for ${Math.floor(silentMs / 1_000)} s: ${whys.join('; ')}`;
  }

  /** See `EdgeOwner`. A master with a lease goes by its log: nobody else has its slots without its own record. */
  whenMapHeard(epoch: number): Promise<void> | undefined {
    const { served, current } = this.#parts.keeper;
    if ((served.map?.epoch ?? 0) >= epoch) return undefined;
    if (current?.kind === 'master' && current.lease?.whyNotHeld === undefined) return undefined;
    return this.#askFor(epoch);
  }

  /** One call is in flight, however many wait for it. */
  async #askFor(epoch: number): Promise<void> {
    const { keeper, options } = this.#parts;
    this.#asking ??= Promise.race([this.#send(), options.clock.sleep(ASK_MS, this.#stop.signal)]).finally(
      () => {
        this.#asking = undefined;
      },
    );
    await this.#asking;
    const known = keeper.served.map?.epoch ?? 0;
    if (known >= epoch) return;
    throw new WalnutError(
      'unavailable',
      `the caller knows map epoch ${epoch}, and this node ${known}: it asked a coordinator, which told it no newer map`,
      { leaderHint: keeper.current?.leaderHint, nothingDone: true },
    );
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts.options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      void this.#send();
      await clock.sleep(HEARTBEAT_MS, signal);
    }
  }

  /** Sends a heartbeat. Resolves when its answer is heeded, or there is none. */
  #send(): Promise<void> {
    const { keeper, member, options } = this.#parts;
    const role = keeper.current;
    const sent = role?.kind === 'master' ? role.lease?.sent() : undefined;
    const heartbeat = describeSelf(keeper, member, options, {
      process: this.#process,
      sequence: ++this.#sequence,
      mapEpoch: this.#mapEpoch,
      keptMapEpoch: keeper.served.map?.epoch ?? 0,
      oldestWriteMs: this.#stall.ageMs(keeper.host.engine),
    });
    const address = this.#address;
    return member.heartbeat(address, heartbeat).then(
      (answer) => this.#take(address, answer, heartbeat, sent),
      (error: unknown) => this.#failed(address, error),
    );
  }

  #take(address: string, answer: HeartbeatAnswer, heartbeat: Heartbeat, sent: LeaseSent | undefined): void {
    const { keeper, options } = this.#parts;
    if (this.#stop.signal.aborted) return;
    const why = whyOther(heartbeat, answer);
    if (why !== undefined) {
      this.#failed(address, new WalnutError('failed_precondition', why));
      return;
    }
    this.#problems.clear();
    this.#answeredMs = options.clock.monotonicMs();
    const role = keeper.current;
    if (answer.isLeased && role?.kind === 'master') role.lease?.leased(sent);
    // Answers may overtake each other.
    if (answer.mapEpoch < this.#mapEpoch || answer.group === undefined) return;
    this.#mapEpoch = answer.mapEpoch;
    this.#nodes = new Map(answer.nodes.map((node) => [node.name, node]));
    if (answer.map !== undefined) keeper.served.hear(answer.map);
    const { group } = answer;
    this.#heeding ??= this.#heed(answer.clusterId, answer.mapEpoch, group)
      .catch((error: unknown) => {
        options.logger.info({ why: messageOf(error) }, 'the map is heeded at the next heartbeat');
      })
      .finally(() => {
        this.#heeding = undefined;
      });
  }

  async #heed(clusterId: string, mapEpoch: number, group: Group): Promise<void> {
    const { keeper, member } = this.#parts;
    await takePlace(keeper.host, { clusterId, group: group.id, mapEpoch });
    const { leader, term } = group;
    const role = keeper.current;
    if (leader === undefined || role === undefined || !this.#isFirst(term, leader.node)) return;
    if (leader.node === member.node) {
      if (role.kind === 'master' && role.term === term) await stateGroup(keeper, group);
      return;
    }
    const { manifest } = keeper.host;
    const isOver = manifest.logId !== '' && term < manifest.term;
    const address = this.addressOf(leader.node);
    if (isOver || address === undefined || (role.kind === 'master' && role.term >= term)) return;
    if (role.kind === 'replica' && manifest.upstream === address && manifest.term >= term) return;
    await keeper.exclusively('a change of master', () => keeper.follow(address, term));
  }

  /**
   * False where an earlier map named another leader of this term. Then a store that was restored gave
   * the term twice, and what the first leader acknowledged may be on this disk: it is not given up.
   */
  #isFirst(term: number, node: string): boolean {
    if (term > this.#leader.term) this.#leader = { term, node, second: '' };
    const { node: first, second } = this.#leader;
    if (term < this.#leader.term || node === first) return true;
    if (node === second) return false;
    this.#leader = { term, node: first, second: node };
    const { logger } = this.#parts.options;
    logger.error({ term, first, second: node }, 'a term was given twice: this node follows the first');
    return false;
  }

  /** Tries the coordinator that is named as the active one, else the next of the configured ones. */
  #failed(address: string, error: unknown): void {
    const { member, options } = this.#parts;
    if (this.#stop.signal.aborted || address !== this.#address) return;
    const why = messageOf(error);
    if (this.#problems.get(address) !== why)
      options.logger.warn({ coordinator: address, why }, 'no coordinator hears this node');
    if (this.#problems.size > PROBLEMS_MAX) this.#problems.clear();
    this.#problems.set(address, why);
    const hint = error instanceof WalnutError ? (error.details.leaderHint ?? '') : '';
    const { coordinators } = member;
    const next = coordinators[(coordinators.indexOf(address) + 1) % coordinators.length] as string;
    this.#address = hint === '' ? next : hint;
  }
}

/** Most reasons begin with the address. */
function describeProblem(address: string, why: string): string {
  const named = [`${address}: `, `${address} `].find((start) => why.startsWith(start)) ?? '';
  return `${address}: ${why.slice(named.length)}`;
}

/** Why an answer is not heeded: it is of another cluster. Undefined if it is of this node's. */
function whyOther({ clusterName, clusterId }: Heartbeat, answer: HeartbeatAnswer): string | undefined {
  if (answer.clusterName !== '' && answer.clusterName !== clusterName)
    return `it is of cluster ${answer.clusterName}, and cluster.name is ${clusterName}`;
  if (clusterId === '' || answer.clusterId === clusterId) return undefined;
  return `it is of cluster ${answer.clusterId || 'none yet'}, and this node of ${clusterId}`;
}
