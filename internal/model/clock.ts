/** What a node says of the log clock, and the answer to mending it (ADR 12). */
import type { Position } from '#model/position.ts';

/** Of the log clock, at one moment. Milliseconds. */
export interface ClockStatus {
  /** The log clock, since the Unix epoch. */
  readonly logMs: number;
  /** How far it is ahead of this machine's wall clock, the stated offset allowed for; negative: behind. */
  readonly aheadMs: number;
  /** What the log states is to be added to its clock to have wall time. */
  readonly wallOffsetMs: number;
  /** What is added to logged deadlines where they are answered, and taken from those that clients give. */
  readonly shiftMs: number;
}

/** States an offset that makes log clock and wall clock agree; without `isApplied` only what it would be. */
export interface MendClockCommand {
  readonly shouldApply: boolean;
  /** `aheadMs` as the operator was shown it; undefined: whatever it is. Refused where it has become another. */
  readonly expectedAheadMs: number | undefined;
}

export interface MendClockAnswer {
  /** Before. */
  readonly clock: ClockStatus;
  /** The offset that is stated now, or would be. */
  readonly wallOffsetMs: number;
  readonly isApplied: boolean;
  /** Of the record that states it; where nothing was applied, of the last record. */
  readonly position: Position;
}
