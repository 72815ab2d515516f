/**
 * When a lease is over, by the clocks of its owner. A lease begins when the message
 * that asked for it was sent. Monotonic time may not count a pause of the machine, so
 * every check compares it with wall time and uptime (ADR 17).
 *
 * The caller reads the clocks; nothing here waits or calls anybody.
 */
import { LEASE_MS, PAUSE_MS } from '#cluster/figures.ts';
import { majorityOf } from '#cluster/shard-map.ts';

/** The clocks of one machine at one moment, milliseconds. */
export interface ClockReading {
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** Time since the machine started, pauses included. */
  readonly uptimeMs: number;
}

/** When a message was sent. It is worth nothing after a later pause. */
export interface SentAt {
  readonly monotonicMs: number;
  readonly pauses: number;
}

/**
 * Counts the pauses of the machine. It compares each reading with the least difference
 * of the last one to two windows: a minimum, so that a wall clock that was set back
 * hides no pause, and a window, so that slow drift does not add up to one.
 */
export class PauseWatch {
  readonly #windowMs: number;
  #windowStartMs = Number.NEGATIVE_INFINITY;
  // The least by which wall time and uptime were ahead of monotonic time, in this window and in the one before.
  // Numbers, since every write that is taken or answered asks.
  #wallMs = Number.POSITIVE_INFINITY;
  #uptimeMs = Number.POSITIVE_INFINITY;
  #wallMsBefore = Number.POSITIVE_INFINITY;
  #uptimeMsBefore = Number.POSITIVE_INFINITY;
  #pauses = 0;

  /** `windowMs`: at least as long as the longest lease that is judged by it. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** The moment of a reading. Every check and every message sent passes here. */
  at(reading: ClockReading): SentAt {
    const { monotonicMs } = reading;
    const wallMs = reading.wallMs - monotonicMs;
    const uptimeMs = reading.uptimeMs - monotonicMs;
    const wallLeastMs = Math.min(this.#wallMs, this.#wallMsBefore);
    const uptimeLeastMs = Math.min(this.#uptimeMs, this.#uptimeMsBefore);
    if (wallMs - wallLeastMs > PAUSE_MS || uptimeMs - uptimeLeastMs > PAUSE_MS) {
      this.#pauses += 1;
      this.#begin(monotonicMs, wallMs, uptimeMs);
      this.#wallMsBefore = wallMs;
      this.#uptimeMsBefore = uptimeMs;
    } else if (monotonicMs - this.#windowStartMs > this.#windowMs) {
      this.#wallMsBefore = this.#wallMs;
      this.#uptimeMsBefore = this.#uptimeMs;
      this.#begin(monotonicMs, wallMs, uptimeMs);
    } else {
      this.#wallMs = Math.min(this.#wallMs, wallMs);
      this.#uptimeMs = Math.min(this.#uptimeMs, uptimeMs);
    }
    return { monotonicMs, pauses: this.#pauses };
  }

  #begin(monotonicMs: number, wallMs: number, uptimeMs: number): void {
    this.#windowStartMs = monotonicMs;
    this.#wallMs = wallMs;
    this.#uptimeMs = uptimeMs;
  }
}

/** True if no more than `ms` passed since `sent`, and no pause. */
export function isWithin(sent: SentAt | undefined, now: SentAt, ms: number): boolean {
  return sent !== undefined && sent.pauses === now.pauses && now.monotonicMs - sent.monotonicMs <= ms;
}

export interface MasterLeaseOptions {
  /** The names of the other voters. */
  readonly others: readonly string[];
  /** `LEASE_MS` if absent. */
  readonly leaseMs?: number;
}

/** The lease of a master in one term: by the coordinator, or by enough acks of its voters. */
export class MasterLease {
  readonly #leaseMs: number;
  readonly #acksNeeded: number;
  readonly #pauses: PauseWatch;
  readonly #acks = new Map<string, SentAt | undefined>();
  #byCoordinator: SentAt | undefined;
  /** The sending of the oldest of the acks that are needed, the newest of each voter. */
  #byVoters: SentAt | undefined;

  constructor({ others, leaseMs = LEASE_MS }: MasterLeaseOptions) {
    this.#leaseMs = leaseMs;
    this.#acksNeeded = majorityOf(others.length + 1) - 1;
    this.#pauses = new PauseWatch(leaseMs);
    for (const voter of others) this.#acks.set(voter, undefined);
  }

  /** Call it as a heartbeat or a push is sent, and give the result to `leased` or `acked` when it is answered. */
  sent(reading: ClockReading): SentAt {
    return this.#pauses.at(reading);
  }

  /** The active coordinator leased the heartbeat that was sent then. */
  leased(sent: SentAt): void {
    if (isNewer(sent, this.#byCoordinator)) this.#byCoordinator = sent;
  }

  /** A voter acked the push that was sent then. Acks of others than the voters change nothing. */
  acked(voter: string, sent: SentAt): void {
    if (!this.#acks.has(voter) || !isNewer(sent, this.#acks.get(voter))) return;
    this.#acks.set(voter, sent);
    const newestFirst = [...this.#acks.values()]
      .filter((each) => each !== undefined)
      .sort((a, b) => (isNewer(a, b) ? -1 : 1));
    this.#byVoters = newestFirst[this.#acksNeeded - 1];
  }

  /** True if writes may be taken, or answered, now. */
  isHeld(reading: ClockReading): boolean {
    const now = this.#pauses.at(reading);
    if (this.#acksNeeded === 0) return true;
    return isWithin(this.#byCoordinator, now, this.#leaseMs) || isWithin(this.#byVoters, now, this.#leaseMs);
  }

  /** How many other voters acked a push that was sent within the lease. */
  voters(reading: ClockReading): number {
    const now = this.#pauses.at(reading);
    return [...this.#acks.values()].filter((sent) => isWithin(sent, now, this.#leaseMs)).length;
  }
}

function isNewer(a: SentAt, b: SentAt | undefined): boolean {
  if (b === undefined || a.pauses > b.pauses) return true;
  return a.pauses === b.pauses && a.monotonicMs > b.monotonicMs;
}
