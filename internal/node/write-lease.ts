/** The right of a master in a cluster to write now. A master of a plain group needs none. */

export interface WriteLease {
  /** Why no write may be taken or answered now; undefined: the lease is held. Reads the clocks of the machine. */
  readonly whyNotHeld: string | undefined;
  /** Milliseconds since it was held last; 0 while it is held. */
  readonly lostForMs: number;
}
