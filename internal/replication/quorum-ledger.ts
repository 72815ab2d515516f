/**
 * Which record a majority of a group has on its disks (QUORUM): W voters, the master's own
 * disk among them, said so in the master's own term, and the record that begins its epoch
 * is among what they have. A majority of copies of an older term alone proves nothing,
 * since a node with a later record of another term may still lead (Raft, §5.4.2).
 *
 * Those who wait are told in the order of their records. They share one timer.
 */
import type { Lsn } from '#model/position.ts';
import { NO_LSN } from '#model/position.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { LoggedMember, LoggedMembers } from '#storage/logged-members.ts';

export interface QuorumOptions {
  readonly clock: Clock;
  /** This node as the member list of its log names it, unless that is one of an earlier life. */
  readonly self: () => LoggedMember;
  /** The newest member list of the log. */
  readonly members: () => LoggedMembers | undefined;
  /** What is on this node's disk. */
  readonly durableLsn: () => Lsn;
  /** The LSN of the EPOCH record that this master began with; undefined before. */
  readonly epochLsn: () => Lsn | undefined;
}

/** Between two looks at who has waited for too long. */
const SWEEP_MS = 50;

interface Waiter {
  readonly lsn: Lsn;
  readonly endMs: number;
  readonly signal: AbortSignal | undefined;
  readonly finish: () => void;
}

export class QuorumLedger {
  readonly #options: QuorumOptions;
  /** The last record on the disk of each other member, by name, and the incarnation that said so. */
  readonly #said = new Map<string, { readonly incarnation: number; readonly lsn: Lsn }>();
  #lsn: Lsn = NO_LSN;
  /** By LSN, those that came first first. */
  #waiters: Waiter[] = [];
  #sweep: Timer | undefined;

  constructor(options: QuorumOptions) {
    this.#options = options;
  }

  /** Every record up to this one has reached QUORUM. */
  get lsn(): Lsn {
    return this.#lsn;
  }

  get hasWaiters(): boolean {
    return this.#waiters.length > 0;
  }

  /** A member said in this master's term what is on its disk. */
  ack({ node, incarnation }: LoggedMember, lsn: Lsn): void {
    const before = this.#said.get(node);
    if (before?.incarnation === incarnation && before.lsn >= lsn) return;
    this.#said.set(node, { incarnation, lsn });
    this.advance();
  }

  /** Call it when more is on this node's disk, too. */
  advance(): void {
    const { members, self, durableLsn, epochLsn } = this.#options;
    const { node, incarnation } = self();
    const isSelf = (voter: LoggedMember): boolean => voter.node === node && voter.incarnation === incarnation;
    const reached = quorumLsn({
      members: members(),
      durable: (voter) => (isSelf(voter) ? durableLsn() : this.#lsnOf(voter)),
      ownLsn: durableLsn(),
      epochLsn: epochLsn(),
    });
    if (reached <= this.#lsn) return;
    this.#lsn = reached;
    let done = 0;
    while (done < this.#waiters.length && (this.#waiters[done] as Waiter).lsn <= reached) done++;
    for (const waiter of this.#waiters.splice(0, done)) waiter.finish();
  }

  /** Resolves when `lsn` has reached QUORUM, after `timeoutMs`, or on an abort; the caller looks at `lsn`. */
  wait(lsn: Lsn, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    this.advance();
    if (this.#lsn >= lsn || timeoutMs <= 0 || signal?.aborted === true) return Promise.resolve();
    return new Promise((finish) => {
      const endMs = this.#options.clock.monotonicMs() + timeoutMs;
      let at = this.#waiters.length;
      while (at > 0 && (this.#waiters[at - 1] as Waiter).lsn > lsn) at--;
      this.#waiters.splice(at, 0, { lsn, endMs, signal, finish });
      this.#sweep ??= this.#options.clock.after(SWEEP_MS, () => this.#endLate());
    });
  }

  /** Ends all waits, reached or not. */
  release(): void {
    for (const { finish } of this.#waiters.splice(0)) finish();
  }

  #endLate(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const isOver = ({ endMs, signal }: Waiter): boolean => nowMs >= endMs || signal?.aborted === true;
    const over = this.#waiters.filter(isOver);
    this.#waiters = this.#waiters.filter((waiter) => !isOver(waiter));
    this.#sweep = this.hasWaiters ? this.#options.clock.after(SWEEP_MS, () => this.#endLate()) : undefined;
    for (const { finish } of over) finish();
  }

  #lsnOf({ node, incarnation }: LoggedMember): Lsn {
    const said = this.#said.get(node);
    return said?.incarnation === incarnation ? said.lsn : NO_LSN;
  }
}

export interface QuorumView {
  readonly members: LoggedMembers | undefined;
  /** The last record on the disk of a voter. */
  readonly durable: (voter: LoggedMember) => Lsn;
  /** The last record on the master's own disk. */
  readonly ownLsn: Lsn;
  readonly epochLsn: Lsn | undefined;
}

/** Pure: the last record that has reached QUORUM; 0 if none of this term has. */
export function quorumLsn({ members, durable, ownLsn, epochLsn }: QuorumView): Lsn {
  if (members === undefined || epochLsn === undefined) return NO_LSN;
  const newestFirst = members.voters.map(durable).sort((a, b) => b - a);
  const majority = newestFirst[members.quorum - 1] ?? NO_LSN;
  const lsn = Math.min(majority, ownLsn) as Lsn;
  return lsn >= epochLsn ? lsn : NO_LSN;
}
