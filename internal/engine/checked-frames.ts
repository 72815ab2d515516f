/** Frames of another node that were checked before anything of them is appended. Pure. */
import { recordKindOf } from '#engine/records/record-table.ts';
import type { Frame } from '#wal/frame.ts';

declare const checkedBrand: unique symbol;

/** Frames that can be applied. */
export type CheckedFrames = readonly Frame[] & { readonly [checkedBrand]: true };

/**
 * Returns the frames if each can be applied. Throws `RecordError` where one cannot, and
 * `NewerFormatError` where the program does not know its kind.
 */
export function checkFrames(frames: readonly Frame[]): CheckedFrames {
  for (const frame of frames) recordKindOf(frame).check(frame);
  return frames as CheckedFrames;
}
