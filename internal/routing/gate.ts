/** Lets attempts go to the master, and is told how they ended. */
export interface Gate {
  /** Undefined: the attempt may go now. */
  enter(limitMs: number, signal: AbortSignal | undefined): Promise<void> | undefined;
  onAnswer(): void;
  onFailure(): void;
  /** The caller gave up, which says nothing of the group. */
  onGivenUp(): void;
  /** A replica was asked in place of the master and referred to it, which says nothing of the group either. */
  onReplica(): void;
}
