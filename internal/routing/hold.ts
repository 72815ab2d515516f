/**
 * The queue and the breaker of one group. So many attempts are under way at the master at
 * once; further ones wait here in their order. Once attempts fail one after the other, the
 * breaker opens: all wait, and one after the other asks, after pauses that double. An answer lets
 * the others go, so that a failover is latency to callers and no storm of calls to the group.
 *
 * What waits is bounded by number and bytes, and by the time that each caller gives.
 */
import { unavailable, WalnutError } from '#model/errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import type { GroupLog } from '#routing/group-log.ts';
import { doubled, jittered } from '#routing/pauses.ts';

export interface HoldLimits {
  /** Calls of the group that are not answered, those under way included. */
  readonly callsMax: number;
  /** Bytes of their keys and values. */
  readonly bytesMax: number;
}

export interface HoldOptions {
  /** The group, for messages. */
  readonly name: string;
  readonly limits: HoldLimits;
  readonly clock: Clock;
  readonly random: Random;
  /** Told when calls begin to wait for the group, and when they go on. */
  readonly log: Pick<GroupLog, 'held' | 'released'>;
}

/** The calls that the connections to a node carry: 16 of 256 each. Calls that wait at the node are among them. */
const UNDER_WAY_MAX = 4_096;
/** So many failures in a row open the breaker. */
const FAILURES_MAX = 3;
const PAUSE_MS = 25;
const PAUSE_MS_MAX = 500;
/** A breaker that nobody waits at closes after so long: nothing is known of the group any more. */
const IDLE_MS = 5_000;
/** What a refused caller is told to wait. */
const RETRY_AFTER_S = 1;

interface Waiter {
  readonly go: () => void;
  readonly fail: (error: WalnutError) => void;
}

export class Hold {
  readonly #options: HoldOptions;
  readonly #waiting = new Set<Waiter>();
  #calls = 0;
  #bytes = 0;
  #underWay = 0;
  #failures = 0;
  #isOpen = false;
  #probe: Timer | undefined;
  #idle: Timer | undefined;
  #pauses = 0;
  #isStopping = false;

  constructor(options: HoldOptions) {
    this.#options = options;
  }

  /** Calls that are not answered. */
  get calls(): number {
    return this.#calls;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** True while the group does not answer and calls wait. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Takes a place for a call with so many bytes. Throws `unavailable` where there is none. Call `end` after it. */
  begin(bytes: number): void {
    const { name, limits } = this.#options;
    // One that alone is larger is let in where nothing else waits.
    const isFull =
      this.#calls >= limits.callsMax || (this.#bytes + bytes > limits.bytesMax && this.#calls > 0);
    if (isFull) {
      const message = `${this.#calls} calls with ${this.#bytes} bytes wait for group ${name}: expected at most gateway.held_calls ${limits.callsMax} and gateway.held_bytes ${limits.bytesMax}`;
      throw new WalnutError('unavailable', message, { nothingDone: true, retryAfterS: RETRY_AFTER_S });
    }
    this.#calls++;
    this.#bytes += bytes;
  }

  end(bytes: number): void {
    this.#calls--;
    this.#bytes -= bytes;
  }

  /**
   * Waits until an attempt may go; undefined: now. Rejects with `unavailable` after `limitMs` and with
   * `cancelled` where the caller gave up. Call `onAnswer` or `onFailure` after the attempt.
   */
  enter(limitMs: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (!this.#isOpen && this.#underWay < UNDER_WAY_MAX && this.#waiting.size === 0) {
      this.#underWay++;
      return undefined;
    }
    return this.#wait(limitMs, signal);
  }

  /** The process is about to stop: who waits, and who would have to from now on, is refused with `unavailable`. */
  stop(): void {
    this.#isStopping = true;
    for (const waiter of [...this.#waiting]) waiter.fail(stopping());
  }

  /** The group answered, be it by a refusal of the request itself. */
  onAnswer(): void {
    this.#underWay--;
    this.#failures = 0;
    if (this.#isOpen) this.#close();
    this.#options.log.released();
    this.#release();
  }

  /** The group could not take the attempt. */
  onFailure(): void {
    this.#underWay--;
    this.#failures++;
    if (!this.#isOpen && this.#failures >= FAILURES_MAX) {
      this.#isOpen = true;
      this.#pauses = 0;
      this.#options.log.held(this.#calls);
    }
    if (this.#isOpen) this.#schedule();
    else this.#release();
  }

  /** The caller of an attempt gave up, which says nothing of the group. */
  onGivenUp(): void {
    this.#underWay--;
    if (this.#isOpen) this.#schedule();
    else this.#release();
  }

  /** A replica was asked in place of the master. Nothing is known by it, and the next call asks at once. */
  onReplica(): void {
    this.#underWay--;
    if (this.#isOpen) this.#askNow();
    else this.#release();
  }

  /** Another node leads now: one call asks at once, and others soon, since it may not take calls yet. */
  onChange(): void {
    if (!this.#isOpen) return;
    this.#pauses = 0;
    if (this.#waiting.size > 0) this.#askNow();
    else this.#close();
  }

  #wait(limitMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, name } = this.#options;
    if (this.#isStopping) return Promise.reject(stopping());
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(waiter);
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        go: () => {
          leave();
          this.#underWay++;
          resolve();
        },
        fail: (error) => {
          leave();
          reject(error);
        },
      };
      const { fail } = waiter;
      const onAbort = (): void => fail(new WalnutError('cancelled', 'the caller gave up waiting'));
      const timer = clock.after(Math.max(0, limitMs), () =>
        fail(unavailable(`group ${name} took no calls in the time of this one`)),
      );
      this.#waiting.add(waiter);
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
      if (this.#isOpen) this.#schedule();
    });
  }

  #release(): void {
    while (!this.#isOpen && this.#underWay < UNDER_WAY_MAX && this.#waiting.size > 0) this.#letOne();
  }

  #letOne(): void {
    const [first] = this.#waiting;
    first?.go();
  }

  #close(): void {
    this.#isOpen = false;
    this.#probe?.cancel();
    this.#idle?.cancel();
    this.#probe = undefined;
    this.#idle = undefined;
  }

  /** Lets one ask after a pause. It is not waited for: it may be at a node that hangs. */
  #schedule(): void {
    if (this.#waiting.size === 0) this.#closeWhenIdle();
    if (this.#waiting.size === 0 || this.#probe !== undefined) return;
    const { clock, random } = this.#options;
    const longestMs = doubled(PAUSE_MS, this.#pauses, PAUSE_MS_MAX);
    this.#probe = clock.after(jittered(longestMs, random.uint32() / 2 ** 32), () => {
      this.#pauses++;
      this.#askNow();
    });
  }

  /** Lets one ask, and another after a pause. */
  #askNow(): void {
    this.#probe?.cancel();
    this.#probe = undefined;
    this.#letOne();
    this.#schedule();
  }

  #closeWhenIdle(): void {
    this.#idle ??= this.#options.clock.after(IDLE_MS, () => {
      this.#idle = undefined;
      if (this.#waiting.size === 0) this.#close();
    });
  }
}

function stopping(): WalnutError {
  return unavailable('this process stops: ask another one');
}
