/**
 * When a disk is full, by the trend of the last hours: a straight line through what was free each
 * minute. Pure.
 */

const KEPT_MAX = 360;
const EVERY_MS = 60_000;
/** A line through fewer minutes says nothing of hours. */
const POINTS_MIN = 10;

export class FillTrend {
  /** One a minute, the oldest first. */
  readonly #points: { readonly atMs: number; readonly bytes: number }[] = [];

  /** `atMs`: monotonic. */
  note(bytes: number, atMs: number): void {
    const last = this.#points.at(-1);
    if (last !== undefined && atMs - last.atMs < EVERY_MS) return;
    this.#points.push({ atMs, bytes });
    if (this.#points.length > KEPT_MAX) this.#points.shift();
  }

  /** Seconds until nothing is free; undefined where there is no such trend, or too little is known. */
  secondsLeft(): number | undefined {
    const { length } = this.#points;
    const last = this.#points.at(-1);
    if (last === undefined || length < POINTS_MIN) return undefined;
    const meanMs = mean(this.#points.map(({ atMs }) => atMs));
    const meanBytes = mean(this.#points.map(({ bytes }) => bytes));
    let [together, spread] = [0, 0];
    for (const { atMs, bytes } of this.#points) {
      together += (atMs - meanMs) * (bytes - meanBytes);
      spread += (atMs - meanMs) ** 2;
    }
    const bytesPerMs = together / spread;
    if (!(bytesPerMs < 0)) return undefined;
    const nowBytes = meanBytes + bytesPerMs * (last.atMs - meanMs);
    return Math.max(0, nowBytes / -bytesPerMs / 1_000);
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
