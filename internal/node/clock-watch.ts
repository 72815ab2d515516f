/**
 * Tells in the log when the log clock and this machine's wall clock differ by
 * more than they should, and when they agree again: once each.
 */
import type { Engine } from '#engine/engine.ts';
import { CLOCK_OFFSET_MAX_MS } from '#engine/log-clock.ts';
import type { ClockStatus } from '#model/clock.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';

export const CLOCK_LOOK_MS = 5_000;

export function clockStatusOf({ logClock }: Engine): ClockStatus {
  const logMs = logClock.nowMs();
  return {
    logMs,
    aheadMs: logClock.aheadMs(logMs),
    wallOffsetMs: logClock.wallOffsetMs,
    shiftMs: logClock.shiftMs(logMs),
  };
}

/** A reason for Status; undefined where the clocks agree well enough. */
export function describeClockOffset({ aheadMs }: ClockStatus): string | undefined {
  if (Math.abs(aheadMs) <= CLOCK_OFFSET_MAX_MS) return undefined;
  const where = aheadMs > 0 ? 'ahead of' : 'behind';
  return (
    `the log clock is ${(Math.abs(aheadMs) / 1_000).toFixed(1)} s ${where} this machine's wall clock: ` +
    'check the wall clock (date -u), then see: walnut clock'
  );
}

export class ClockWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #engine: () => Engine | undefined;
  #timer: Timer | undefined;
  #isOff = false;

  constructor(clock: Clock, logger: Logger, engine: () => Engine | undefined) {
    this.#clock = clock;
    this.#logger = logger;
    this.#engine = engine;
  }

  start(): void {
    this.#look();
    this.#timer = this.#clock.after(CLOCK_LOOK_MS, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const engine = this.#engine();
    if (engine === undefined) return;
    const clock = clockStatusOf(engine);
    const why = describeClockOffset(clock);
    if ((why !== undefined) === this.#isOff) return;
    this.#isOff = why !== undefined;
    if (why !== undefined) this.#logger.warn({ clock }, why);
    else this.#logger.info({ clock }, 'the log clock agrees with the wall clock again');
  }
}
