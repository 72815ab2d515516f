/**
 * The ports of a node, which the server exposes to the network. A node implements
 * all of them from its start. What it cannot do in its present state (loading,
 * replica, quarantined) it refuses with a `WalnutError`.
 *
 * Methods that need not wait return synchronously, so that the hot path creates no
 * promise; callers `await` only a promise.
 */

import type { Awaitable } from '#model/awaitable.ts';
import type { BulkPort } from '#model/bulk.ts';
import type { MendClockAnswer, MendClockCommand } from '#model/clock.ts';
import type {
  AtomicBatchAnswer,
  AtomicBatchCommand,
  AwaitDurableCommand,
  BatchOperation,
  BatchResult,
  DeleteCommand,
  DeletePrefixAnswer,
  DeletePrefixCommand,
  DurableAnswer,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  ScanAnswer,
  ScanCommand,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  UpdatesAnswer,
  UpdatesCommand,
  WriteAnswer,
  WriteOperation,
} from '#model/commands.ts';
import type { DivergedReport, DivergedSlice } from '#model/diverged.ts';
import type { EdgeOwner } from '#model/edge.ts';
import type { DigestAnswer } from '#model/entry.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import type { HotKeysAnswer, HotKeysCommand, LatestAccess } from '#model/hot-keys.ts';
import type {
  AnnounceAnswer,
  AnnounceRequest,
  ClaimAnswer,
  ClaimRequest,
  FailoverAnswer,
  PromoteAnswer,
  TakeOverAnswer,
  TakeOverRequest,
} from '#model/leadership.ts';
import type { Lsn, Position } from '#model/position.ts';
import type {
  ObserveRequest,
  RegisterAnswer,
  RegisterRequest,
  ReplicateAnswer,
  ReplicateRequest,
  SnapshotChunk,
  SnapshotRequest,
} from '#model/replication.ts';
import type { SlotSizesPage } from '#model/slots.ts';
import type {
  CheckpointAnswer,
  DelayAnswer,
  DelayControl,
  NodeStatus,
  Quarantine,
  QuarantineRelease,
  RotateAnswer,
  ScrubProgress,
} from '#model/status.ts';
import type { WatchCommand, WatchMessage, WatchOutlet } from '#model/watch.ts';
import type { CallWish } from '#model/wish.ts';
import type { BatchId } from '#model/write-id.ts';

export interface KeyValuePort {
  /**
   * The same keys for a call that wishes something by headers. Absent on a node, which
   * answers what it has. Throws `invalid_argument` where the wish cannot be meant.
   */
  withWish?(wish: CallWish): KeyValuePort;
  get(command: GetCommand, signal?: AbortSignal): Awaitable<GetAnswer>;
  set(command: SetCommand, signal?: AbortSignal): Awaitable<WriteAnswer>;
  delete(command: DeleteCommand, signal?: AbortSignal): Awaitable<WriteAnswer>;
  increment(command: IncrementCommand, signal?: AbortSignal): Awaitable<IncrementAnswer>;
  touch(command: TouchCommand, signal?: AbortSignal): Awaitable<TouchAnswer>;
  /** One result per operation, in order; later operations see earlier ones. */
  batch(operations: readonly BatchOperation[], signal?: AbortSignal): Awaitable<BatchResult[]>;
  /**
   * A batch of writes that have one name and none of their own. One that is refused does nothing and has
   * its error as its result; it stays so when the batch is repeated. Rejects where all of the batch fails.
   */
  namedBatch(writes: readonly WriteOperation[], id: BatchId, signal?: AbortSignal): Awaitable<BatchResult[]>;
  /** True: `batch` divides a large one by itself. Else its caller does. */
  readonly dividesBatches?: boolean;
  /** Throws what refuses a batch as a whole, where that can be known before it begins: for a caller that divides it. */
  checkBatch?(operations: readonly BatchOperation[]): void;
  /** Throws for the whole batch if one operation cannot be carried out; the message names its index. */
  atomicBatch(command: AtomicBatchCommand, signal?: AbortSignal): Promise<AtomicBatchAnswer>;
  scan(command: ScanCommand, signal?: AbortSignal): Awaitable<ScanAnswer>;
  deletePrefix(command: DeletePrefixCommand, signal?: AbortSignal): Promise<DeletePrefixAnswer>;
  getUpdates(command: UpdatesCommand, signal?: AbortSignal): Promise<UpdatesAnswer>;
  /**
   * Tells changes until `signal` aborts; throws what ends it. Nothing is watched before the
   * first message is asked for. While the next message is asked for, and `outlet` is open,
   * messages may go there instead.
   */
  watch(command: WatchCommand, signal: AbortSignal, outlet?: WatchOutlet): AsyncIterable<WatchMessage>;
  explain(command: ExplainCommand, signal: AbortSignal): Promise<ExplainAnswer>;
  awaitDurable(command: AwaitDurableCommand, signal?: AbortSignal): Promise<DurableAnswer>;
}

export interface ReplicationPort {
  /**
   * `remoteAddress` is the peer's IP, used if the advertised address has no host. When `retired`
   * aborts, the registration ends and nothing more is pushed because of it; undefined: it stays.
   */
  register(request: RegisterRequest, remoteAddress: string, retired?: AbortSignal): Promise<RegisterAnswer>;
  replicate(request: ReplicateRequest): Promise<ReplicateAnswer>;
  /** Resolves with the next push, at the latest with the next heartbeat. */
  observe(request: ObserveRequest, remoteAddress: string, signal: AbortSignal): Promise<ReplicateRequest>;
  fetchSnapshot(request: SnapshotRequest, signal: AbortSignal): AsyncIterable<SnapshotChunk>;
  claim(request: ClaimRequest): Promise<ClaimAnswer>;
  /** `remoteAddress`: see `register`. */
  announce(request: AnnounceRequest, remoteAddress: string): Promise<AnnounceAnswer>;
  takeOver(request: TakeOverRequest): Promise<TakeOverAnswer>;
}

export interface AdminPort {
  status(): NodeStatus;
  digest(): DigestAnswer;
  /** The digest at one exact position, waited for up to `waitMs`. */
  digestAt(position: Position, waitMs: number, signal?: AbortSignal): Promise<DigestAnswer>;
  /** Runs a scrub at full speed; the last progress report has `isDone`. */
  scrub(signal: AbortSignal): AsyncIterable<ScrubProgress>;
  /** Looks for so long which keys are used. */
  hotKeys(command: HotKeysCommand, signal?: AbortSignal): Promise<HotKeysAnswer>;
  /** Undefined where nothing may be read now. */
  latestAccess(): LatestAccess | undefined;
  /** Adds the replica at `address` (`host:port`). Resolves with what is wrong there now and what to do; empty if nothing is. */
  addReplica(address: string): Promise<string>;
  removeReplica(address: string): Promise<void>;
  checkpoint(): Promise<CheckpointAnswer>;
  rotateWal(): Promise<RotateAnswer>;
  quarantineList(): readonly Quarantine[];
  quarantineRelease(how: QuarantineRelease): Promise<void>;
  /** Resolves when the released records are applied. */
  controlDelay(control: DelayControl, signal?: AbortSignal): Promise<DelayAnswer>;
  /** Carries out Sets and Deletes, each with a condition, with the cause `restored`. One result each, in order. */
  restore(operations: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]>;
  /** Throws `failed_precondition` if there is nothing to correct, or if the clock is not as expected. */
  mendClock(command: MendClockCommand): Promise<MendClockAnswer>;
  /** `isForced` promotes even if the master answers or another replica has more records. */
  promote(isForced: boolean): Promise<PromoteAnswer>;
  /** `to` is the `host:port` of a replica; `timeoutMs` 0 means the default. */
  failover(to: string, timeoutMs: number): Promise<FailoverAnswer>;
  /** Diverged tails, oldest first. */
  divergedList(): Promise<DivergedReport[]>;
  /** Reads about `bytesMax` bytes of a tail, at least one record. Throws `not_found` if there is no such tail. */
  divergedShow(id: number, afterLsn: Lsn, bytesMax: number): Promise<DivergedSlice>;
  /** Entries and bytes of the key slots from `from` on, in a page of bounded size. */
  slotSizes(from: number, signal?: AbortSignal): Promise<SlotSizesPage>;
  /** Marks a tail as seen, so that its files may be removed. Throws `not_found` if there is no such tail. */
  divergedSeen(id: number): Promise<void>;
}

/** The ports that one server exposes. */
export interface NodePorts {
  readonly keyValue: KeyValuePort;
  /** A faster way to the same entries. If undefined, every call uses `keyValue`. */
  readonly bulk?: BulkPort | undefined;
  readonly replication: ReplicationPort;
  readonly admin: AdminPort;
  /** A member of a cluster has it. */
  readonly whenMapHeard?: EdgeOwner['whenMapHeard'] | undefined;
}
