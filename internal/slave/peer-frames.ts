/** Frames as another node sent them: what does not hold is the sender's fault, not a failure of this node. */
import { RecordError } from '#engine/record-codec.ts';
import { WalnutError } from '#model/errors.ts';
import { decodeFrames, type Frame, FrameError } from '#wal/frame.ts';

/** Throws `invalid_argument` where the bytes are no frames, or do not follow one another. */
export function framesFromPeer(bytes: Uint8Array): Frame[] {
  try {
    return decodeFrames(bytes);
  } catch (error) {
    throw blamedOnPeer(error);
  }
}

/** What is wrong with bytes of another node as `invalid_argument`; any other error as it is. */
export function blamedOnPeer(error: unknown): unknown {
  if (!(error instanceof FrameError || error instanceof RecordError)) return error;
  const message = `frames: ${error.message}: expected whole frames of the log, verbatim`;
  return new WalnutError('invalid_argument', message, { cause: error });
}
