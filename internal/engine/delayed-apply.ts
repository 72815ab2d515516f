/**
 * Applies a replica's log late (`replication.apply_delay`). The engine logs,
 * fdatasyncs and acks records at once. This class reads the log again and applies a
 * record when the master's log clock, which pushes and heartbeats state, is past the
 * record's timestamp by the delay. Without messages from a master no record becomes
 * due; an operator may then release the records that wait.
 *
 * An operator may also release records up to an LSN and pause applying there: the
 * `ApplyHold`, which MANIFEST stores. One chunk of the log is in memory. A log that
 * cannot be read counts as a failed disk (`Engine.failed`).
 */

import type { Engine } from '#engine/engine.ts';
import { checkCaller, unavailable } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import { nextLsn } from '#model/position.ts';
import type { DelayStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import { asError } from '#platform/thrown.ts';
import type { Frame } from '#wal/frame.ts';
import type { ApplyHold } from '#wal/manifest.ts';

/** No operator has released or paused anything. */
export const NO_HOLD: ApplyHold = { uptoLsn: 0, isHeld: false };

const READ_BYTES = 1 << 20;
const SLICE_MS = 4;
const FRAMES_BETWEEN_CLOCK_READS = 32;
/** How often it looks for due records without being woken, and requests an fdatasync of the next ones. */
const IDLE_MS = 1_000;

export class DelayedApply {
  readonly delayMs: number;
  readonly #engine: Engine;
  readonly #clock: Clock;
  #hold: ApplyHold;
  #masterClockMs: number;
  /** Frames that were read from the log; those from `#at` on are not applied yet. */
  #chunk: readonly Frame[] = [];
  #at = 0;
  #appliesAll = false;
  #askedSyncMs = Number.NEGATIVE_INFINITY;
  #isWoken = false;
  #wake: (() => void) | undefined;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  /** The newest timestamp in the log is a time that the master's clock has shown. */
  constructor(engine: Engine, clock: Clock, delayMs: number, hold: ApplyHold) {
    this.#engine = engine;
    this.#clock = clock;
    this.delayMs = delayMs;
    this.#hold = hold;
    this.#masterClockMs = engine.lastTimestampMs;
  }

  /** Applies due records in the background until `close`. */
  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.wake();
    await this.#running;
  }

  /** Notes the master's log clock, from its last message. */
  noteClock(masterMs: number): void {
    if (masterMs <= this.#masterClockMs) return;
    this.#masterClockMs = masterMs;
    this.wake();
  }

  get hold(): ApplyHold {
    return this.#hold;
  }

  set hold(hold: ApplyHold) {
    this.#hold = hold;
    this.wake();
  }

  get status(): DelayStatus {
    const { isHeld } = this.#hold;
    const next = this.#chunk[this.#at];
    const dueMs = next === undefined ? undefined : next.timestampMs + this.delayMs - this.#masterClockMs;
    return {
      delayMs: this.delayMs,
      isHeld,
      waitingRecords: this.#engine.committedLsn - this.#engine.applied.lsn,
      nextDueInMs: isHeld || dueMs === undefined ? undefined : Math.max(0, dueMs),
    };
  }

  /** When by the log clock what is visible here stopped being all that there was, or before that. */
  get behindSinceMs(): number {
    return this.#chunk[this.#at]?.timestampMs ?? this.#engine.behindSinceMs;
  }

  /** Applies what is due, in slices; returns its bytes. One at a time: before `start`, or by it. */
  async applyDue(): Promise<number> {
    let bytes = 0;
    let sliceEndMs = this.#clock.monotonicMs() + SLICE_MS;
    while (!this.#abort.signal.aborted) {
      const frame = this.#chunk[this.#at];
      if (frame === undefined) {
        if (!(await this.#readOn())) break;
        continue;
      }
      if (!this.#isDue(frame)) break;
      this.#engine.replay(frame);
      this.#at++;
      bytes += frame.frameBytes;
      if (this.#at % FRAMES_BETWEEN_CLOCK_READS === 0 && this.#clock.monotonicMs() >= sliceEndMs) {
        await this.#clock.yield();
        sliceEndMs = this.#clock.monotonicMs() + SLICE_MS;
      }
    }
    return bytes;
  }

  /** Resolves when `lsn`, which is released, is applied. Throws `cancelled`, `unavailable` where this ends, `storage_failed`. */
  async untilApplied(lsn: Lsn, signal?: AbortSignal): Promise<void> {
    const engine = this.#engine;
    while (engine.applied.lsn < lsn) {
      engine.checkDisk();
      checkCaller(signal);
      if (this.#abort.signal.aborted) throw unavailable(`record ${lsn} is not applied yet`);
      // Only what is durable is read again.
      await engine.waitDurable(lsn, IDLE_MS, signal);
      this.wake();
      await engine.waitApplied(lsn, IDLE_MS, signal);
    }
  }

  /**
   * Applies all that the log has, whatever its time or an operator said. Nothing
   * may be appended meanwhile. Throws as `untilApplied`.
   */
  async applyAll(signal?: AbortSignal): Promise<void> {
    this.#appliesAll = true;
    try {
      while (this.#engine.applied.lsn < this.#engine.log.tail.lsn)
        await this.untilApplied(this.#engine.log.tail.lsn, signal);
    } finally {
      this.#appliesAll = false;
    }
  }

  /** Makes it look again whether a record is due. */
  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  #isDue(frame: Frame): boolean {
    const { uptoLsn, isHeld } = this.#hold;
    if (this.#appliesAll || frame.lsn <= uptoLsn) return true;
    return !isHeld && frame.timestampMs + this.delayMs <= this.#masterClockMs;
  }

  async #readOn(): Promise<boolean> {
    const engine = this.#engine;
    if (engine.applied.lsn >= engine.committedLsn) return false;
    this.#chunk = await engine.log.read(nextLsn(engine.applied.lsn), READ_BYTES);
    this.#at = 0;
    if (this.#chunk.length > 0) return true;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#askedSyncMs >= IDLE_MS) {
      this.#askedSyncMs = nowMs;
      engine.log.requestSync();
    }
    return false;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#abort.signal.aborted) {
        this.#isWoken = false;
        await this.applyDue();
        await this.#untilWoken();
      }
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#engine.failed.tell(asError(error));
    }
  }

  #untilWoken(): Promise<void> {
    if (this.#isWoken || this.#abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel();
        this.#wake = undefined;
        resolve();
      };
      const timer = this.#clock.after(IDLE_MS, done);
      this.#wake = done;
    });
  }
}
