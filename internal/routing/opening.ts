/** The beginning of one stream at one node: it is given up where no first message comes in time. */
import type { Clock, Timer } from '#platform/clock.ts';
import { EndedAttempt, type Failure } from '#routing/failure.ts';

/** The node is asked last for a while, as one that does not answer a call. */
export const SILENT: Failure = { outcome: 'not_done', remedy: 'later', isLate: true };

/** The caller's time, milliseconds, was over before a node had time enough. */
export function outOfTime(beginMs: number): EndedAttempt {
  const why = `no node told a first message in the ${Math.max(0, Math.round(beginMs))} ms that its caller had`;
  return new EndedAttempt(why, 'deadline_exceeded');
}

export class Opening {
  readonly #over = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #limit: Timer;

  /** `caller` ends the stream. Call `close` when it is over. */
  constructor(firstMs: number, caller: AbortSignal | undefined, clock: Clock) {
    this.#caller = caller;
    if (caller?.aborted === true) this.#end();
    else caller?.addEventListener('abort', this.#end, { once: true });
    const why = `it told no first message in ${firstMs} ms: it hangs, or too many watches are open at it through this process`;
    this.#limit = clock.after(firstMs, () => this.#over.abort(new EndedAttempt(why)));
  }

  /** Ends the stream. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Why it was given up; undefined: it was not. */
  get silence(): EndedAttempt | undefined {
    const { reason } = this.#over.signal;
    return reason instanceof EndedAttempt ? reason : undefined;
  }

  onMessage(): void {
    this.#limit.cancel();
  }

  close(): void {
    this.#limit.cancel();
    this.#caller?.removeEventListener('abort', this.#end);
    this.#over.abort();
  }

  readonly #end = (): void => this.#over.abort(this.#caller?.reason);
}
