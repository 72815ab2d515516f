/** Decodes frames that another node sent. Invalid ones are the sender's fault and get an error that says so. */
import { RecordError } from '#engine/records/record-kind.ts';
import { WalnutError } from '#model/errors.ts';
import { decodeFrames, type Frame, FrameError } from '#wal/frame.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

/**
 * Throws `invalid_argument` if the bytes are not frames that follow one another,
 * and `failed_precondition` if a newer program wrote them.
 */
export function framesFromPeer(bytes: Uint8Array): Frame[] {
  try {
    return decodeFrames(bytes);
  } catch (error) {
    throw blamedOnPeer(error);
  }
}

/** Turns an error about the bytes of another node into one for that node; returns any other error unchanged. */
export function blamedOnPeer(error: unknown): unknown {
  if (error instanceof NewerFormatError) {
    const message = `frames: ${error.message}. Nothing of them was appended. Upgrade this replica to the version of its master`;
    return new WalnutError('failed_precondition', message, { cause: error });
  }
  if (!(error instanceof FrameError || error instanceof RecordError)) return error;
  const message = `frames: ${error.message}: expected whole frames of the log, verbatim`;
  return new WalnutError('invalid_argument', message, { cause: error });
}
