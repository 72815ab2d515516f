/**
 * A bound on the bytes of request bodies that are in memory at once, over all
 * connections: without it, many large bodies sent slowly would grow the process
 * without limit, and nobody has to authenticate for that.
 */
import { WalnutError } from '#model/errors.ts';

/** Bodies up to this many bytes are not counted: connections and streams bound them. */
const UNCOUNTED_BYTES = 65_536;

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

export function createBodyBudget(bytesMax: number): BodyBudget {
  let held = 0;
  return {
    heldBytes: () => held,
    reserve: () => {
      let seen = 0;
      let counted = 0;
      return {
        add: (bytes) => {
          seen += bytes;
          if (seen <= UNCOUNTED_BYTES) return;
          const wanted = seen - counted;
          if (held + wanted > bytesMax) {
            throw new WalnutError(
              'resource_exhausted',
              `request bodies of ${held} bytes are being received already, at most ${bytesMax} at once: try again`,
            );
          }
          held += wanted;
          counted = seen;
        },
        release: () => {
          held -= counted;
          counted = 0;
          // What is added later on would never be given back, so it counts as nothing.
          seen = Number.NEGATIVE_INFINITY;
        },
      };
    },
  };
}
