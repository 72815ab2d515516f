/**
 * A bound on the bytes of request bodies that are in memory at once, over all
 * connections: without it, many large bodies sent slowly would grow the process
 * without limit, and nobody has to authenticate for that.
 */
import { WalnutError } from '#model/errors.ts';

export interface BodyReservation {
  /** Throws `resource_exhausted` where the budget is spent. */
  add(bytes: number): void;
  /** Gives everything back; calling it twice does nothing. */
  release(): void;
}

export interface BodyBudget {
  reserve(): BodyReservation;
  heldBytes(): number;
}

/** `onBytes`: told the bytes that were admitted. */
export function createBodyBudget(bytesMax: number, onBytes?: (bytes: number) => void): BodyBudget {
  let held = 0;
  return {
    heldBytes: () => held,
    reserve: () => {
      let counted = 0;
      let isReleased = false;
      return {
        add: (bytes) => {
          // What came after the release would never be given back, so it counts as nothing.
          if (isReleased) return;
          // One alone may be larger than the budget: refused, it could never be sent.
          if (held + bytes > bytesMax && held > counted) {
            throw new WalnutError(
              'resource_exhausted',
              `request bodies of ${held} bytes are being received already, at most ${bytesMax} at once: try again`,
            );
          }
          held += bytes;
          counted += bytes;
          onBytes?.(bytes);
        },
        release: () => {
          if (!isReleased) held -= counted;
          isReleased = true;
        },
      };
    },
  };
}
