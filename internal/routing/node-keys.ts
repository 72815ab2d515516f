/**
 * The keys of one node as routing calls them; `peer` implements it. Every call rejects with what
 * `Links.judge` understands.
 */
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
  WriteAnswer,
  WriteOperation,
} from '#model/commands.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import type { RelayMethod } from '#model/relay.ts';
import type { WatchCommand, WatchMessage } from '#model/watch.ts';
import type { WriteId } from '#model/write-id.ts';
import type { Limits, Links } from '#routing/router.ts';

export interface CallLimits extends Limits {
  /** The user for whom the call is made; undefined: for nobody that is known. */
  readonly user?: string | undefined;
}

export interface NodeKeys {
  get(command: GetCommand, limits: CallLimits): Promise<GetAnswer>;
  set(command: SetCommand, limits: CallLimits): Promise<WriteAnswer>;
  delete(command: DeleteCommand, limits: CallLimits): Promise<WriteAnswer>;
  increment(command: IncrementCommand, limits: CallLimits): Promise<IncrementAnswer>;
  touch(command: TouchCommand, limits: CallLimits): Promise<TouchAnswer>;
  batch(operations: readonly BatchOperation[], limits: CallLimits): Promise<BatchResult[]>;
  /** A batch of writes that have one name. */
  namedBatch(writes: readonly WriteOperation[], id: WriteId, limits: CallLimits): Promise<BatchResult[]>;
  atomicBatch(command: AtomicBatchCommand, limits: CallLimits): Promise<AtomicBatchAnswer>;
  /** `among` of the command is not sent: a page is of `prefix`. */
  scan(command: ScanCommand, limits: CallLimits): Promise<ScanAnswer>;
  deletePrefix(command: DeletePrefixCommand, limits: CallLimits): Promise<DeletePrefixAnswer>;
  explain(command: ExplainCommand, limits: CallLimits): Promise<ExplainAnswer>;
  awaitDurable(command: AwaitDurableCommand, limits: CallLimits): Promise<DurableAnswer>;
  /** Sends the bytes of a message and resolves with what `read` makes of those of the answer, which are valid until it returns. */
  pass<T>(
    method: RelayMethod,
    message: Uint8Array,
    limits: CallLimits,
    read: (answer: Uint8Array) => T,
  ): Promise<T>;
  /** `user`: see `CallLimits`. */
  watch(command: WatchCommand, signal: AbortSignal, user?: string): AsyncIterable<WatchMessage>;
}

/** The ways to all nodes of a cluster. */
export type NodeLinks = Omit<Links<NodeKeys>, 'findMaster'> & {
  /** Closes the links to all addresses but these. */
  retain(addresses: ReadonlySet<string>): void;
};
