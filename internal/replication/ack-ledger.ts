/**
 * The durable LSN of each replica, by node id. Writers wait here for `min_acks`.
 * A node's LSN only rises, except by `forget` and `endsAt`.
 */
import type { Lsn } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import { Listeners } from '#platform/listeners.ts';
import type { QuorumLedger } from '#replication/quorum-ledger.ts';

interface AckWaiter {
  readonly lsn: Lsn;
  readonly count: number;
  readonly finish: () => void;
}

export class AckLedger {
  readonly #clock: Clock;
  readonly #durableLsns = new Map<string, Lsn>();
  readonly #waiters = new Set<AckWaiter>();
  #isOver = false;
  /** In a cluster: what a majority of the voters has. */
  quorum: QuorumLedger | undefined;

  /** Tells each LSN that someone begins to wait for: pushes then ask replicas for acks. */
  readonly waits = new Listeners<Lsn>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** While someone waits, pushes ask replicas to fdatasync before they answer. */
  get hasWaiters(): boolean {
    return this.#waiters.size > 0 || this.quorum?.hasWaiters === true;
  }

  ack(nodeId: string, durableLsn: Lsn): void {
    const before = this.#durableLsns.get(nodeId);
    if (before !== undefined && durableLsn <= before) return;
    this.#durableLsns.set(nodeId, durableLsn);
    for (const waiter of this.#waiters) {
      if (this.countAtLeast(waiter.lsn) >= waiter.count) waiter.finish();
    }
  }

  /** The node registered with a log that ends at `lsn`: a disk restored from an older copy lacks records that it once acked. */
  endsAt(nodeId: string, lsn: Lsn): void {
    if ((this.#durableLsns.get(nodeId) ?? 0) > lsn) this.forget(nodeId);
  }

  /** The node is no longer a replica, or its log was replaced. */
  forget(nodeId: string): void {
    this.#durableLsns.delete(nodeId);
  }

  countAtLeast(lsn: Lsn): number {
    let count = 0;
    for (const durableLsn of this.#durableLsns.values()) if (durableLsn >= lsn) count++;
    return count;
  }

  /**
   * The master's role is over, and nobody acks anything any more: ends all waits, and those that
   * begin from now on, so that callers learn at once that they have to look elsewhere.
   */
  end(): void {
    this.#isOver = true;
    for (const { finish } of this.#waiters) finish();
    this.quorum?.release();
  }

  /** True if nobody acks anything to this master any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves when `lsn` has reached QUORUM, after `timeoutMs`, or on an abort; at once in a plain group. */
  async waitQuorum(lsn: Lsn, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#isOver) return;
    const waiting = this.quorum?.wait(lsn, timeoutMs, signal);
    this.waits.tell(lsn);
    await waiting;
  }

  /** Resolves when `count` nodes have `lsn` durable, after `timeoutMs`, or on an abort. */
  wait(lsn: Lsn, count: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const isPointless = this.#isOver || timeoutMs <= 0 || signal?.aborted === true;
    if (isPointless || this.countAtLeast(lsn) >= count) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#waiters.delete(waiter);
        timer.cancel();
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const waiter: AckWaiter = { lsn, count, finish };
      const timer = this.#clock.after(timeoutMs, finish);
      signal?.addEventListener('abort', finish, { once: true });
      this.#waiters.add(waiter);
      this.waits.tell(lsn);
    });
  }
}
