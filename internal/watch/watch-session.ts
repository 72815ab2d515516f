/**
 * One watch from its first message to its end: what was logged before or what is
 * there, then what happens. Throws the error that the watch ends with, with the
 * position to go on from where that helps; whatever ends it, nothing of it is left.
 */
import type { Engine } from '#engine/engine.ts';
import { checkCaller, WalnutError } from '#model/errors.ts';
import type { Lsn, Position } from '#model/position.ts';
import {
  WATCH_PROGRESS_MS_DEFAULT,
  type WatchCommand,
  type WatchEvent,
  type WatchMessage,
} from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import type { Taken } from '#watch/change-queue.ts';
import { replacedError, withResume } from '#watch/ends.ts';
import { InitialWalk } from '#watch/initial-walk.ts';
import type { MessagePace } from '#watch/message-pace.ts';
import { queuePast, readPastFrames } from '#watch/past-records.ts';
import type { Room } from '#watch/room.ts';
import type { Turns } from '#watch/turns.ts';
import type { WatchHub } from '#watch/watch-hub.ts';
import type { Watcher } from '#watch/watcher.ts';

/** How long a watcher that waits for the disk sleeps if nothing wakes it. */
const WAIT_MS_MAX = 1_000;

/** What all sessions of a node share. */
export interface SessionParts {
  readonly clock: Clock;
  readonly room: Room;
  readonly turns: Turns;
  readonly pace: MessagePace;
  readonly onMessage: (events: number) => void;
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
  readonly #progressMs: number;
  /** All records up to here were told, or are of no interest. */
  #at: Position;
  #canResume: boolean;
  /** When the next message is due although nothing happened. */
  #dueMs = 0;
  /** Gives back the room of the message that was handed over last. */
  #taken: (() => void) | undefined;
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
    this.#progressMs = command.progressEveryMs || WATCH_PROGRESS_MS_DEFAULT;
    this.#at = command.after ?? hub.ready;
    this.#canResume = !command.isInitial;
    watcher.check = () => this.#check();
  }

  async *messages(signal: AbortSignal): AsyncGenerator<WatchMessage> {
    const close = this.#hub.open(this.#watcher);
    const onAbort = (): void => this.#watcher.end(new WalnutError('cancelled', 'the watcher has gone'));
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      checkCaller(signal);
      const startLsn = this.#command.after === undefined ? await this.#begin() : undefined;
      yield this.#message([], 0);
      if (startLsn === undefined) yield* this.#past();
      else if (this.#command.isInitial) yield* this.#initial(startLsn);
      yield* this.#live();
    } catch (error) {
      throw this.#canResume ? withResume(error, this.#at) : error;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#detach?.();
      this.#watcher.end(new WalnutError('cancelled', 'the watch is over'));
      this.#taken?.();
      close();
      this.#parts.onEnd();
    }
  }

  /** What was logged after `at`, until the watcher gets everything as it is applied. */
  async *#past(): AsyncGenerator<WatchMessage> {
    const { feed } = this.#hub.engine;
    let endLsn: Lsn | undefined;
    for (;;) {
      this.#check();
      const isRead = this.#at.lsn >= feed.lastLsn('applied');
      if (isRead && endLsn === undefined) endLsn = this.#attach();
      if (endLsn !== undefined && this.#at.lsn >= endLsn) return;
      // Only what is durable can be read; the rest of it is on its way to the disk.
      if (isRead) await this.#watcher.untilWoken(WAIT_MS_MAX);
      else yield* this.#readPast(endLsn);
      if (this.#isDue) yield this.#message([], 0);
    }
  }

  /** Begins with what is applied now, as soon as that is durable: what was acknowledged before is no change. */
  async #begin(): Promise<Lsn> {
    const startLsn = this.#attach();
    while (this.#hub.readyLsn < startLsn) {
      await this.#watcher.untilWoken(WAIT_MS_MAX);
      this.#check();
    }
    this.#at = { epoch: this.#hub.engine.epochAt(startLsn), lsn: startLsn };
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
    let end = this.#at;
    const frames = yield* this.#inTurn(() => readPastFrames(this.#hub.engine, this.#at, () => this.#check()));
    this.#watcher.pastSinceMs = clock.monotonicMs();
    for (const frame of frames) {
      if (endLsn !== undefined && frame.lsn > endLsn) break;
      queuePast(this.#watcher, frame);
      end = { epoch: frame.epoch, lsn: frame.lsn };
    }
    for (let taken = past.take(end.lsn); taken !== undefined; taken = past.take(end.lsn)) {
      yield* this.#send(taken, past.length === 0 ? end : undefined);
    }
    this.#at = end;
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
        await watcher.untilWoken(this.#dueMs - this.#parts.clock.monotonicMs());
        turn.pause();
        this.#check();
        if (turn.hasPlace) return await read();
        if (this.#isDue) yield this.#message([], 0);
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
      for (let taken = past.take(startLsn); taken !== undefined; taken = past.take(startLsn)) {
        yield* this.#send(taken, undefined);
      }
      yield* this.#ready();
      await this.#parts.clock.yield();
    }
    yield* this.#until(this.#hub.engine.appliedLsn);
    this.#canResume = true;
    yield { ...this.#message([], 0), isInitialDone: true };
  }

  /** Everything up to the record at `lsn`, as it becomes durable. */
  async *#until(lsn: Lsn): AsyncGenerator<WatchMessage> {
    for (;;) {
      this.#check();
      yield* this.#ready();
      if (this.#at.lsn >= lsn) return;
      this.#watcher.wantsLsn = Math.max(this.#watcher.wantsLsn, lsn) as Lsn;
      this.#hub.touch(this.#watcher);
      await this.#watcher.untilWoken(WAIT_MS_MAX);
      if (this.#isDue) yield this.#message([], 0);
    }
  }

  /** What can be told now. */
  async *#ready(): AsyncGenerator<WatchMessage> {
    for (let next = this.#takeLive(); next !== undefined; next = this.#takeLive()) {
      yield* this.#send(next.taken, next.end);
    }
  }

  async *#live(): AsyncGenerator<WatchMessage> {
    const { clock, pace } = this.#parts;
    const watcher = this.#watcher;
    for (;;) {
      this.#check();
      const next = this.#takeLive();
      if (next !== undefined) {
        pace.note(clock.monotonicMs());
        await this.#untilMaySend(next.taken);
        yield this.#tell(next.taken, next.end);
        continue;
      }
      const nowMs = clock.monotonicMs();
      if (nowMs >= this.#dueMs) {
        yield this.#message([], 0);
        continue;
      }
      await watcher.untilWoken(this.#dueMs - nowMs);
      if (!watcher.live.hasUpTo(this.#hub.readyLsn)) continue;
      const paceMs = pace.waitMs(clock.monotonicMs());
      if (paceMs > 0) await clock.sleep(paceMs, watcher.signal);
    }
  }

  /** `end`: where the watcher is when it has the message; undefined: where its events say. */
  #takeLive(): { taken: Taken; end: Position | undefined } | undefined {
    const { live } = this.#watcher;
    const { ready } = this.#hub;
    const taken = live.take(ready.lsn);
    const isAll = !live.hasUpTo(ready.lsn);
    if (taken !== undefined) return { taken, end: isAll ? ready : undefined };
    if (ready.lsn > this.#at.lsn) this.#at = ready;
    return undefined;
  }

  async *#send(taken: Taken, end: Position | undefined): AsyncGenerator<WatchMessage> {
    await this.#untilMaySend(taken);
    yield this.#tell(taken, end);
  }

  async #untilMaySend({ bytes }: Taken): Promise<void> {
    const { room } = this.#parts;
    if (room.maySend(bytes)) return;
    await room.untilMaySend(bytes, this.#watcher.signal);
    this.#check();
  }

  #tell(taken: Taken, end: Position | undefined): WatchMessage {
    const position = taken.isFragment ? taken.lastWhole : (end ?? taken.lastWhole);
    if (position !== undefined && position.lsn > this.#at.lsn) this.#at = position;
    const events = taken.changes.map((change) => change.as(this.#watcher));
    return this.#message(events, taken.bytes, taken.isFragment);
  }

  #message(events: readonly WatchEvent[], bytes: number, isFragment = false): WatchMessage {
    const { clock, room, onMessage } = this.#parts;
    this.#taken?.();
    this.#taken = room.send(bytes);
    this.#dueMs = clock.monotonicMs() + this.#progressMs;
    onMessage(events.length);
    const { logClock } = this.#hub.engine;
    return {
      events,
      position: this.#at,
      canResume: this.#canResume && !isFragment,
      isFragment,
      isInitialDone: false,
      wallShiftMs: logClock.shiftMs(logClock.nowMs()),
    };
  }

  get #isDue(): boolean {
    return this.#parts.clock.monotonicMs() >= this.#dueMs;
  }

  /** Throws where the watch is over: by itself, or since the node is not what it was. */
  #check(): void {
    this.#watcher.throwIfEnded();
    const engine = this.#context.engine();
    if (engine !== this.#hub.engine) throw replacedError(engine, this.#at, this.#context.leaderHint);
  }
}
