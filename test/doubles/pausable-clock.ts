/**
 * The clock of one process that can be stopped (SIGSTOP): its time passes all
 * the same, and what fell due meanwhile fires when it goes on.
 */
import type { Clock, Timer } from '#platform/clock.ts';
import { sleepOn } from '#test/doubles/virtual-clock.ts';

export class PausableClock implements Clock {
  readonly #clock: Clock;
  #isPaused = false;
  readonly #late = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const late = [...this.#late];
    this.#late.clear();
    for (const callback of late) callback();
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  after(ms: number, callback: () => void): Timer {
    const timer = this.#clock.after(ms, () => this.#whenRunning(callback));
    return {
      cancel: () => {
        timer.cancel();
        this.#late.delete(callback);
      },
    };
  }

  async yield(): Promise<void> {
    await this.#clock.yield();
    if (this.#isPaused) await new Promise<void>((resolve) => this.#late.add(resolve));
  }

  #whenRunning(callback: () => void): void {
    if (this.#isPaused) this.#late.add(callback);
    else callback();
  }
}
