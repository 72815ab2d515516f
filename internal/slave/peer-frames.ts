/** Frames as another node sent them: what does not hold is the sender's fault, not a failure of this node. */
import { RecordError } from '#engine/records/record-kind.ts';
import { WalnutError } from '#model/errors.ts';
import { decodeFrames, type Frame, FrameError } from '#wal/frame.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

/**
 * Throws `invalid_argument` where the bytes are no frames, or do not follow one
 * another, and `failed_precondition` where a newer program wrote them.
 */
export function framesFromPeer(bytes: Uint8Array): Frame[] {
  try {
    return decodeFrames(bytes);
  } catch (error) {
    throw blamedOnPeer(error);
  }
}

/** What is wrong with bytes of another node as an error for that node; any other error as it is. */
export function blamedOnPeer(error: unknown): unknown {
  if (error instanceof NewerFormatError) {
    const message = `frames: ${error.message}. Nothing of them was appended. Upgrade this replica to the version of its master`;
    return new WalnutError('failed_precondition', message, { cause: error });
  }
  if (!(error instanceof FrameError || error instanceof RecordError)) return error;
  const message = `frames: ${error.message}: expected whole frames of the log, verbatim`;
  return new WalnutError('invalid_argument', message, { cause: error });
}
