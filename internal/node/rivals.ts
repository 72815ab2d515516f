/** Masters of other logs that this one has met: each says so in Status, until it has not met the other for a while. */
import { describeRival } from '#node/advice.ts';
import type { Clock } from '#platform/clock.ts';

/** Some rounds of the announcer. */
const RIVAL_MS = 40_000;
const RIVALS_MAX = 8;

interface Rival {
  readonly logId: string;
  readonly atMs: number;
  /** Whether the other one counts this node among its replicas; otherwise this one does the other. */
  readonly isClaim: boolean;
}

export class Rivals {
  readonly #clock: Clock;
  readonly #met = new Map<string, Rival>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A node that belongs to this group leads another log. */
  found(address: string, logId: string): void {
    this.#note(address, logId, false);
  }

  /** A master counts this node among its replicas. */
  claimedBy(address: string, logId: string): void {
    this.#note(address, logId, true);
  }

  /** It follows by now. */
  forget(address: string): void {
    this.#met.delete(address);
  }

  /** For Status; `own`: this node's address. */
  reasons(own: string): string[] {
    const oldestMs = this.#clock.monotonicMs() - RIVAL_MS;
    for (const [address, { atMs }] of this.#met) if (atMs < oldestMs) this.#met.delete(address);
    return [...this.#met].map(([address, { logId, isClaim }]) =>
      isClaim ? describeClaim(address, logId, own) : describeRival({ address, logId }, own),
    );
  }

  #note(address: string, logId: string, isClaim: boolean): void {
    if (!this.#met.has(address) && this.#met.size >= RIVALS_MAX) return;
    this.#met.set(address, { logId, isClaim, atMs: this.#clock.monotonicMs() });
  }
}

function describeClaim(address: string, logId: string, own: string): string {
  return (
    `${address} is a master too, of log ${logId}, and counts this node among its replicas: if this one belongs there, ` +
    'stop it, move its wal.directory away and start it again: it follows by itself; if it does not: ' +
    `walnut remove-replica ${own} --address ${address}`
  );
}
