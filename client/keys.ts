/** The keys that a client calls, those of one group or of a whole cluster, and how it calls them. */
import type {
  AwaitDurableResponse,
  BatchRequest,
  BatchResponse,
  BatchResult,
  ExplainResponse,
  GetResponse,
  GetUpdatesResponse,
  WatchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import type { Clock } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import type { Told } from '#routing/failure.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { QueueLimits } from './batch-queue.ts';
import type { NearOptions, NearStats } from './near-cache.ts';
import type {
  AwaitDurableOptions,
  CallOptions,
  GetOptions,
  GetUpdatesOptions,
  Operation,
} from './operations.ts';
import type { DeletePrefixOptions, ScanOptions } from './paged-calls.ts';
import type { Session } from './session.ts';
import type { WatchOptions, WatchTarget } from './watch.ts';

/** What an operation is answered with. */
export type Value = NonNullable<BatchResult['result']['value']>;

/** The calls of a client, which `WalnutClient` says more of. Every one rejects with a `CallError`. */
export interface Keys {
  /** What was seen: that of a group moves on; that of a cluster is a copy. */
  readonly session: Session;
  /** What the near cache has and did; undefined: there is none. */
  readonly nearStats: NearStats | undefined;
  /** The session that the key is read and written in; undefined: it is not known yet whose the key is. */
  sessionOf(key: string): Session | undefined;
  /** A Get, from the near cache where that may answer it. */
  get(key: string, options: GetOptions & CallOptions): Promise<GetResponse>;
  call(operation: Operation, signal: AbortSignal | undefined): Promise<Value>;
  atomic(request: BatchRequest, signal: AbortSignal | undefined): Promise<BatchResponse>;
  deletePrefix(prefix: string, options: DeletePrefixOptions & CallOptions): Promise<number>;
  count(prefix: string, options: CallOptions): Promise<number>;
  scan(prefix: string, options: ScanOptions & CallOptions): AsyncGenerator<Entry, void, undefined>;
  awaitDurable(options: AwaitDurableOptions & CallOptions): Promise<AwaitDurableResponse>;
  getUpdates(options: GetUpdatesOptions & CallOptions): Promise<GetUpdatesResponse>;
  explain(key: string, changes: number, signal: AbortSignal | undefined): Promise<ExplainResponse>;
  watch(what: WatchTarget, options: WatchOptions): AsyncIterable<WatchResponse>;
  /** Resolves when what was called before is settled. Call it after `KeysOptions.closed` has aborted. */
  settled(): Promise<void>;
  /** Closes the links. */
  close(): Promise<void>;
}

/** Options of a client with their defaults. */
export interface KeysOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: QueueLimits;
  readonly readFrom: ReadPolicy;
  readonly timeoutMs: number;
  readonly attemptMs: number;
  readonly waitMs: number;
  readonly namesWrites: boolean;
  readonly near: NearOptions | undefined;
  readonly onRetry: (told: Told, error: unknown) => void;
  /** Aborts when the client is closed: ends watches. */
  readonly closed: AbortSignal;
}
