/**
 * The epochs of a log with the first LSN of each, oldest first. The resync decision
 * and the token rules use it (docs/replication.md, rules 3 and 7).
 */
import type { Epoch, EpochStart, Lsn, Position } from '#model/position.ts';
import { NO_LSN } from '#model/position.ts';

/** How a position that another node or a client states relates to a node's history. */
export type PositionStanding =
  /** It is in the history, at or below the tail or still to come in the newest epoch. */
  | 'in_history'
  /** Its epoch is known and ended before it: that tail was discarded. */
  | 'discarded'
  /** Its epoch is not known here. */
  | 'unknown';

export class EpochTable {
  readonly #starts: EpochStart[];

  constructor(starts: readonly EpochStart[] = []) {
    this.#starts = [...starts];
  }

  /** A copy, oldest first. */
  starts(): EpochStart[] {
    return [...this.#starts];
  }

  get newest(): Epoch {
    return this.#starts.at(-1)?.epoch ?? 0;
  }

  add(epoch: Epoch, firstLsn: Lsn): void {
    this.#starts.push({ epoch, firstLsn });
  }

  /** The epoch that wrote the record at `lsn`; 0 below the first. */
  epochAt(lsn: Lsn): Epoch {
    for (let i = this.#starts.length - 1; i >= 0; i--) {
      const start = this.#starts[i];
      if (start !== undefined && start.firstLsn <= lsn) return start.epoch;
    }
    return 0;
  }

  standingOf(position: Position): PositionStanding {
    if (position.lsn === NO_LSN) return 'in_history';
    const index = this.#starts.findIndex((start) => start.epoch === position.epoch);
    if (index === -1) return 'unknown';
    const next = this.#starts[index + 1];
    return next === undefined || position.lsn < next.firstLsn ? 'in_history' : 'discarded';
  }
}

/**
 * The last LSN that two histories share, judged by their tables and tails alone:
 * the shared epochs are a common prefix, and within the last shared epoch the
 * shorter side's end counts. 0 where they share nothing.
 */
export function lastCommonLsn(
  ours: { readonly epochs: readonly EpochStart[]; readonly tailLsn: Lsn },
  theirs: { readonly epochs: readonly EpochStart[]; readonly tailLsn: Lsn },
): Lsn {
  let common = 0;
  for (let i = 0; i < Math.min(ours.epochs.length, theirs.epochs.length); i++) {
    const a = ours.epochs[i];
    const b = theirs.epochs[i];
    if (a === undefined || b === undefined || a.epoch !== b.epoch || a.firstLsn !== b.firstLsn) break;
    const ourEnd = (ours.epochs[i + 1]?.firstLsn ?? ours.tailLsn + 1) - 1;
    const theirEnd = (theirs.epochs[i + 1]?.firstLsn ?? theirs.tailLsn + 1) - 1;
    common = Math.min(ourEnd, theirEnd);
  }
  return common as Lsn;
}
