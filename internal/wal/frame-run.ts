/** Frames that follow one another, as they are sent: their bytes, and where they end. */
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import { readUint53 } from '#platform/bytes.ts';
import type { Frame } from '#wal/frame.ts';

export interface FrameRun {
  /** Whole frames one after another, verbatim; never changed after. */
  readonly bytes: Uint8Array;
  /** The last of them. */
  readonly last: ChainPoint;
}

/** Undefined of no frames. */
export function runOf(frames: readonly Frame[]): FrameRun | undefined {
  const last = frames.at(-1);
  if (last === undefined) return undefined;
  const bytes = frames.length === 1 ? last.bytes : Buffer.concat(frames.map((frame) => frame.bytes));
  return { bytes, last: pointOf(last) };
}

/** The place of a frame in its chain; the frame itself may be let go. */
export function pointOf({ epoch, lsn, crc }: Frame): ChainPoint {
  return { epoch, lsn, crc };
}

/** The place of the frame at `offset`, which is known to hold, from its header. */
export function pointOfFrameAt(buffer: Buffer, offset: number): ChainPoint {
  return {
    epoch: readUint53(buffer, offset + 16),
    lsn: readUint53(buffer, offset + 8) as Lsn,
    crc: buffer.readUInt32LE(offset),
  };
}
