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
} from '#model/commands.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import type { WatchCommand, WatchMessage } from '#model/watch.ts';
import type { Limits, Links } from '#routing/router.ts';

export interface NodeKeys {
  get(command: GetCommand, limits: Limits): Promise<GetAnswer>;
  set(command: SetCommand, limits: Limits): Promise<WriteAnswer>;
  delete(command: DeleteCommand, limits: Limits): Promise<WriteAnswer>;
  increment(command: IncrementCommand, limits: Limits): Promise<IncrementAnswer>;
  touch(command: TouchCommand, limits: Limits): Promise<TouchAnswer>;
  batch(operations: readonly BatchOperation[], limits: Limits): Promise<BatchResult[]>;
  atomicBatch(command: AtomicBatchCommand, limits: Limits): Promise<AtomicBatchAnswer>;
  /** `among` of the command is not sent: a page is of `prefix`. */
  scan(command: ScanCommand, limits: Limits): Promise<ScanAnswer>;
  deletePrefix(command: DeletePrefixCommand, limits: Limits): Promise<DeletePrefixAnswer>;
  explain(command: ExplainCommand, limits: Limits): Promise<ExplainAnswer>;
  awaitDurable(command: AwaitDurableCommand, limits: Limits): Promise<DurableAnswer>;
  watch(command: WatchCommand, signal: AbortSignal): AsyncIterable<WatchMessage>;
}

/** The ways to all nodes of a cluster. */
export type NodeLinks = Omit<Links<NodeKeys>, 'findMaster'> & {
  /** Closes the links to all addresses but these. */
  retain(addresses: ReadonlySet<string>): void;
};
