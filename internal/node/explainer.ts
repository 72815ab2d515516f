/**
 * Explains one key: what is stored, and what the log says of it. The log is searched
 * from its end in blocks of records, so that the newest changes are found first and a
 * search that is ended by its bounds has them. The bounds are looked at after each read: of
 * a block that is not read whole nothing counts. Reading and decoding go in slices; two
 * searches run at once, others wait.
 */
import type { Engine } from '#engine/engine.ts';
import { FeedGap } from '#engine/feed/feed.ts';
import { mutationsOf } from '#engine/records/record-table.ts';
import { type Entry, isExpired, type Mutation, movedDeadline, stated } from '#model/entry.ts';
import { checkCaller } from '#model/errors.ts';
import {
  EXPLAIN_CHANGES_DEFAULT,
  type ExplainAnswer,
  type ExplainCommand,
  type ExplainedEntry,
} from '#model/explain.ts';
import { utf8Length } from '#model/limits.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { WatchEvent } from '#model/watch.ts';
import type { AccessTimes } from '#node/access-times.ts';
import { modifiedMsOf } from '#node/modified.ts';
import type { Clock } from '#platform/clock.ts';
import { entryCost } from '#storage/entry-cost.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';
import { Turns } from '#watch/turns.ts';

export interface ExplainContext {
  /** The engine to look at; throws `unavailable` where there is none to read. */
  engine(): Engine;
  readonly stalenessMs: number;
  readonly lagRecords: number;
  readonly accesses: AccessTimes;
}

/** What one search may take. */
const SEARCH_BYTES_MAX = 64 << 20;
const SEARCH_MS_MAX = 2_000;
const SEARCHES_MAX = 2;
/** How long the disk may take before it begins. */
const SYNC_MS_MAX = 1_000;
const READ_BYTES = 256 * 1_024;
/** Most records in a block, how many bytes it should have, and has before one of fewer records replaces it. */
const BLOCK_RECORDS_MAX = 65_536;
const BLOCK_BYTES = 1 << 20;
const BLOCK_BYTES_MAX = 4 * BLOCK_BYTES;
const NO_BYTES = new Uint8Array(0);

export class Explainer {
  readonly #context: ExplainContext;
  readonly #clock: Clock;
  readonly #turns: Turns;

  constructor(context: ExplainContext, clock: Clock) {
    this.#context = context;
    this.#clock = clock;
    this.#turns = new Turns({ clock, places: SEARCHES_MAX, mayServe: () => true });
  }

  /** Throws `unavailable` like a Get, and `cancelled` where the caller has gone. */
  async explain({ key, changes }: ExplainCommand, signal: AbortSignal): Promise<ExplainAnswer> {
    const giveBack = await this.#turns.take(signal);
    try {
      checkCaller(signal);
      const engine = this.#context.engine();
      // What is visible is searched, too: only what is durable can be read back.
      await engine.waitDurable(engine.appliedLsn, SYNC_MS_MAX, signal);
      const search = new Search(engine, key, changes || EXPLAIN_CHANGES_DEFAULT, this.#clock);
      await search.run(signal);
      const { stalenessMs, lagRecords, accesses } = this.#context;
      const wallShiftMs = engine.logClock.shiftMs(engine.logClock.nowMs());
      const entry = explained(engine, key, wallShiftMs, accesses);
      return { ...search.found(), entry, asOf: engine.position, stalenessMs, lagRecords, wallShiftMs };
    } finally {
      giveBack?.();
    }
  }
}

function explained(
  engine: Engine,
  key: string,
  wallShiftMs: number,
  accesses: AccessTimes,
): ExplainedEntry | undefined {
  const { store } = engine;
  const stored: Entry | undefined = store.peek(key);
  if (stored === undefined) return undefined;
  const { version, value, contentType = '', expireAtMs } = stored;
  return {
    version,
    expireAtMs: movedDeadline(expireAtMs, wallShiftMs),
    valueBytes: value.length,
    memoryBytes: entryCost(utf8Length(key), value.length + contentType.length),
    isExpired: isExpired(expireAtMs, engine.readNowMs()),
    modifiedMs: modifiedMsOf(stored, engine) ?? 0,
    accessedMs: accesses.lastMs(store, key),
  };
}

type Found = Pick<
  ExplainAnswer,
  'changes' | 'sets' | 'deletes' | 'waitingChanges' | 'searchedFrom' | 'isComplete'
>;

/** What is found in a run of records. */
class Block {
  /** Oldest first. */
  readonly events: WatchEvent[] = [];
  sets = 0;
  deletes = 0;
  waiting = 0;
  bytes = 0;
  /** The records that were read. */
  records = 0;
}

class Search {
  readonly #engine: Engine;
  readonly #key: string;
  readonly #changesMax: number;
  readonly #clock: Clock;
  /** Newest first. */
  #changes: WatchEvent[] = [];
  #sets = 0;
  #deletes = 0;
  #waiting = 0;
  #bytes = 0;
  #from: Position;
  #isComplete = false;
  readonly #endMs: number;

  constructor(engine: Engine, key: string, changesMax: number, clock: Clock) {
    this.#engine = engine;
    this.#key = key;
    this.#changesMax = changesMax;
    this.#clock = clock;
    this.#from = engine.position;
    this.#endMs = clock.monotonicMs() + SEARCH_MS_MAX;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { feed } = this.#engine;
    let throughLsn = feed.lastLsn('durable');
    let records = 1;
    while (throughLsn > 0) {
      const { earliestLsn } = feed;
      const fromLsn = Math.max(earliestLsn, throughLsn - records + 1) as Lsn;
      const block = fromLsn > throughLsn ? undefined : await this.#read(fromLsn, throughLsn, signal);
      if (block === undefined) return;
      if (block.records > throughLsn - fromLsn) {
        this.#take(block, fromLsn);
        this.#isComplete = fromLsn === earliestLsn;
        throughLsn = (fromLsn - 1) as Lsn;
      }
      if (this.#isComplete || this.#isOver) return;
      records = nextBlock(block);
    }
    this.#isComplete = true;
  }

  get #isOver(): boolean {
    return this.#bytes >= SEARCH_BYTES_MAX || this.#clock.monotonicMs() >= this.#endMs;
  }

  #take({ events, sets, deletes, waiting }: Block, fromLsn: Lsn): void {
    const newestFirst = [...this.#changes, ...events.toReversed()];
    this.#changes = newestFirst.slice(0, this.#changesMax);
    this.#sets += sets;
    this.#deletes += deletes;
    this.#waiting += waiting;
    this.#from = { epoch: this.#engine.epochAt(fromLsn), lsn: fromLsn };
  }

  found(): Found {
    return {
      changes: this.#changes.toReversed(),
      sets: this.#sets,
      deletes: this.#deletes,
      waitingChanges: this.#waiting,
      searchedFrom: this.#from,
      isComplete: this.#isComplete,
    };
  }

  /** The first of these records, up to the last where no bound is met. Undefined where they cannot be read. */
  async #read(fromLsn: Lsn, throughLsn: Lsn, signal: AbortSignal): Promise<Block | undefined> {
    const block = new Block();
    let at = fromLsn - 1;
    while (at < throughLsn && block.bytes < BLOCK_BYTES_MAX && !this.#isOver) {
      const run = await this.#engine.feed.read(at as Lsn, READ_BYTES);
      if (run === undefined || run instanceof FeedGap) return undefined;
      this.#bytes += run.bytes.length;
      block.bytes += run.bytes.length;
      if (!this.#tryNote(run.bytes, throughLsn, block)) return undefined;
      at = run.last.lsn;
      block.records = Math.min(at, throughLsn) - fromLsn + 1;
      await this.#clock.yield();
      checkCaller(signal);
    }
    return block;
  }

  /** False where a newer program wrote one of the records. */
  #tryNote(bytes: Uint8Array, throughLsn: Lsn, block: Block): boolean {
    try {
      for (const frame of decodeFrames(bytes)) if (frame.lsn <= throughLsn) this.#note(frame, block);
      return true;
    } catch (error) {
      if (!(error instanceof NewerFormatError)) throw error;
      return false;
    }
  }

  #note(frame: Frame, block: Block): void {
    for (const mutation of mutationsOf(frame)) {
      if (mutation.key !== this.#key) continue;
      if (frame.lsn > this.#engine.appliedLsn) {
        block.waiting++;
        continue;
      }
      if (mutation.op === 'delete') block.deletes++;
      else if (mutation.op === 'set') block.sets++;
      block.events.push(toEvent(mutation, frame));
    }
  }
}

/** Without the value. */
function toEvent(mutation: Mutation, { epoch, lsn, timestampMs }: Frame): WatchEvent {
  const { op, cause, key } = mutation;
  const { expireAtMs, contentType } = stated(mutation);
  const said = { op, cause, key, value: NO_BYTES, contentType, expireAtMs, timestampMs };
  return {
    ...said,
    version: { epoch, lsn },
    previous: undefined,
    isPreviousUnknown: false,
    isInitial: false,
  };
}

/** Estimates from the previous block how many records take about `BLOCK_BYTES`. */
function nextBlock({ records, bytes }: Block): number {
  const fitting = Math.max(1, Math.floor((records * BLOCK_BYTES) / bytes));
  return Math.min(BLOCK_RECORDS_MAX, 4 * records, fitting);
}
