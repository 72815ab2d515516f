/** Calls between simulated processes: delayed, cut in either direction, lost with their processes. */
import type { PausableClock } from '#test/doubles/pausable-clock.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import type { VirtualClock } from '#test/doubles/virtual-clock.ts';

/** How long a caller waits for an answer, milliseconds. */
const CALL_MS = 1_000;
const DELAY_MS_MAX = 15;

export interface Process {
  readonly name: string;
  /** What falls due while the process is stopped comes when it goes on. */
  readonly clock: PausableClock;
  readonly isRunning: boolean;
  /** Changes with each start. */
  readonly process: string;
}

export class SimulatedNetwork {
  readonly #clock: VirtualClock;
  readonly #random: SeededRandom;
  readonly #cuts = new Set<string>();

  constructor(clock: VirtualClock, random: SeededRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Nothing that `from` sends reaches `to`. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from} ${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** Runs `answer` in the other process. Rejects if the request or its answer did not arrive in time. */
  call<T>(from: Process, to: Process, answer: () => Promise<T> | T, limitMs = CALL_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const caller = from.process;
      const limit = from.clock.after(limitMs, () => reject(new Error(`${to.name} does not answer`)));
      const send = (a: Process, b: Process, deliver: () => void): void => {
        const receiver = b.process;
        this.#clock.after(this.#delayMs(), () => {
          if (this.#cuts.has(`${a.name} ${b.name}`)) return;
          b.clock.after(0, () => {
            if (b.isRunning && b.process === receiver) deliver();
          });
        });
      };
      const settle = (done: () => void) => () => {
        if (!to.isRunning) return;
        send(to, from, () => {
          limit.cancel();
          if (from.process === caller) done();
        });
      };
      send(from, to, () => {
        Promise.resolve()
          .then(answer)
          .then(
            (value) => settle(() => resolve(value))(),
            (error) => settle(() => reject(error))(),
          );
      });
    });
  }

  #delayMs(): number {
    return 1 + this.#random.below(DELAY_MS_MAX);
  }
}
