/**
 * The doors of a node that the server opens to the network. A node implements
 * them all from its first moment; what it cannot do yet (loading, on a replica,
 * quarantined) it refuses with a `WalnutError`.
 *
 * Methods that need not wait answer synchronously, so that the hot path has no
 * needless promise; callers `await` only where they must.
 */

import type { Awaitable } from '#model/awaitable.ts';
import type { BulkPort } from '#model/bulk.ts';
import type { MendClockAnswer, MendClockCommand } from '#model/clock.ts';
import type {
  AwaitDurableCommand,
  BatchOperation,
  BatchResult,
  DeleteCommand,
  DurableAnswer,
  GetAnswer,
  GetCommand,
  ScanAnswer,
  ScanCommand,
  SetCommand,
  UpdatesAnswer,
  UpdatesCommand,
  WriteAnswer,
} from '#model/commands.ts';
import type { DivergedReport, DivergedSlice } from '#model/diverged.ts';
import type { DigestAnswer } from '#model/entry.ts';
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
  RegisterAnswer,
  RegisterRequest,
  ReplicateAnswer,
  ReplicateRequest,
  SnapshotChunk,
  SnapshotRequest,
} from '#model/replication.ts';
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

export interface KeyValuePort {
  get(command: GetCommand, signal?: AbortSignal): Awaitable<GetAnswer>;
  set(command: SetCommand, signal?: AbortSignal): Awaitable<WriteAnswer>;
  delete(command: DeleteCommand, signal?: AbortSignal): Awaitable<WriteAnswer>;
  /** One result per operation, in order; later operations see earlier ones. */
  batch(operations: readonly BatchOperation[], signal?: AbortSignal): Awaitable<BatchResult[]>;
  scan(command: ScanCommand): ScanAnswer;
  getUpdates(command: UpdatesCommand, signal?: AbortSignal): Promise<UpdatesAnswer>;
  awaitDurable(command: AwaitDurableCommand, signal?: AbortSignal): Promise<DurableAnswer>;
}

export interface ReplicationPort {
  /** `remoteAddress`: the peer's IP, for an advertised address without a host. */
  register(request: RegisterRequest, remoteAddress: string): Promise<RegisterAnswer>;
  replicate(request: ReplicateRequest): Promise<ReplicateAnswer>;
  fetchSnapshot(request: SnapshotRequest, signal: AbortSignal): AsyncIterable<SnapshotChunk>;
  claim(request: ClaimRequest): Promise<ClaimAnswer>;
  /** `remoteAddress`: as for `register`. */
  announce(request: AnnounceRequest, remoteAddress: string): Promise<AnnounceAnswer>;
  takeOver(request: TakeOverRequest): Promise<TakeOverAnswer>;
}

export interface AdminPort {
  status(): NodeStatus;
  digest(): DigestAnswer;
  /** The digest at one exact position, waited for up to `waitMs`. */
  digestAt(position: Position, waitMs: number, signal?: AbortSignal): Promise<DigestAnswer>;
  /** Re-hashes the state in memory at full pace; the last word has `isDone`. */
  scrub(signal: AbortSignal): AsyncIterable<ScrubProgress>;
  /** `host:port`. */
  /** Resolves with what is wrong at that address as it looks now, and what to do; empty: nothing. */
  addReplica(address: string): Promise<string>;
  removeReplica(address: string): Promise<void>;
  checkpoint(): Promise<CheckpointAnswer>;
  rotateWal(): Promise<RotateAnswer>;
  quarantineList(): readonly Quarantine[];
  quarantineRelease(how: QuarantineRelease): Promise<void>;
  /** Answers when what is released is applied. */
  controlDelay(control: DelayControl, signal?: AbortSignal): Promise<DelayAnswer>;
  /** Sets and deletes, each with a condition, logged with the cause `restored`; one result each, in order. */
  restore(operations: readonly BatchOperation[], signal?: AbortSignal): Promise<BatchResult[]>;
  /** Throws `failed_precondition` where there is nothing to mend, or the offset became another. */
  mendClock(command: MendClockCommand): Promise<MendClockAnswer>;
  /** `isForced`: although the master answers or another replica holds more. */
  promote(isForced: boolean): Promise<PromoteAnswer>;
  /** `to`: `host:port` of a replica; `timeoutMs` 0: the default. */
  failover(to: string, timeoutMs: number): Promise<FailoverAnswer>;
  /** Tails of the log that were set aside, oldest first. */
  divergedList(): Promise<DivergedReport[]>;
  /** Throws `not_found` where there is no such tail. `bytesMax`: about; at least one record is read. */
  divergedShow(id: number, afterLsn: Lsn, bytesMax: number): Promise<DivergedSlice>;
  /** Its files need to be kept for nobody any more. Throws `not_found` where there is no such tail. */
  divergedSeen(id: number): Promise<void>;
}

/** What one server fronts. */
export interface NodePorts {
  readonly keyValue: KeyValuePort;
  /** A shorter way to the same entries. Undefined: everything goes through `keyValue`. */
  readonly bulk?: BulkPort | undefined;
  readonly replication: ReplicationPort;
  readonly admin: AdminPort;
}
