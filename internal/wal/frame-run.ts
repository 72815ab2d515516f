/** Consecutive frames as they are sent: their bytes, and the last record. */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { readUint53 } from '#platform/bytes.ts';
import type { Frame } from '#wal/frame.ts';

export interface FrameRun {
  /** Whole frames one after another, verbatim; never modified. */
  readonly bytes: Uint8Array;
  /** The last record. */
  readonly last: ChainPoint;
}

/** Undefined if there are no frames. */
export function runOf(frames: readonly Frame[]): FrameRun | undefined {
  const last = frames.at(-1);
  if (last === undefined) return undefined;
  const bytes = frames.length === 1 ? last.bytes : Buffer.concat(frames.map((frame) => frame.bytes));
  return { bytes, last: pointOf(last) };
}

/** The place of a frame in its chain, without a reference to the frame's buffer. */
export function pointOf({ epoch, lsn, crc }: Frame): ChainPoint {
  return { epoch, lsn, crc };
}

/** The place of the frame at `offset`, read from its header, which is known to be valid. */
export function pointOfFrameAt(buffer: Buffer, offset: number): ChainPoint {
  return {
    epoch: readUint53(buffer, offset + 16),
    lsn: readUint53(buffer, offset + 8) as Lsn,
    crc: buffer.readUInt32LE(offset),
  };
}
