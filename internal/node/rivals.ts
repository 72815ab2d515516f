/** Masters of other logs that this one has met: each is in Status until it has not been met for a while. */
import { describeRival } from '#node/advice.ts';
import { RecentNotes } from '#node/recent-notes.ts';
import type { Self } from '#node/self.ts';
import type { Clock } from '#platform/clock.ts';

interface Rival {
  readonly logId: string;
  /** True if the other master counts this node among its replicas; otherwise this one counts the other. */
  readonly isClaim: boolean;
}

export class Rivals {
  readonly #met: RecentNotes<Rival>;

  constructor(clock: Clock) {
    this.#met = new RecentNotes(clock);
  }

  /** A node that belongs to this group leads another log. */
  found(address: string, logId: string): void {
    this.#met.note(address, { logId, isClaim: false });
  }

  /** A master counts this node among its replicas. */
  claimedBy(address: string, logId: string): void {
    this.#met.note(address, { logId, isClaim: true });
  }

  /** That node follows now. */
  forget(address: string): void {
    this.#met.forget(address);
  }

  /** For Status. */
  reasons(self: Pick<Self, 'address' | 'isMember'>): string[] {
    return this.#met
      .list()
      .map(([address, { logId, isClaim }]) =>
        isClaim ? describeClaim(address, logId, self) : describeRival({ address, logId }, self),
      );
  }
}

function describeClaim(
  address: string,
  logId: string,
  { address: own, isMember }: Pick<Self, 'address' | 'isMember'>,
): string {
  const what = `${address} is a master too, of log ${logId}, and counts this node among its replicas`;
  const removal = `walnut remove-replica ${own} --address ${address}`;
  if (isMember === true) return `${what}, which is a member of a cluster: ${removal}`;
  return (
    `${what}: if this one belongs there, stop it, move its wal.directory away and start it again: it follows by itself; ` +
    `if it does not: ${removal}`
  );
}
