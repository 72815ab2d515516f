/**
 * Reads, on every node: directly from the store if nothing has to be waited for, and
 * without a promise on that path. Positions that callers send are judged by the
 * token rules (docs/replication.md, rule 7).
 */

import type { Engine } from '#engine/engine.ts';
import { FeedGap } from '#engine/feed/feed.ts';
import { inWallTime } from '#engine/log-clock.ts';
import { mutationsOf } from '#engine/records/record-table.ts';
import type { Awaitable } from '#model/awaitable.ts';
import type { ReadMoment, ServesKey } from '#model/bulk.ts';
import type {
  GetAnswer,
  GetCommand,
  ScanAnswer,
  ScanCommand,
  Update,
  UpdatesAnswer,
  UpdatesCommand,
} from '#model/commands.ts';
import { movedDeadline, stated } from '#model/entry.ts';
import { checkCaller, notYet, WalnutError } from '#model/errors.ts';
import type { Lsn, Position } from '#model/position.ts';
import { formatPosition, termOf } from '#model/position.ts';
import { describeAge } from '#model/status.ts';
import { withModified } from '#node/modified.ts';
import { positionBefore } from '#node/since.ts';
import type { Clock } from '#platform/clock.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';
import type { FrameRun } from '#wal/frame-run.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

/** What the reader must know of the node around it. */
export interface ReaderContext {
  /** The engine to read from; throws `unavailable` if there is none. */
  engine(): Engine;
  readonly clock: Clock;
  /** Called with the key of each Get that found an entry; undefined if nobody wants it. */
  readonly noteRead: ((key: string) => void) | undefined;
  /**
   * True if this is the master, so that no other node has more of its history. A
   * fenced master cannot know that.
   */
  readonly ownsHistory: boolean;
  /** See `ReadMoment.serves`. */
  readonly serves: ServesKey | undefined;
  readonly stalenessMs: number;
  readonly leaderHint: string | undefined;
}

const NO_BYTES = new Uint8Array(0);
const UPDATES_BYTES_DEFAULT = 1 << 20;
/** Most memory for one GetUpdates. */
const UPDATES_BYTES_MAX = 16 << 20;

/** How often a waiting read checks whether the engine was replaced. */
const RECHECK_MS = 250;

/** What a position is waited for to become. */
interface Reach {
  lsn(engine: Engine): Lsn;
  wait(engine: Engine, lsn: Lsn, timeoutMs: number, signal: AbortSignal | undefined): Promise<boolean>;
}

const VISIBLE: Reach = {
  lsn: (engine) => engine.applied.lsn,
  wait: (engine, lsn, timeoutMs, signal) => engine.waitApplied(lsn, timeoutMs, signal),
};
const LOGGED: Reach = {
  lsn: (engine) => engine.committedLsn,
  wait: (engine, lsn, timeoutMs, signal) => engine.waitDurable(lsn, timeoutMs, signal),
};

export class Reader {
  readonly #context: ReaderContext;

  constructor(context: ReaderContext) {
    this.#context = context;
  }

  get(command: GetCommand, signal?: AbortSignal): Awaitable<GetAnswer> {
    const engine = this.#context.engine();
    const { atLeast } = command;
    if (atLeast !== undefined && !this.#isReached(engine, atLeast)) {
      return this.untilReached(atLeast, command.waitMs, signal).then((one) => this.#read(one, command));
    }
    return this.#read(engine, command);
  }

  /** Like `get`, for a caller that cannot wait: throws `unavailable` where `get` would wait. */
  getNow(command: GetCommand): GetAnswer {
    const engine = this.#context.engine();
    if (command.atLeast !== undefined && !this.#isReached(engine, command.atLeast)) {
      throw this.#notReached(engine, command.atLeast, 0);
    }
    return this.#read(engine, command);
  }

  /** Throws if the state that this master has accepted cannot include `atLeast`. */
  checkAccepted({ atLeast }: GetCommand): void {
    const engine = this.#context.engine();
    if (atLeast !== undefined && this.#standingOf(engine, atLeast) === 'unknown')
      throw this.#notReached(engine, atLeast, 0);
  }

  /** Reads by keys as bytes, for callers that answer within this turn of the event loop. */
  moment(): ReadMoment {
    const engine = this.#context.engine();
    const { noteRead, stalenessMs } = this.#context;
    const nowMs = engine.logClock.nowMs();
    const shiftMs = engine.logClock.shiftMs(nowMs);
    return {
      entries: engine.store.reads(engine.readNowMs(nowMs), shiftMs, noteRead),
      asOf: engine.position,
      stalenessMs,
      serves: this.#context.serves,
      includes: (position) => this.#isReached(engine, position),
    };
  }

  scan(command: ScanCommand): ScanAnswer {
    const engine = this.#context.engine();
    const asOf = engine.position;
    const { stalenessMs } = this.#context;
    if (command.countOnly === true) {
      return { entries: [], ...engine.store.count(command, engine.readNowMs()), asOf, stalenessMs };
    }
    const page = engine.store.scan(command, engine.readNowMs());
    const shown = page.entries.map((entry) => inWallTime(entry, engine.logClock));
    const entries = command.withModified === true ? shown.map((entry) => withModified(entry, engine)) : shown;
    return { ...page, entries, asOf, stalenessMs };
  }

  async getUpdates(command: UpdatesCommand, signal?: AbortSignal): Promise<UpdatesAnswer> {
    const engine = this.#context.engine();
    const after =
      command.sinceMs === undefined ? command.after : await this.untilTime(engine, command.sinceMs, signal);
    if (this.#standingOf(engine, after) === 'unknown')
      throw notYet(`epoch ${after.epoch} is not known here yet`, this.#context.leaderHint);
    if (after.lsn > engine.log.tail.lsn) throw this.#notReached(engine, after, 0);
    const latest = engine.durablePosition;
    const run = await this.#readFrames(engine, after, command.bytesMax);
    const bytes = run?.bytes ?? NO_BYTES;
    return {
      updates: command.format === 'entries' ? entriesOf(bytes) : [],
      frames: command.format === 'frames' ? bytes : NO_BYTES,
      last: run === undefined ? after : { epoch: run.last.epoch, lsn: run.last.lsn },
      latest,
      earliest: engine.earliestPosition,
    };
  }

  async #readFrames(engine: Engine, after: Position, bytesMax: number): Promise<FrameRun | undefined> {
    const wanted = Math.min(bytesMax === 0 ? UPDATES_BYTES_DEFAULT : bytesMax, UPDATES_BYTES_MAX);
    const run = await engine.feed.read(after.lsn, wanted);
    if (!(run instanceof FeedGap)) return run;
    const { damagedLsn } = run;
    const earliest = engine.earliestPosition;
    const why =
      damagedLsn === undefined
        ? `it begins at ${formatPosition(earliest)}`
        : `it is damaged at LSN ${damagedLsn}`;
    throw new WalnutError(
      'out_of_range',
      `the log no longer contains what follows ${formatPosition(after)}: ${why}`,
      { earliest, latest: engine.durablePosition },
    );
  }

  /** The position after which the first record at or after a wall time stands. Throws as `positionBefore`. */
  untilTime(engine: Engine, wallMs: number, signal?: AbortSignal): Promise<Position> {
    const { logClock } = engine;
    return positionBefore(engine, movedDeadline(wallMs, -logClock.shiftMs(logClock.nowMs())), signal);
  }

  #read(engine: Engine, command: GetCommand): GetAnswer {
    const { stalenessMs } = this.#context;
    const { maxStalenessMs } = command;
    if (maxStalenessMs !== undefined && stalenessMs > maxStalenessMs) {
      throw notYet(
        `this answer would be ${describeAge(stalenessMs)}: max_staleness_ms is ${maxStalenessMs}`,
        this.#context.leaderHint,
      );
    }
    const stored = engine.store.get(command.key, engine.readNowMs());
    if (stored !== undefined) this.#context.noteRead?.(command.key);
    const found = stored && inWallTime(stored, engine.logClock);
    const entry = found !== undefined && command.withModified === true ? withModified(found, engine) : found;
    return { entry, asOf: engine.position, stalenessMs };
  }

  /**
   * Returns whether a position is in the history here, or may still come; throws if it
   * never will. A master has all of its history, so what is beyond its log was discarded.
   * Only an epoch of a higher term shows that the master is the one that is behind.
   */
  #standingOf(engine: Engine, position: Position): 'in_history' | 'unknown' {
    const { ownsHistory } = this.#context;
    const standing = engine.standingOf(position);
    if (standing === 'discarded') throw discarded(position);
    if (standing === 'unknown') {
      if (ownsHistory && termOf(position.epoch) <= termOf(engine.log.tail.epoch)) throw discarded(position);
      return standing;
    }
    if (ownsHistory && position.lsn > engine.log.tail.lsn) throw discarded(position);
    return standing;
  }

  /** True if a position is visible here; throws if it never will be. */
  #isReached(engine: Engine, position: Position): boolean {
    return this.#standingOf(engine, position) === 'in_history' && position.lsn <= engine.applied.lsn;
  }

  /**
   * Waits until `atLeast` is visible here and returns the engine that has it. Throws
   * `unavailable` after `waitMs`, `cancelled` if the caller gave up,
   * `discarded_history` if it never will be visible. Checks repeatedly, because the
   * engine may be replaced, and a position of an unknown epoch may become known only
   * with a later record.
   */
  untilReached(atLeast: Position, waitMs: number, signal: AbortSignal | undefined): Promise<Engine> {
    return this.#until(VISIBLE, atLeast, waitMs, signal);
  }

  /** Like `untilReached`, but the record need only be in the log: a delayed replica applies it later. */
  untilLogged(position: Position, waitMs: number, signal: AbortSignal | undefined): Promise<Engine> {
    return this.#until(LOGGED, position, waitMs, signal);
  }

  async #until(
    reach: Reach,
    atLeast: Position,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Engine> {
    const { clock } = this.#context;
    const endMs = clock.monotonicMs() + waitMs;
    for (;;) {
      const engine = this.#context.engine();
      const standing = this.#standingOf(engine, atLeast);
      const atLsn = reach.lsn(engine);
      if (standing === 'in_history' && atLeast.lsn <= atLsn) return engine;
      const leftMs = endMs - clock.monotonicMs();
      checkCaller(signal);
      if (leftMs <= 0) throw this.#notReached(engine, atLeast, waitMs);
      const wanted = Math.max(atLeast.lsn, atLsn + 1) as Lsn;
      const sliceMs = Math.min(leftMs, RECHECK_MS);
      const sliceEndMs = clock.monotonicMs() + sliceMs;
      if (await reach.wait(engine, wanted, sliceMs, signal)) continue;
      // An engine that is being replaced does not wait, so wait for the rest of the slice here.
      await clock.sleep(Math.max(0, sliceEndMs - clock.monotonicMs()), signal);
    }
  }

  #notReached(engine: Engine, atLeast: Position, waitMs: number): WalnutError {
    return notYet(
      `position ${formatPosition(atLeast)} is not reached after ${Math.round(waitMs)} ms: this node is at ` +
        formatPosition(engine.position),
      this.#context.leaderHint,
    );
  }
}

function discarded(position: Position): WalnutError {
  return new WalnutError(
    'discarded_history',
    `position ${formatPosition(position)} belongs to a history that was discarded: what it saw may be gone`,
  );
}

/** Records below the snapshot may be of a newer program: this one starts without them, and cannot show them. */
function entriesOf(bytes: Uint8Array): Update[] {
  try {
    return decodeFrames(bytes).flatMap(toUpdates);
  } catch (error) {
    if (!(error instanceof NewerFormatError)) throw error;
    const message = `these records cannot be given as entries: ${error.message}. Ask for frames`;
    throw new WalnutError('failed_precondition', message, { cause: error });
  }
}

function toUpdates(frame: Frame): Update[] {
  const position: Position = { epoch: frame.epoch, lsn: frame.lsn };
  return mutationsOf(frame).map((mutation) => ({
    position,
    timestampMs: frame.timestampMs,
    op: mutation.op,
    cause: mutation.cause,
    key: mutation.key,
    ...stated(mutation),
  }));
}
