/**
 * Logs when the log clock and this machine's wall clock begin to differ by more
 * than they should, when the one that is ahead changes, and when they agree again.
 */
import type { Engine } from '#engine/engine.ts';
import { CLOCK_OFFSET_MAX_MS } from '#engine/log-clock.ts';
import type { ClockStatus } from '#model/clock.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import { describeDuration } from '#platform/duration.ts';
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

/** A reason for Status; undefined if the clocks agree well enough. */
export function describeClockOffset({ aheadMs }: ClockStatus): string | undefined {
  if (Math.abs(aheadMs) <= CLOCK_OFFSET_MAX_MS) return undefined;
  return `${describeAhead(aheadMs)}: check the wall clock (date -u), then see: walnut clock`;
}

/** The offset as every message of a node says it. */
export function describeAhead(aheadMs: number): string {
  const where = aheadMs < 0 ? 'behind' : 'ahead of';
  return `the log clock is ${describeDuration(Math.abs(aheadMs))} ${where} this machine's wall clock`;
}

export class ClockWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #engine: () => Engine | undefined;
  #timer: Timer | undefined;
  /** 1: the log clock was too far ahead at the last look; -1: too far behind; 0: the two agreed. */
  #side = 0;

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
    const side = why === undefined ? 0 : Math.sign(clock.aheadMs);
    if (side === this.#side) return;
    this.#side = side;
    if (why !== undefined) this.#logger.warn({ clock }, why);
    else this.#logger.info({ clock }, 'the log clock agrees with the wall clock again');
  }
}
