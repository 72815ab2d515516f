/**
 * Writes the entries of a file to a group, batch after batch, so that all items before the
 * place that is told are done. Every write may be made again: it says the same.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { BatchOperationSchema, BatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { BATCH_OPERATIONS_MAX, quoteKey } from '#model/limits.ts';
import type { MovedEntry } from './moved-entry.ts';
import type { SourceItem } from './source-entries.ts';

export type ImportOperation = MessageInitShape<typeof BatchOperationSchema>;

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
  /** Makes the writes, and repeats them where that may help. */
  readonly write: (operations: readonly ImportOperation[]) => Promise<BatchResponse>;
  readonly onBatch: (counts: ImportCounts) => void;
}

/** So many bytes of values in one call, far below the limit of any node. */
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
  const send = async (): Promise<void> => {
    if (batch.length > 0) await writeBatch(batch, plan, counts);
    [batch, bytes] = [[], 0];
    counts.done = seen;
    plan.onBatch(counts);
  };
  for await (const item of items) {
    seen++;
    if (seen <= plan.skip || !isWanted(item, plan)) continue;
    const entry = entryOf(item, plan, counts);
    if (entry === undefined) continue;
    batch.push(entry);
    bytes += entry.value.length;
    if (batch.length < BATCH_OPERATIONS_MAX && bytes < BATCH_BYTES_MAX) continue;
    await send();
    if (plan.interrupted.aborted) return;
  }
  await send();
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
  const { results } = await plan.write(batch.map((entry) => operationOf(entry, plan.keepsExisting)));
  batch.forEach(({ key }, i) => {
    const result = results[i]?.result;
    if (result?.case === 'set') counts[result.value.applied ? 'written' : 'kept']++;
    else
      counts.leave(
        result?.case === 'error' ? withoutSizes(result.value.message) : 'no answer',
        quoteKey(key),
      );
  });
}

function operationOf(
  { key, value, expireAtMs, contentType }: MovedEntry,
  keepsExisting: boolean,
): ImportOperation {
  const condition = keepsExisting ? { condition: { case: 'ifAbsent', value: true } as const } : {};
  // A deadline of 0 is said, too: the default of the node would be another.
  const expiry = { case: 'expireAtMs', value: BigInt(expireAtMs) } as const;
  return { operation: { case: 'set', value: { key, value, expiry, contentType, ...condition } } };
}

/** Refusals tell the size of what they refuse: the reason is the same. */
function withoutSizes(message: string): string {
  return message.replace(/\d[\d,]*/g, '…');
}
