/**
 * The calls that one node makes to another. `internal/peer` implements them over
 * Connect; a double in the tests cuts, delays, duplicates and reorders them.
 *
 * A call rejects with `WalnutError`: `unavailable` if the peer cannot be reached
 * or does not answer within `timeoutMs`. A call that rejected may have taken
 * effect. No call hangs.
 */
import type { UpdatesAnswer, UpdatesCommand } from '#model/commands.ts';
import type {
  AnnounceAnswer,
  AnnounceRequest,
  ClaimAnswer,
  ClaimRequest,
  TakeOverAnswer,
  TakeOverRequest,
} from '#model/leadership.ts';
import type {
  ObserveRequest,
  RegisterAnswer,
  RegisterRequest,
  ReplicateAnswer,
  ReplicateRequest,
  SnapshotChunk,
  SnapshotRequest,
} from '#model/replication.ts';
import type { NodeStatus } from '#model/status.ts';

export interface CallOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface PeerLink {
  register(request: RegisterRequest, options: CallOptions): Promise<RegisterAnswer>;
  replicate(request: ReplicateRequest, options: CallOptions): Promise<ReplicateAnswer>;
  /** Waits for the next push or heartbeat. */
  observe(request: ObserveRequest, options: CallOptions): Promise<ReplicateRequest>;
  getUpdates(command: UpdatesCommand, options: CallOptions): Promise<UpdatesAnswer>;
  /** Chunks in order from offset 0. `timeoutMs` bounds the wait for each chunk. */
  fetchSnapshot(request: SnapshotRequest, options: CallOptions): AsyncIterable<SnapshotChunk>;
  status(options: CallOptions): Promise<NodeStatus>;
  claim(request: ClaimRequest, options: CallOptions): Promise<ClaimAnswer>;
  announce(request: AnnounceRequest, options: CallOptions): Promise<AnnounceAnswer>;
  takeOver(request: TakeOverRequest, options: CallOptions): Promise<TakeOverAnswer>;
  /** Closes the connections; calls in flight reject. */
  close(): void;
}

/** Opens links by `host:port`; nothing is sent before the first call. */
export interface PeerDialer {
  dial(address: string): PeerLink;
}
