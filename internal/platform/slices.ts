/**
 * Long synchronous work that is done in slices, so that the event loop serves others in
 * between. The work is a generator. It yields when it has done about `SLICE_BYTES` of
 * work since it last yielded, and the value that it yields is that amount.
 */

/** Work is counted in bytes that are read, written or copied; this many take about a millisecond. */
export const SLICE_BYTES = 262_144;

export type Slices<T> = Generator<number, T, void>;

/** Decides what happens between two slices. */
export interface SlicePace {
  /**
   * Resolves when the next slice may begin; if it rejects, the work is abandoned. `work`:
   * whose slice it is, the same object each time until `end`. Undefined: it keeps little
   * in memory, and counts for itself.
   */
  pause(work?: object): Promise<void>;
  /** The work is done, or abandoned. */
  end?(work: object): void;
}

/** Runs the work to its end. Work of one slice is done synchronously. */
export function runSlices<T>(slices: Slices<T>, pace: SlicePace): T | Promise<T> {
  const first = slices.next();
  return first.done === true ? first.value : finish(slices, pace);
}

async function finish<T>(slices: Slices<T>, pace: SlicePace): Promise<T> {
  try {
    for (;;) {
      await pace.pause(slices);
      const step = slices.next();
      if (step.done === true) return step.value;
    }
  } finally {
    pace.end?.(slices);
  }
}
