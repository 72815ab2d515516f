/**
 * Fill leases: of all callers that miss a key, one gets the right to fill it, and the
 * others wait for that or are told to. A write of the key ends its lease, so that a slow
 * filler cannot store what was read before the write. Leases are in the memory of one
 * master only: after a restart or a change of role their tokens are unknown.
 *
 * Bounded: where memory is used up the oldest lease ends, and where there are too many
 * waiters a caller does not wait.
 */
import { FILL_LEASE_BYTES_MAX, FILL_WAITERS_MAX } from '#model/limits.ts';
import type { FillStatus } from '#model/status.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';

/** What a lease takes in memory besides its key, about. */
const LEASE_BYTES = 512;
/** Waiters that go on in one turn of the event loop: each is answered, or looks at the key. */
export const WAKES_PER_TURN = 128;
/** Counters of leases by the hash of their keys: a power of two. */
const COUNTERS = 65_536;

/**
 * How a wait ended. `ended`: the lease did, or the time was up, or the caller left, and the
 * key is to be looked at again; `dropped`: the lease ended for lack of memory; `full`: there
 * were too many waiters; `lost`: this master gives no leases any more.
 */
export type WaitEnd = 'ended' | 'dropped' | 'full' | 'lost';

type Waiter = (end: WaitEnd) => void;

interface Lease {
  readonly key: string;
  readonly token: string;
  readonly counter: number;
  /** By the monotonic clock. */
  readonly endsMs: number;
  readonly timer: Timer;
  /** In the order in which they came. */
  readonly waiters: Set<Waiter>;
}

export class FillLeases {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #keyBytes: KeyBytes;
  readonly #bytesMax: number;
  readonly #waitersMax: number;
  /** The oldest lease first. */
  readonly #leases = new Map<string, Lease>();
  /**
   * How many leases have keys with the hash. A write finds here, without making a string
   * of its key, that the key has no lease. Created with the first lease.
   */
  #counters: Uint16Array | undefined;
  #bytes = 0;
  #waiters = 0;
  #isClosed = false;
  /** The node that may give leases instead, after `close`. */
  leaderHint: string | undefined;
  readonly #counts = { granted: 0, written: 0, expired: 0, dropped: 0 };

  /** `keyBytes`: a buffer of the store, for hashes. */
  constructor(
    clock: Clock,
    random: Random,
    keyBytes: KeyBytes,
    { bytesMax = FILL_LEASE_BYTES_MAX, waitersMax = FILL_WAITERS_MAX } = {},
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#keyBytes = keyBytes;
    this.#bytesMax = bytesMax;
    this.#waitersMax = waitersMax;
  }

  get status(): FillStatus {
    return { ...this.#counts, leases: this.#leases.size, waiters: this.#waiters };
  }

  /** Gives the lease of a key that has none, for `leaseMs` from now. Returns its token. */
  grant(key: string, leaseMs: number): string {
    this.#bytes += bytesOf(key);
    for (const oldest of this.#leases.values()) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#end(oldest, 'dropped');
    }
    this.#counters ??= new Uint16Array(COUNTERS);
    this.#keyBytes.load(key);
    const lease: Lease = {
      key,
      token: this.#random.id128(),
      counter: counterOf(this.#keyBytes),
      endsMs: this.#clock.monotonicMs() + leaseMs,
      timer: this.#clock.after(leaseMs, () => this.#end(lease, 'expired')),
      waiters: new Set(),
    };
    this.#counters[lease.counter] = (this.#counters[lease.counter] as number) + 1;
    this.#leases.set(key, lease);
    this.#counts.granted++;
    return lease.token;
  }

  /** How long the lease of the key lasts at most, in milliseconds above 0; undefined: it has none. */
  leftMs(key: string): number | undefined {
    const lease = this.#current(key);
    return lease && Math.ceil(lease.endsMs - this.#clock.monotonicMs());
  }

  /** True if the token is that of the key's lease now. */
  isValid(key: string, token: string): boolean {
    return this.#current(key)?.token === token;
  }

  /** A write of the key was accepted. */
  endOf(key: KeyBytes): void {
    if (this.#leases.size === 0 || this.#counters?.[counterOf(key)] === 0) return;
    this.endKey(key.text());
  }

  /** Like `endOf`. */
  endKey(key: string): void {
    const lease = this.#leases.get(key);
    if (lease !== undefined) this.#end(lease, 'written');
  }

  /** Every key with the prefix counts as written. */
  endPrefix(prefix: string): void {
    for (const lease of this.#leases.values()) if (lease.key.startsWith(prefix)) this.#end(lease, 'written');
  }

  /** Waits until the lease of the key ends, at most `waitMs`. */
  wait(key: string, waitMs: number, signal: AbortSignal | undefined): Promise<WaitEnd> {
    if (this.#isClosed) return Promise.resolve('lost');
    const lease = this.#current(key);
    if (lease === undefined || signal?.aborted === true) return Promise.resolve('ended');
    if (this.#waiters >= this.#waitersMax) return Promise.resolve('full');
    return new Promise((resolve) => {
      const finish: Waiter = (end) => {
        if (!lease.waiters.delete(finish)) return;
        this.#waiters--;
        timer.cancel();
        signal?.removeEventListener('abort', leave);
        resolve(end);
      };
      const leave = (): void => finish('ended');
      const timer = this.#clock.after(waitMs, leave);
      signal?.addEventListener('abort', leave, { once: true });
      lease.waiters.add(finish);
      this.#waiters++;
    });
  }

  /** Ends all leases for good: this master stops, or gives up its role. `leaderHint`: to whom, if known. */
  close(leaderHint?: string): void {
    this.#isClosed = true;
    this.leaderHint ??= leaderHint;
    for (const lease of this.#leases.values()) this.#forget(lease, 'lost');
  }

  /** The timer of a lease may be late, and its time is over all the same. */
  #current(key: string): Lease | undefined {
    const lease = this.#leases.get(key);
    if (lease === undefined || this.#clock.monotonicMs() < lease.endsMs) return lease;
    this.#end(lease, 'expired');
    return undefined;
  }

  /**
   * Waiters go on when what is under way is accepted as a whole. They look at the key
   * again in the order in which they came: if it is still missing the first gets the lease,
   * and the others wait on.
   */
  #end(lease: Lease, how: 'written' | 'expired' | 'dropped'): void {
    this.#counts[how]++;
    // If the waiters of a dropped lease took it again, they would drop others without end.
    this.#forget(lease, how === 'dropped' ? 'dropped' : 'ended');
  }

  #forget(lease: Lease, end: WaitEnd): void {
    lease.timer.cancel();
    this.#leases.delete(lease.key);
    this.#bytes -= bytesOf(lease.key);
    const counters = this.#counters as Uint16Array;
    counters[lease.counter] = (counters[lease.counter] as number) - 1;
    void this.#wake(lease, end);
  }

  /** Those that leave meanwhile are not woken. */
  async #wake({ waiters }: Lease, end: WaitEnd): Promise<void> {
    let woken = 0;
    for (const finish of waiters) {
      if (woken > 0 && woken % WAKES_PER_TURN === 0) await this.#clock.yield();
      finish(end);
      woken++;
    }
  }
}

/** Two bytes for each unit of UTF-16. */
function bytesOf(key: string): number {
  return LEASE_BYTES + 2 * key.length;
}

function counterOf(key: KeyBytes): number {
  return key.hash & (COUNTERS - 1);
}
