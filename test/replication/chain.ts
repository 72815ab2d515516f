/** Chains of well-formed frames for tests that need no log. */

import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import type { Lsn } from '#model/position.ts';
import { makeEpoch } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { encodeFrame, type Frame } from '#wal/frame.ts';

export interface ChainOptions {
  readonly firstLsn?: number;
  readonly epoch?: number;
  /** The hash of the record before the first. */
  readonly prevCrc?: number;
  /** Fills the payloads: chains with different fills differ. */
  readonly fill?: number;
}

export const EPOCH_ONE = makeEpoch(1, 1);

/** One frame per payload size. */
export function chainOf(payloadSizes: readonly number[], options: ChainOptions = {}): Frame[] {
  const { firstLsn = 1, epoch = EPOCH_ONE, fill = 0 } = options;
  let prevCrc = options.prevCrc ?? 0;
  return payloadSizes.map((size, index) => {
    const lsn = (firstLsn + index) as Lsn;
    const header = { lsn, epoch, prevCrc, type: RECORD_TYPE.data, flags: 0, timestampMs: 1_000 + lsn };
    const frame = encodeFrame(header, size, (target, offset) => target.fill(fill, offset, offset + size));
    prevCrc = frame.crc;
    return frame;
  });
}

export function pointOf(frame: Frame | undefined): ChainPoint {
  return frame === undefined
    ? { epoch: 0, lsn: 0 as Lsn, crc: 0 }
    : { epoch: frame.epoch, lsn: frame.lsn, crc: frame.crc };
}

export function bytesOf(frames: readonly Frame[]): Uint8Array {
  return Buffer.concat(frames.map((frame) => frame.bytes));
}
