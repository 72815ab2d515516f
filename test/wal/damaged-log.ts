/**
 * Logs of two small segments whose every byte the test knows, and what damage
 * to them must lead to. It is predicted from the layout, as written down while
 * the log was made: not from the code that recovers.
 */
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import type { Log } from '#wal/log.ts';
import { DIR, frameAfter, open } from './harness.ts';

const HEADER = 96;
const NOTE = 28;
const RECORD_OVERHEAD = 56;

interface Item {
  readonly kind: 'record' | 'mark' | 'seal';
  readonly offset: number;
  readonly end: number;
  /** The record, or the last one before. */
  readonly lsn: number;
  /** What was durable when it was written. */
  readonly durableLsn: number;
}

export interface KnownLog {
  readonly files: ReadonlyMap<string, Buffer>;
  /** Paths of the two segments. */
  readonly first: string;
  readonly second: string;
  /** The items of the second segment. */
  readonly items: readonly Item[];
  readonly payloads: readonly string[];
  /** Records in the first segment. */
  readonly firstRecords: number;
}

/** Batches of payloads, and after which of those in the second segment 150 ms of silence bring a mark. */
export interface LogPlan {
  readonly first: readonly (readonly string[])[];
  readonly second: readonly (readonly string[])[];
  readonly markAfter: number;
}

/** Writes the log, rotating between `first` and `second`. Not closed: it ends as a power cut would leave it. */
export async function buildKnownLog(plan: LogPlan): Promise<KnownLog> {
  const clock = new VirtualClock();
  const fileSystem = new MemoryFileSystem();
  const { log } = await open(fileSystem, { clock });
  const items: Item[] = [];
  let offset = HEADER;
  const note = (kind: Item['kind'], bytes: number, lsn: number, durableLsn: number): void => {
    items.push({ kind, offset, end: offset + bytes, lsn, durableLsn });
    offset += bytes;
  };
  for (const batch of plan.first) await appendBatch(log, clock, batch);
  await log.rotate();
  const firstRecords = plan.first.flat().length;
  let lsn = firstRecords;
  for (const [i, batch] of plan.second.entries()) {
    const durableLsn = lsn;
    for (const payload of batch)
      note('record', RECORD_OVERHEAD + Buffer.byteLength(payload), ++lsn, durableLsn);
    await appendBatch(log, clock, batch);
    if (i !== plan.markAfter) continue;
    await clock.advance(150);
    note('mark', NOTE, lsn, lsn);
  }
  const paths = fileSystem.paths(DIR).filter((path) => !path.endsWith('LOCK'));
  const files = new Map(paths.map((path) => [path, fileSystem.content(path)]));
  const [first, second] = paths.filter((path) => path.endsWith('.wal')) as [string, string];
  const sizeBytes = files.get(second)?.length;
  if (sizeBytes !== offset) throw new Error(`the second segment has ${sizeBytes} bytes, not ${offset}`);
  return {
    files,
    first,
    second,
    items,
    payloads: [...plan.first.flat(), ...plan.second.flat()],
    firstRecords,
  };
}

async function appendBatch(log: Log, clock: VirtualClock, payloads: readonly string[]): Promise<void> {
  for (const payload of payloads) log.append(frameAfter(log.tail, payload));
  await clock.settle();
}

/**
 * `corrupt`, or the number of records left and whether something was cut off.
 * Throws where what is left is not exactly the first records that were written.
 */
export async function outcomeOf(
  known: KnownLog,
  change: (files: Map<string, Buffer>) => void,
): Promise<string> {
  const files = new Map([...known.files].map(([path, bytes]) => [path, Buffer.from(bytes)]));
  change(files);
  const fileSystem = new MemoryFileSystem();
  for (const [path, bytes] of files) fileSystem.put(path, bytes);
  const opened = await open(fileSystem).catch((error: { kind?: string; message: string }) => error);
  if (!('log' in opened)) {
    if (!opened.message.includes('walnut wal repair')) throw new Error(`no advice in: ${opened.message}`);
    return opened.kind ?? opened.message;
  }
  const count = opened.replayed.length;
  const isPrefix = opened.replayed.every((payload, i) => payload === known.payloads[i]);
  if (!isPrefix || opened.log.tail.lsn !== count) throw new Error(`wrong values among ${count} records`);
  return opened.tornTail === undefined ? `${count} records` : `${count} records, torn`;
}

function recordsBefore(known: KnownLog, offset: number): number {
  return (
    known.firstRecords + known.items.filter((item) => item.kind === 'record' && item.end <= offset).length
  );
}

/** What a second segment cut to `size` bytes leaves. */
export function predictCut(known: KnownLog, size: number): string {
  // MANIFEST knows of this segment, and so of its header.
  if (size < HEADER) return 'corrupt';
  if (size === HEADER) return `${known.firstRecords} records`;
  const isBoundary = known.items.some((item) => item.end === size);
  return `${recordsBefore(known, size)} records${isBoundary ? '' : ', torn'}`;
}

/** What a flipped bit in byte `byte` of the second segment leaves. */
export function predictFlip(known: KnownLog, byte: number): string {
  if (byte < HEADER) return 'corrupt';
  const hit = known.items.find((item) => byte < item.end) as Item;
  const neededLsn = recordsBefore(known, hit.offset) + 1;
  const later = known.items.filter((item) => item.offset > hit.offset);
  if (later.some((item) => item.durableLsn >= neededLsn)) return 'corrupt';
  return `${neededLsn - 1} records, torn`;
}

export function flip(bytes: Buffer, bit: number): void {
  bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
}

/** The log's file cut to its first `bytes` bytes. */
export function cutFile(files: Map<string, Buffer>, path: string, bytes: number): void {
  files.set(path, (files.get(path) as Buffer).subarray(0, bytes));
}
