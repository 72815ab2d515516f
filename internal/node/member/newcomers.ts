/**
 * Members under listed names with new incarnations: their disks were wiped, restored or
 * repaired. One of them takes the place of the old incarnation in the member list once its
 * disk has all that the master had when it first followed, and the old one is silent: a
 * second node that was given the same name by mistake takes no place of one that works.
 */

import type { Lsn } from '#model/position.ts';
import type { MemberAck } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { LoggedMember, LoggedMembers } from '#storage/logged-members.ts';

/** How long the old incarnation must not have answered a push. */
const SILENT_MS = 5_000;

interface Newcomer {
  readonly incarnation: number;
  /** Everything up to this record has to be on its disk. */
  readonly neededLsn: Lsn;
  readonly durableLsn: Lsn;
}

export class Newcomers {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #sinceMs: number;
  readonly #newcomers = new Map<string, Newcomer>();
  /** When the listed incarnation of a name answered last. */
  readonly #listed = new Map<string, number>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  /** A member that follows answered a push: this is on its disk. `tailLsn`: the master's last record. */
  note({ node, incarnation }: MemberAck, durableLsn: Lsn, tailLsn: Lsn, members: LoggedMembers): void {
    const listed = members.voters.find((voter) => voter.node === node);
    if (listed === undefined) return;
    if (listed.incarnation === incarnation) {
      this.#listed.set(node, this.#clock.monotonicMs());
      this.#newcomers.delete(node);
      return;
    }
    const before = this.#newcomers.get(node);
    const neededLsn = before?.incarnation === incarnation ? before.neededLsn : tailLsn;
    this.#newcomers.set(node, { incarnation, neededLsn, durableLsn });
  }

  /** The list with the first of them that is due; undefined if none is. */
  next(members: LoggedMembers): LoggedMembers | undefined {
    const due = members.voters.find((voter) => this.#isReplaced(voter));
    const newcomer = due && this.#newcomers.get(due.node);
    if (due === undefined || newcomer === undefined) return undefined;
    const { incarnation } = newcomer;
    const voters = members.voters.map((voter) => (voter === due ? { node: due.node, incarnation } : voter));
    return { ...members, voters };
  }

  #isReplaced({ node }: LoggedMember): boolean {
    const newcomer = this.#newcomers.get(node);
    if (newcomer === undefined || newcomer.durableLsn < newcomer.neededLsn) return false;
    return this.#clock.monotonicMs() - (this.#listed.get(node) ?? this.#sinceMs) >= SILENT_MS;
  }
}
