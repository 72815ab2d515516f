/** The parts of a node as a master, and what each needs of the others. */
import { FIRST_TERM } from '#cluster/group-terms.ts';
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { Master } from '#master/master.ts';
import type { Epoch } from '#model/position.ts';
import type { Asked } from '#node/ask-replicas.ts';
import { Fence } from '#node/fence.ts';
import { LeaderSearch } from '#node/leader-search.ts';
import { MasterEpoch } from '#node/master-epoch.ts';
import { type LeaseSent, MemberLease } from '#node/member/member-lease.ts';
import { Newcomers } from '#node/member/newcomers.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { ReplicaGroup } from '#node/replica-group.ts';
import type { Self } from '#node/self.ts';
import { WriteGate } from '#node/write-gate.ts';
import { AckLedger } from '#replication/ack-ledger.ts';
import type { PushWitness } from '#replication/pusher.ts';
import { QuorumLedger } from '#replication/quorum-ledger.ts';
import type { LoggedMembers } from '#storage/logged-members.ts';

/** What a master needs to know of the node around it. */
export interface MasterSeat {
  /** What other nodes are told to register with; see `AnnounceRequest`. */
  readonly advertise: string;
  /** This master is fenced, and another node leads its log in a higher term. */
  readonly onLeader: (address: string, term: number) => void;
  /** This master is fenced, and nobody leads in its place, according to the others. */
  readonly onNoLeader: (asked: readonly Asked[]) => void;
  /** A replica begins to say that its state differs from the one here. */
  readonly onReplicaDiffers: () => void;
  /** The last epoch that this process began, whatever roles it has had since; 0: none. */
  readonly run: { epoch: Epoch };
  /** This node as the others would see it. */
  readonly self: () => Self;
  /** In a cluster: the master before handed its role over, so that its lease need not be waited for. */
  readonly isHandedOver?: boolean | undefined;
}

export interface MasterAround {
  readonly options: NodeOptions;
  readonly host: EngineHost;
  readonly engine: Engine;
  readonly seat: MasterSeat;
  /** Aborts when the role ends. */
  readonly signal: AbortSignal;
}

export interface MasterParts {
  readonly master: Master;
  readonly acks: AckLedger;
  readonly epoch: MasterEpoch;
  readonly fence: Fence;
  readonly gate: WriteGate;
  /** Undefined in a plain group. */
  readonly lease: MemberLease | undefined;
  /** In a cluster: members that are to take their places again. */
  readonly newcomers: Newcomers;
  /** In a cluster: the monotonic time at which each other member answered a push last, by name. */
  readonly heard: ReadonlyMap<string, number>;
  readonly group: ReplicaGroup;
  readonly search: LeaderSearch;
  /** Resolves when records that release 0.1.0 cannot read may be written; undefined if they may be already. */
  readonly readyForFormats: () => Promise<void> | undefined;
}

export function createMasterParts(around: MasterAround): MasterParts {
  const { options, host, engine, seat, signal } = around;
  const acks = new AckLedger(options.clock);
  acks.quorum = createQuorum(around, () => epoch);
  signal.addEventListener('abort', () => acks.end(), { once: true });
  const readyForFormats = (): Promise<void> | undefined =>
    engine.formats.isTaken ? undefined : group.takeFormatStep();
  const lease = createLease(around);
  const newcomers = new Newcomers(options.clock);
  const epoch = new MasterEpoch({ options, host, engine, run: seat.run, readyForFormats });
  const fence = new Fence({
    host,
    clock: options.clock,
    logger: options.logger,
    ownTerm: () => epoch.term,
    onRaise: () => acks.end(),
    onFatal: options.onFatal,
  });
  const gate: WriteGate = new WriteGate({
    fence,
    epoch,
    engine,
    options,
    liveReplicas: () => group.liveCount,
    lease,
  });
  const master = new Master({
    engine,
    clock: options.clock,
    random: options.random,
    acks,
    defaultTtlMs: options.member === undefined ? options.defaultTtlMs : undefined,
    whyUnknown: () => gate.whyUnknown,
  });
  const heard = new Map<string, number>();
  const witness = lease && witnessFor(lease, acks, newcomers, heard, around);
  const group: ReplicaGroup = createGroup(around, { acks, epoch, fence, gate }, witness);
  const search = createSearch(around, fence, group);
  return { master, acks, epoch, fence, gate, lease, newcomers, heard, group, search, readyForFormats };
}

function createLease({ options: { member }, host, engine, seat }: MasterAround): MemberLease | undefined {
  if (member === undefined) return undefined;
  const { term } = host.manifest;
  // A master before this one may still have its lease, unless this term had a write already: it waited for that.
  const waits = seat.isHandedOver !== true && term > FIRST_TERM && host.dataTerm !== term;
  const members = (): LoggedMembers | undefined => engine.store.members.current;
  return new MemberLease({ ...member, members, waits });
}

function createQuorum(
  { options, host, engine, signal }: MasterAround,
  epoch: () => MasterEpoch,
): QuorumLedger | undefined {
  const { clock, member } = options;
  if (member === undefined) return undefined;
  const quorum = new QuorumLedger({
    clock,
    self: () => ({ node: member.node, incarnation: host.manifest.incarnation ?? 0 }),
    members: () => engine.store.members.current,
    durableLsn: () => engine.durableLsn,
    epochLsn: () => epoch().beganLsn,
  });
  // In a group of one voter nobody else's answer says that more has reached QUORUM.
  const unsubscribe = engine.durable.subscribe(() => quorum.advance());
  signal.addEventListener('abort', unsubscribe, { once: true });
  return quorum;
}

function createGroup(
  { options, host, engine, seat, signal }: MasterAround,
  { acks, epoch, fence, gate }: Pick<MasterParts, 'acks' | 'epoch' | 'fence' | 'gate'>,
  pushWitness: PushWitness<LeaseSent | undefined> | undefined,
): ReplicaGroup {
  const { advertise, self, onReplicaDiffers } = seat;
  return new ReplicaGroup({
    options,
    host,
    engine,
    acks,
    advertise,
    self,
    term: () => epoch.term,
    isTakingWrites: () => gate.isOpen,
    onTerm: (term, address) => fence.heardOf(term, address),
    onReplicaDiffers,
    pushWitness,
    signal,
  });
}

/** Every answer of a listed member is an ack of the push, unless the member says that the term is over. */
function witnessFor(
  lease: MemberLease,
  acks: AckLedger,
  newcomers: Newcomers,
  heard: Map<string, number>,
  { engine, options: { clock } }: MasterAround,
): PushWitness<LeaseSent | undefined> {
  return {
    sent: () => lease.sent(),
    answered: ({ member, durable, verdict }, sent) => {
      if (member === undefined) return;
      heard.set(member.node, clock.monotonicMs());
      if (member.isInstalling) return;
      lease.acked(member, sent);
      // Only of a log that has the same records it is known what they are.
      if (verdict.kind !== 'ok') return;
      acks.quorum?.ack(member, durable.lsn);
      const members = engine.store.members.current;
      if (members !== undefined) newcomers.note(member, durable.lsn, engine.log.tail.lsn, members);
    },
  };
}

function createSearch(
  { options, host, engine, seat, signal }: MasterAround,
  fence: Fence,
  group: ReplicaGroup,
): LeaderSearch {
  const { self, onLeader, onNoLeader } = seat;
  return new LeaderSearch({
    options,
    self,
    own: () => {
      const { nodeId, logId, term } = host.manifest;
      return { nodeId, logId, term, position: engine.position };
    },
    others: () => group.others,
    onLeader,
    onNoLeader: (asked) => {
      if (fence.mayLeadAgain) onNoLeader(asked);
    },
    onAdvice: (advice) => fence.noteAdvice(advice),
    signal,
  });
}
