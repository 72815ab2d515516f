/**
 * Work of callers, a few at a time. Each caller has a line of its own and the lines take turns;
 * one place is left for a caller that has none, so nobody waits for all work of another. A call
 * whose caller goes away, or whose deadline passes, leaves the line; one without a place is refused.
 */
import { WalnutError } from '#model/errors.ts';
import type { NoRoom } from '#rpc/body-budget.ts';
import { type BodyCaller, ownerOf } from '#rpc/body-caller.ts';

const RUNNING_MAX = 4;
const RUNNING_OF_ONE_MAX = RUNNING_MAX - 1;
const WAITING_MAX = 512;
const WAITING_OF_ONE_MAX = 64;
/** Work takes a second at most; the next in line begins when a place is free. */
const RETRY_AFTER_S = 1;

/** One call that waits. */
export interface Waiter {
  readonly caller: BodyCaller;
  /** Aborts when the caller goes away or its deadline passes; asked for once per call. */
  readonly signal: AbortSignal;
}

interface Line {
  readonly owner: string;
  running: number;
  /** In the order in which they came. */
  readonly waiting: Set<() => void>;
}

export class CallerQueue {
  readonly #onRefused: ((noRoom: NoRoom) => void) | undefined;
  /** In the order of their turns. Callers without work are not in it. */
  readonly #lines = new Map<string, Line>();
  #running = 0;
  #waiting = 0;

  constructor(onRefused?: (noRoom: NoRoom) => void) {
    this.#onRefused = onRefused;
  }

  /**
   * Rejects with `resource_exhausted` where there is no place, with the reason of the signal once
   * that aborts, and as `work` does.
   */
  async run<T>({ caller, signal }: Waiter, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const owner = ownerOf(caller);
    const line = this.#lines.get(owner) ?? { owner, running: 0, waiting: new Set() };
    if (this.#running < RUNNING_MAX && line.running < RUNNING_OF_ONE_MAX) this.#enter(line);
    else await this.#wait(line, signal);
    try {
      return await work(signal);
    } finally {
      this.#leave(line);
    }
  }

  #wait(line: Line, signal: AbortSignal): Promise<void> {
    if (line.waiting.size >= WAITING_OF_ONE_MAX) throw this.#refusal('caller');
    if (this.#waiting >= WAITING_MAX) throw this.#refusal('all');
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        line.waiting.delete(begin);
        this.#waiting--;
        this.#forgetIdle(line);
        reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      line.waiting.add(begin);
      this.#waiting++;
      this.#lines.set(line.owner, line);
    });
  }

  #enter(line: Line): void {
    line.running++;
    this.#running++;
    this.#lines.set(line.owner, line);
  }

  #leave(line: Line): void {
    line.running--;
    this.#running--;
    this.#forgetIdle(line);
    this.#startNext();
  }

  #startNext(): void {
    for (const line of this.#lines.values()) {
      const [begin] = line.waiting;
      if (begin === undefined || line.running >= RUNNING_OF_ONE_MAX) continue;
      line.waiting.delete(begin);
      this.#waiting--;
      // Its next turn comes after those of the others.
      this.#lines.delete(line.owner);
      this.#enter(line);
      begin();
      return;
    }
  }

  #forgetIdle(line: Line): void {
    if (line.running === 0 && line.waiting.size === 0) this.#lines.delete(line.owner);
  }

  #refusal(noRoom: NoRoom): WalnutError {
    this.#onRefused?.(noRoom);
    const message =
      noRoom === 'caller'
        ? `${WAITING_OF_ONE_MAX} gzipped bodies of this caller wait to be expanded already: send fewer at once, or try again`
        : `${WAITING_MAX} gzipped bodies wait to be expanded already: try again`;
    return new WalnutError('resource_exhausted', message, { retryAfterS: RETRY_AFTER_S, nothingDone: true });
  }
}
