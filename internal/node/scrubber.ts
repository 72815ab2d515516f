/**
 * Hashes the state in memory again in the background, a little every second, so that
 * everything is covered once in `storage.scrub_interval`; and at full speed when an
 * operator asks for it or a replica says that its state differs.
 *
 * The cost is bounded: slices of about a millisecond, at most 20 ms of work in a
 * second; what cannot be done in the interval at that speed takes longer. A finding
 * is reported at once (`onAltered`), and ends the pass, because that state is going
 * to be recovered.
 */
import type { Engine } from '#engine/engine.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { ScrubProgress, ScrubStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { describeAltered } from '#storage/altered-state.ts';
import type { ScrubFindings, ScrubScan } from '#storage/scrub-scan.ts';

const TICK_MS = 1_000;
const WORK_MS_PER_TICK = 20;
const SLICE_ENTRIES = 256;
const SLICE_BYTES = 512 * 1_024;
/** How often a watched pass reports its progress. */
const PROGRESS_MS = 500;

export interface ScrubberOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Time in which everything is covered once; 0: only when asked. */
  readonly intervalMs: number;
  /** The engine whose state is served now; undefined if there is none. */
  readonly engine: () => Engine | undefined;
  /** The state of that engine is not what was stored. */
  readonly onAltered: (engine: Engine, why: string) => void;
}

/** One pass over the state of one engine. */
interface Pass {
  readonly engine: Engine;
  readonly scan: ScrubScan;
}

export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #abort = new AbortController();
  #pass: Pass | undefined;
  #isWatched = false;
  #isUrgent = false;
  #wake: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #passes = 0;
  #altered = 0;
  #lastEndedAtMs = 0;

  constructor(options: ScrubberOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake?.();
    await this.#running;
  }

  /** There is reason to doubt the state: the next pass begins now, at full speed. */
  hurry(): void {
    this.#isUrgent = true;
    this.#wake?.();
  }

  get status(): ScrubStatus {
    return {
      scrubs: this.#passes,
      alteredFound: this.#altered,
      scrubFraction: this.#fraction,
      lastScrubAtMs: this.#lastEndedAtMs,
    };
  }

  /**
   * One pass at full speed, with its progress; the last report has `isDone`. Throws
   * `failed_precondition` if another pass is watched, `unavailable` if there is no
   * state, or if another state takes its place meanwhile.
   */
  async *watch(signal: AbortSignal): AsyncGenerator<ScrubProgress> {
    const { clock, engine: current } = this.#options;
    const engine = current();
    if (engine === undefined) throw unavailable('there is no state to scrub yet');
    if (this.#isWatched) throw new WalnutError('failed_precondition', 'a scrub is being run already');
    this.#isWatched = true;
    this.#cancel();
    const scan = this.#begin(engine);
    const startedMs = clock.monotonicMs();
    let toldMs = startedMs;
    try {
      for (;;) {
        const isMore = scan.next(SLICE_ENTRIES, SLICE_BYTES);
        const isDone = this.#note(engine, scan, isMore);
        const nowMs = clock.monotonicMs();
        if (isDone || nowMs - toldMs >= PROGRESS_MS) {
          toldMs = nowMs;
          yield progressOf(engine, scan.findings, nowMs - startedMs, isDone);
        }
        if (isDone || signal.aborted) return;
        await clock.yield();
        if (current() !== engine) throw unavailable('the state was replaced meanwhile: run it again');
      }
    } finally {
      this.#cancel();
      this.#isWatched = false;
      this.#wake?.();
    }
  }

  get #fraction(): number {
    if (this.#pass === undefined) return 0;
    const { engine, scan } = this.#pass;
    return Math.min(1, scan.findings.entries / Math.max(1, engine.store.entries));
  }

  async #run(): Promise<void> {
    const { clock, intervalMs } = this.#options;
    const { signal } = this.#abort;
    let dueMs = clock.monotonicMs() + TICK_MS;
    while (!signal.aborted) {
      const waitMs = intervalMs === 0 ? Number.MAX_SAFE_INTEGER : dueMs - clock.monotonicMs();
      await this.#sleep(this.#isWatched ? TICK_MS : waitMs);
      if (signal.aborted) return;
      const isDue = this.#isUrgent || (intervalMs > 0 && clock.monotonicMs() >= dueMs);
      if (this.#isWatched || !isDue) continue;
      const engine = this.#options.engine();
      const startedMs = clock.monotonicMs();
      if (engine !== undefined && engine.store.entries > 0) await this.#walk(engine);
      this.#isUrgent = false;
      dueMs = Math.max(startedMs + intervalMs, clock.monotonicMs() + TICK_MS);
    }
  }

  /** A pass at the speed of the interval, and faster once it is urgent. */
  async #walk(engine: Engine): Promise<void> {
    const { clock, intervalMs } = this.#options;
    const scan = this.#begin(engine);
    try {
      for (;;) {
        let due = this.#isUrgent ? Number.POSITIVE_INFINITY : perTick(engine.store.entries, intervalMs);
        const endMs = clock.monotonicMs() + (this.#isUrgent ? TICK_MS : WORK_MS_PER_TICK);
        while (due > 0 && clock.monotonicMs() < endMs) {
          const isMore = scan.next(Math.min(due, SLICE_ENTRIES), SLICE_BYTES);
          if (this.#note(engine, scan, isMore)) return;
          due -= SLICE_ENTRIES;
          await clock.yield();
          if (this.#pass?.scan !== scan || this.#isStale(engine)) return;
        }
        if (!this.#isUrgent) await this.#sleep(TICK_MS);
        if (this.#pass?.scan !== scan || this.#isStale(engine)) return;
      }
    } finally {
      if (this.#pass?.scan === scan) this.#cancel();
    }
  }

  #isStale(engine: Engine): boolean {
    return this.#abort.signal.aborted || this.#options.engine() !== engine;
  }

  #begin(engine: Engine): ScrubScan {
    const scan = engine.store.beginScrub();
    this.#pass = { engine, scan };
    return scan;
  }

  #cancel(): void {
    this.#pass?.scan.cancel();
    this.#pass = undefined;
  }

  /** Notes what was found; returns true if the pass is over. */
  #note(engine: Engine, scan: ScrubScan, isMore: boolean): boolean {
    const { altered, named, whole } = scan.findings;
    const findings = [...named.map(describeAltered), ...(whole === '' ? [] : [whole])];
    if (findings.length > 0) {
      this.#altered += Math.max(1, altered);
      this.#options.logger.error({ findings, altered }, 'memory was altered');
      this.#options.onAltered(engine, `a scrub: memory was altered: ${findings[0]}`);
      return true;
    }
    if (isMore) return false;
    this.#passes++;
    this.#lastEndedAtMs = this.#options.clock.wallMs();
    return true;
  }

  async #sleep(ms: number): Promise<void> {
    const wait = new AbortController();
    this.#wake = () => wait.abort();
    if (this.#isUrgent && !this.#isWatched) return;
    await this.#options.clock.sleep(Math.max(0, ms), wait.signal);
    this.#wake = undefined;
  }
}

/** How many entries are due in a tick, so that all are covered in the interval. */
function perTick(entries: number, intervalMs: number): number {
  if (intervalMs === 0) return SLICE_ENTRIES;
  return Math.max(1, Math.ceil((entries * TICK_MS) / intervalMs));
}

function progressOf(
  engine: Engine,
  findings: ScrubFindings,
  elapsedMs: number,
  isDone: boolean,
): ScrubProgress {
  const { entries, bytes, altered, named, whole } = findings;
  return {
    entries,
    entriesTotal: engine.store.entries,
    bytes,
    elapsedMs,
    isDone,
    altered: whole === '' ? altered : Math.max(1, altered),
    findings: [...named.map(describeAltered), ...(whole === '' ? [] : [whole])],
  };
}
