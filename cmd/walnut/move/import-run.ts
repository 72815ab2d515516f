/**
 * Writes the entries of a file to a group, batch after batch, so that all items before the
 * place that is told are done. Every write may be made again: it says the same. A batch that
 * the node refuses, because it is too large or one of its entries cannot be read, is written
 * in halves, and an entry that is alone by a Set, whose value may be longer than a batch.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  BatchOperationSchema,
  BatchResponse,
  SetRequestSchema,
  SetResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { BATCH_OPERATIONS_MAX, quoteKey } from '#model/limits.ts';
import type { MovedEntry } from './moved-entry.ts';
import { refusalOf } from './refusals.ts';
import type { SourceItem } from './source-entries.ts';

type Operation = MessageInitShape<typeof BatchOperationSchema>;
type SetInit = MessageInitShape<typeof SetRequestSchema>;

/** The writes of an import, which are repeated where that may help. */
export interface ImportWriter {
  batch(operations: readonly Operation[]): Promise<BatchResponse>;
  set(request: SetInit): Promise<SetResponse>;
}

export interface ImportPlan {
  /** Items to pass over, because an earlier run did them. */
  readonly skip: number;
  /** The only database that is imported; undefined: all. */
  readonly database: number | undefined;
  /** Put before each key. */
  readonly prefix: string;
  /** Keys that are there keep what they have. */
  readonly keepsExisting: boolean;
  readonly nowMs: () => number;
  readonly interrupted: AbortSignal;
  readonly writer: ImportWriter;
  readonly onBatch: (counts: ImportCounts) => void;
}

/** So many bytes of values in one Batch, far below the limit that nodes have by default. */
const BATCH_BYTES_MAX = 1_024 * 1_024;
/** So many keys are named for each reason. */
const NAMED_MAX = 5;

/** What became of the items so far. */
export class ImportCounts {
  /** Items of the file that are done, those that were passed over included. */
  done = 0;
  written = 0;
  /** Were there, and keep what they had. */
  kept = 0;
  expired = 0;
  /** By reason: how many, and the first of them. */
  readonly left = new Map<string, { count: number; readonly first: string[] }>();

  leave(why: string, shown: string): void {
    const known = this.left.get(why) ?? { count: 0, first: [] };
    known.count++;
    if (known.first.length < NAMED_MAX) known.first.push(shown);
    this.left.set(why, known);
  }

  get leftCount(): number {
    return [...this.left.values()].reduce((sum, { count }) => sum + count, 0);
  }
}

/** Resolves when all is done, or after the batch in which the run was interrupted. `counts` tells how far it came, also where this rejects. */
export async function runImport(
  items: AsyncIterable<SourceItem>,
  plan: ImportPlan,
  counts: ImportCounts,
): Promise<void> {
  let batch: MovedEntry[] = [];
  let [bytes, seen] = [0, 0];
  /** `done`: the items before the next one that is to be written. */
  const send = async (done: number): Promise<void> => {
    await writeBatch(batch, plan, counts);
    [batch, bytes] = [[], 0];
    counts.done = done;
    plan.onBatch(counts);
  };
  for await (const item of items) {
    seen++;
    if (seen <= plan.skip || !isWanted(item, plan)) continue;
    const entry = entryOf(item, plan, counts);
    if (entry === undefined) continue;
    const isFull = batch.length === BATCH_OPERATIONS_MAX || bytes + entry.value.length > BATCH_BYTES_MAX;
    if (batch.length > 0 && isFull) {
      await send(seen - 1);
      if (plan.interrupted.aborted) return;
    }
    batch.push(entry);
    bytes += entry.value.length;
  }
  await send(seen);
}

function isWanted({ database }: SourceItem, plan: ImportPlan): boolean {
  return plan.database === undefined || database === plan.database;
}

function entryOf(
  item: SourceItem,
  { prefix, nowMs }: ImportPlan,
  counts: ImportCounts,
): MovedEntry | undefined {
  if ('why' in item) {
    counts.leave(item.why, item.shown);
    return undefined;
  }
  const { entry } = item;
  if (entry.expireAtMs !== 0 && entry.expireAtMs <= nowMs()) {
    counts.expired++;
    return undefined;
  }
  return prefix === '' ? entry : { ...entry, key: prefix + entry.key };
}

async function writeBatch(
  batch: readonly MovedEntry[],
  plan: ImportPlan,
  counts: ImportCounts,
): Promise<void> {
  const [first, ...others] = batch;
  if (first === undefined) return;
  if (others.length === 0) return writeOne(first, plan, counts);
  try {
    const operations = batch.map((entry): Operation => {
      return { operation: { case: 'set', value: setOf(entry, plan) } };
    });
    const { results } = await plan.writer.batch(operations);
    batch.forEach(({ key }, i) => {
      const result = results[i]?.result;
      if (result?.case === 'set') count(result.value, counts);
      else leave(key, result?.case === 'error' ? result.value.message : 'no answer', counts);
    });
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
    const half = batch.length >>> 1;
    await writeBatch(batch.slice(0, half), plan, counts);
    await writeBatch(batch.slice(half), plan, counts);
  }
}

async function writeOne(entry: MovedEntry, plan: ImportPlan, counts: ImportCounts): Promise<void> {
  try {
    count(await plan.writer.set(setOf(entry, plan)), counts);
  } catch (error) {
    const why = refusalOf(error);
    if (why === undefined) throw error;
    leave(entry.key, why, counts);
  }
}

function count({ applied }: SetResponse, counts: ImportCounts): void {
  counts[applied ? 'written' : 'kept']++;
}

function leave(key: string, why: string, counts: ImportCounts): void {
  counts.leave(withoutSizes(why), quoteKey(key));
}

function setOf(
  { key, value, expireAtMs, contentType }: MovedEntry,
  { keepsExisting }: ImportPlan,
): SetInit & { readonly key: string } {
  const condition = keepsExisting ? { condition: { case: 'ifAbsent', value: true } as const } : {};
  // A deadline of 0 is said, too: the default of the node would be another.
  const expiry = { case: 'expireAtMs', value: BigInt(expireAtMs) } as const;
  return { key, value, expiry, contentType, ...condition };
}

/** Refusals tell the size of what they refuse: the reason is the same. */
function withoutSizes(message: string): string {
  return message.replace(/\d[\d,]*/g, '…');
}
