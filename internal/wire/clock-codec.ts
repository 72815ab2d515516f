/** Converts the log clock's state between protobuf and the model, in both directions. */
import type {
  ClockStatus as ClockMessage,
  MendClockRequest,
  MendClockResponse,
} from '#gen/walnut/v1/admin_pb.ts';
import type { ClockStatus, MendClockAnswer, MendClockCommand } from '#model/clock.ts';
import { toSafeInteger, toSafeNumber } from '#wire/numbers.ts';
import { fromPosition } from '#wire/position-codec.ts';

export function fromClock(clock: ClockStatus): ClockMessage {
  return {
    $typeName: 'walnut.v1.ClockStatus',
    logMs: BigInt(clock.logMs),
    aheadMs: BigInt(clock.aheadMs),
    wallOffsetMs: BigInt(clock.wallOffsetMs),
    shiftMs: BigInt(clock.shiftMs),
  };
}

export function toClock(message: ClockMessage): ClockStatus {
  return {
    logMs: toSafeNumber(message.logMs, 'clock.log_ms'),
    aheadMs: toSafeInteger(message.aheadMs, 'clock.ahead_ms'),
    wallOffsetMs: toSafeInteger(message.wallOffsetMs, 'clock.wall_offset_ms'),
    shiftMs: toSafeInteger(message.shiftMs, 'clock.shift_ms'),
  };
}

export function toMendClock({ apply, expectedAheadMs }: MendClockRequest): MendClockCommand {
  const expected =
    expectedAheadMs === undefined ? undefined : toSafeInteger(expectedAheadMs, 'expected_ahead_ms');
  return { shouldApply: apply, expectedAheadMs: expected };
}

export function fromMendClock(answer: MendClockAnswer): MendClockResponse {
  return {
    $typeName: 'walnut.v1.MendClockResponse',
    clock: fromClock(answer.clock),
    wallOffsetMs: BigInt(answer.wallOffsetMs),
    applied: answer.isApplied,
    position: fromPosition(answer.position),
  };
}
