/** The state of the log clock, and the command that corrects its offset (ADR 12). */
import type { Position } from '#model/position.ts';

/** The log clock at one moment, in milliseconds. */
export interface ClockStatus {
  /** The log clock's time since the Unix epoch. */
  readonly logMs: number;
  /** Log clock plus stated offset, minus this machine's wall clock; negative if behind. */
  readonly aheadMs: number;
  /** The stated offset: the log says that its clock plus this is wall time. */
  readonly wallOffsetMs: number;
  /** Added to logged deadlines in answers, and subtracted from deadlines that clients send. */
  readonly shiftMs: number;
}

/** States an offset that makes log clock and wall clock agree, or only computes it if `shouldApply` is false. */
export interface MendClockCommand {
  readonly shouldApply: boolean;
  /** The `aheadMs` that the operator saw. The command is refused if it has changed; undefined accepts any. */
  readonly expectedAheadMs: number | undefined;
}

export interface MendClockAnswer {
  /** The log clock before the command. */
  readonly clock: ClockStatus;
  /** The offset stated now, or the one that would be. */
  readonly wallOffsetMs: number;
  readonly isApplied: boolean;
  /** The record that states the offset; the last record if nothing was applied. */
  readonly position: Position;
}
