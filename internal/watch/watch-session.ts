/**
 * One watch from its first message to its end: what was logged before or what is
 * there, then what happens. Throws the error that the watch ends with, with the
 * position to go on from where that helps; whatever ends it, nothing of it is left.
 */
import type { Engine } from '#engine/engine.ts';
import { checkCaller, WalnutError } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import type { WatchCommand, WatchMessage, WatchOutlet } from '#model/watch.ts';
import { replacedError, withResume } from '#watch/ends.ts';
import { EventBytes } from '#watch/event-bytes.ts';
import { InitialWalk } from '#watch/initial-walk.ts';
import { LivePump } from '#watch/live-pump.ts';
import type { MessagePace } from '#watch/message-pace.ts';
import { queuePast, readPastFrames } from '#watch/past-records.ts';
import type { Run } from '#watch/run.ts';
import { Telling, type TellingParts } from '#watch/telling.ts';
import type { Turns } from '#watch/turns.ts';
import type { WatchHub } from '#watch/watch-hub.ts';
import type { Watcher } from '#watch/watcher.ts';

/** How long a watcher that waits for the disk sleeps if nothing wakes it. */
const WAIT_MS_MAX = 1_000;

/** What all sessions of a node share. */
export interface SessionParts extends TellingParts {
  readonly turns: Turns;
  readonly pace: MessagePace;
  /** What messages that are told at once are made from. */
  readonly run: Run;
  readonly onEnd: () => void;
}

/** The node around one watch. */
export interface WatchContext {
  /** The engine to read from; throws where this node may not be watched any more. */
  engine(): Engine;
  readonly leaderHint: string | undefined;
}

export class WatchSession {
  readonly #command: WatchCommand;
  readonly #watcher: Watcher;
  readonly #hub: WatchHub;
  readonly #context: WatchContext;
  readonly #parts: SessionParts;
  readonly #telling: Telling;
  #detach: (() => void) | undefined;

  constructor(
    command: WatchCommand,
    watcher: Watcher,
    hub: WatchHub,
    context: WatchContext,
    parts: SessionParts,
  ) {
    this.#command = command;
    this.#watcher = watcher;
    this.#hub = hub;
    this.#context = context;
    this.#parts = parts;
    this.#telling = new Telling(command, watcher, hub, parts);
    watcher.check = () => this.#check();
  }

  async *messages(signal: AbortSignal, outlet: WatchOutlet | undefined): AsyncGenerator<WatchMessage> {
    const close = this.#hub.open(this.#watcher);
    const onAbort = (): void => this.#watcher.end(new WalnutError('cancelled', 'the watcher has gone'));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      checkCaller(signal);
      const startLsn = this.#command.after === undefined ? await this.#begin() : undefined;
      if (startLsn === undefined) {
        yield* this.#past();
      } else {
        yield this.#telling.mark();
        if (this.#command.isInitial) yield* this.#initial(startLsn);
      }
      // It is open once the first message is out. An iteration around it would cost each watcher a KB.
      if (outlet?.isOpen === true) await this.#pump(outlet);
      yield* this.#live();
    } catch (error) {
      throw this.#telling.canResume ? withResume(error, this.#telling.at) : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#detach?.();
      this.#watcher.end(new WalnutError('cancelled', 'the watch is over'));
      this.#telling.taken();
      close();
      this.#parts.onEnd();
    }
  }

  /**
   * What was logged after `at`, until the watcher gets everything as it is applied. The log is
   * read before the first message, so that a position which it no longer has is refused at once.
   */
  async *#past(): AsyncGenerator<WatchMessage> {
    const { feed } = this.#hub.engine;
    if (this.#telling.at.lsn >= feed.lastLsn('applied')) yield this.#telling.mark();
    let endLsn: Lsn | undefined;
    for (;;) {
      this.#check();
      const isRead = this.#telling.at.lsn >= feed.lastLsn('applied');
      if (isRead && endLsn === undefined) endLsn = this.#attach();
      if (endLsn !== undefined && this.#telling.at.lsn >= endLsn) return;
      // Only what is durable can be read; the rest of it is on its way to the disk.
      if (isRead) await this.#watcher.untilWoken(WAIT_MS_MAX);
      else yield* this.#readPast(endLsn);
      if (this.#telling.isDue) yield this.#telling.mark();
    }
  }

  /** Begins with what is applied now, as soon as that is durable: what was acknowledged before is no change. */
  async #begin(): Promise<Lsn> {
    const startLsn = this.#attach();
    while (this.#hub.readyLsn < startLsn) {
      await this.#watcher.untilWoken(WAIT_MS_MAX);
      this.#check();
    }
    this.#telling.at = { epoch: this.#hub.engine.epochAt(startLsn), lsn: startLsn };
    return startLsn;
  }

  /** Returns the last record that the watcher does not get by itself. */
  #attach(): Lsn {
    this.#detach = this.#hub.attach(this.#watcher);
    return this.#hub.engine.appliedLsn;
  }

  async *#readPast(endLsn: Lsn | undefined): AsyncGenerator<WatchMessage> {
    const { clock } = this.#parts;
    const { past } = this.#watcher;
    let end = this.#telling.at;
    const frames = yield* this.#inTurn(() =>
      readPastFrames(this.#hub.engine, this.#telling.at, () => this.#check()),
    );
    this.#watcher.pastSinceMs = clock.monotonicMs();
    // Chunks of their own: what waits for this watcher keeps nothing of the others' in memory.
    const kept = new EventBytes();
    for (const frame of frames) {
      if (endLsn !== undefined && frame.lsn > endLsn) break;
      queuePast(this.#watcher, frame, kept);
      end = { epoch: frame.epoch, lsn: frame.lsn };
    }
    if (!this.#telling.isBegun) yield this.#telling.mark();
    for (let run = past.take(end.lsn); run !== undefined; run = past.take(end.lsn)) {
      if (past.length === 0) run.end = end;
      yield* this.#send(run);
    }
    this.#telling.at = end;
    await clock.yield();
    this.#watcher.throwIfEnded();
  }

  /**
   * What `read` resolves with, as soon as there is a place to read from. The place is
   * given back before anything is sent, so that no peer keeps one by not reading.
   */
  async *#inTurn<T>(read: () => T | Promise<T>): AsyncGenerator<WatchMessage, T> {
    const watcher = this.#watcher;
    const turn = this.#parts.turns.join(() => watcher.wake());
    try {
      for (;;) {
        turn.listen();
        await watcher.untilWoken(this.#telling.dueInMs);
        turn.pause();
        this.#check();
        if (turn.hasPlace) return await read();
        if (this.#telling.isDue) yield this.#telling.mark();
      }
    } finally {
      turn.end();
    }
  }

  /** What is there, with what happens meanwhile in between; the watcher can go on from its end only. */
  async *#initial(startLsn: Lsn): AsyncGenerator<WatchMessage> {
    const { past } = this.#watcher;
    const walk = new InitialWalk(this.#hub.engine, this.#command, startLsn);
    while (!walk.isDone) {
      const page = yield* this.#inTurn(() => walk.next());
      this.#watcher.pastSinceMs = this.#parts.clock.monotonicMs();
      for (const change of page) past.push(change);
      for (let run = past.take(startLsn); run !== undefined; run = past.take(startLsn))
        yield* this.#send(run);
      yield* this.#ready();
      await this.#parts.clock.yield();
    }
    yield* this.#until(this.#hub.engine.appliedLsn);
    this.#telling.canResume = true;
    yield this.#telling.mark(true);
  }

  /** Everything up to the record at `lsn`, as it becomes durable. */
  async *#until(lsn: Lsn): AsyncGenerator<WatchMessage> {
    for (;;) {
      this.#check();
      yield* this.#ready();
      if (this.#telling.at.lsn >= lsn) return;
      this.#watcher.wantsLsn = Math.max(this.#watcher.wantsLsn, lsn) as Lsn;
      this.#hub.touch(this.#watcher);
      await this.#watcher.untilWoken(WAIT_MS_MAX);
      if (this.#telling.isDue) yield this.#telling.mark();
    }
  }

  /** What can be told now. */
  async *#ready(): AsyncGenerator<WatchMessage> {
    const telling = this.#telling;
    for (let next = telling.takeLive(); next !== undefined; next = telling.takeLive())
      yield* this.#send(next);
  }

  async *#live(): AsyncGenerator<WatchMessage> {
    const { clock, pace } = this.#parts;
    const watcher = this.#watcher;
    for (;;) {
      this.#check();
      const next = this.#telling.takeLive();
      if (next !== undefined) {
        pace.note(clock.monotonicMs());
        yield* this.#send(next);
        continue;
      }
      if (this.#telling.isDue) {
        yield this.#telling.mark();
        continue;
      }
      await watcher.untilWoken(this.#telling.dueInMs);
    }
  }

  #pump(outlet: WatchOutlet): Promise<never> {
    const [watcher, telling, check] = [this.#watcher, this.#telling, () => this.#check()];
    return new LivePump({ ...this.#parts, watcher, telling, outlet, check }).run();
  }

  async *#send(run: Run): AsyncGenerator<WatchMessage> {
    const { room } = this.#parts;
    let told = run;
    if (!room.maySend(run.bytes)) {
      // What it was packed in may be written again meanwhile.
      told = run.kept();
      await room.untilMaySend(run.bytes, this.#watcher.signal);
      this.#check();
    }
    const { events } = told;
    yield { ...this.#telling.tell(told), events };
    this.#telling.taken();
  }

  /** Throws where the watch is over: by itself, or since the node is not what it was. */
  #check(): void {
    this.#watcher.throwIfEnded();
    const engine = this.#context.engine();
    if (engine !== this.#hub.engine) throw replacedError(engine, this.#telling.at, this.#context.leaderHint);
  }
}
