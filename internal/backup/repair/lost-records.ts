/**
 * Lists what a cut after a record D loses: by key, every later record that can
 * still be read, and the LSNs of those that cannot. The memory that it needs grows
 * with the number of lost keys, not with their values.
 */
import { RecordError } from '#engine/records/record-kind.ts';
import { mutationsOf } from '#engine/records/record-table.ts';
import type { Mutation } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import type { Store } from '#storage/store.ts';
import type { SegmentName } from '#wal/file-names.ts';
import type { Frame } from '#wal/frame.ts';
import { salvageSegment } from '#wal/salvage.ts';
import { SEGMENT_HEADER_BYTES, tryDecodeSegmentHeader } from '#wal/segment-format.ts';
import { type DamagePlace, NewerFormatError } from '#wal/wal-errors.ts';

/** What a cut changes for one key. */
export interface LostKey {
  readonly key: string;
  /** Number of mutations of the key that are lost. */
  readonly writes: number;
  /** The position of the last lost mutation. */
  readonly lost: Position;
  readonly op: Mutation['op'];
  /** The version that the key has after the cut; undefined if it then does not exist. */
  readonly kept: Position | undefined;
}

export interface LsnRange {
  readonly firstLsn: number;
  readonly lastLsn: number;
}

export interface Loss {
  /** Number of lost records that can still be read, and of their mutations. */
  readonly records: number;
  readonly mutations: number;
  /** The highest LSN that is known to have existed; that of D if nothing is lost. */
  readonly lastLsn: number;
  /** Log clock of the newest lost record, milliseconds; 0 if none can be read. */
  readonly lastTimestampMs: number;
  /** In the order in which they were last written. */
  readonly keys: readonly LostKey[];
  /** Records whose content cannot be read: which keys they wrote is not known. */
  readonly unreadable: readonly LsnRange[];
  readonly damage: readonly DamagePlace[];
}

export interface LossOptions {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly path: string;
  /** The segments that may contain records after D, oldest first. */
  readonly segments: readonly SegmentName[];
  readonly beyondLsn: number;
  /** The highest LSN that MANIFEST knows to have been durable; 0: none. */
  readonly knownLsn: number;
  /** The state at D. */
  readonly store: Store;
}

export async function findLoss(options: LossOptions): Promise<Loss> {
  const tally = new Tally(options);
  for (const segment of options.segments) await readSegment(options, segment, tally);
  tally.noteLast(options.knownLsn);
  return tally.result();
}

async function readSegment(options: LossOptions, segment: SegmentName, tally: Tally): Promise<void> {
  const { fileSystem, clock, path } = options;
  const name = `${path}/${segment.name}`;
  const file = await fileSystem.open(name, 'read');
  try {
    const { sizeBytes: endOffset } = await file.stat();
    const head = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const header = tryDecodeSegmentHeader(head.subarray(0, await file.read(head, 0)));
    if (typeof header === 'string') {
      tally.damage.push({ file: name, byte: 0, lsn: segment.firstLsn, why: header });
    }
    // The segment exists, so the records before it were written.
    tally.noteLast(segment.firstLsn - 1);
    const range = { fromOffset: SEGMENT_HEADER_BYTES, endOffset, expectedLsn: segment.firstLsn };
    const salt = typeof header === 'string' ? undefined : header.salt;
    for await (const found of salvageSegment({ file, clock, salt, ...range })) {
      if (found.kind === 'record') tally.add(found.frame);
      else if (found.kind === 'note') tally.noteLast(found.lastLsn);
      else if (salt !== undefined) {
        tally.damage.push({ file: name, byte: found.offset, lsn: found.lsn, why: found.why });
      }
    }
  } finally {
    await file.close();
  }
}

class Tally {
  readonly damage: DamagePlace[] = [];
  readonly #options: LossOptions;
  readonly #keys = new Map<string, { writes: number; lost: Position; op: Mutation['op'] }>();
  readonly #unreadable: LsnRange[] = [];
  #records = 0;
  #mutations = 0;
  /** Every LSN up to this one is accounted for. */
  #lastLsn: number;
  #lastTimestampMs = 0;

  constructor(options: LossOptions) {
    this.#options = options;
    this.#lastLsn = options.beyondLsn;
  }

  add(frame: Frame): void {
    if (frame.lsn <= this.#lastLsn) return;
    this.noteLast(frame.lsn - 1);
    this.#lastLsn = frame.lsn;
    this.#lastTimestampMs = frame.timestampMs;
    try {
      const mutations = mutationsOf(frame);
      for (const { key, op } of mutations) this.#note(key, op, frame);
      this.#records++;
      this.#mutations += mutations.length;
    } catch (error) {
      if (!(error instanceof RecordError || error instanceof NewerFormatError)) throw error;
      this.#skip({ firstLsn: frame.lsn, lastLsn: frame.lsn });
    }
  }

  /** There were records up to `lsn`: those not seen cannot be read. */
  noteLast(lsn: number): void {
    if (lsn <= this.#lastLsn) return;
    this.#skip({ firstLsn: this.#lastLsn + 1, lastLsn: lsn });
    this.#lastLsn = lsn;
  }

  #skip(range: LsnRange): void {
    const before = this.#unreadable.at(-1);
    if (before === undefined || before.lastLsn + 1 < range.firstLsn) this.#unreadable.push(range);
    else this.#unreadable.splice(-1, 1, { firstLsn: before.firstLsn, lastLsn: range.lastLsn });
  }

  #note(key: string, op: Mutation['op'], { epoch, lsn }: Frame): void {
    const writes = (this.#keys.get(key)?.writes ?? 0) + 1;
    this.#keys.delete(key);
    this.#keys.set(key, { writes, lost: { epoch, lsn }, op });
  }

  result(): Loss {
    const { store } = this.#options;
    return {
      records: this.#records,
      mutations: this.#mutations,
      lastLsn: this.#lastLsn,
      lastTimestampMs: this.#lastTimestampMs,
      keys: [...this.#keys].map(([key, lost]) => ({ key, ...lost, kept: store.peek(key)?.version })),
      unreadable: this.#unreadable,
      damage: this.damage,
    };
  }
}
