/**
 * The bounds of every call on one link, unary or stream: a call ends with its
 * answer, at its time limit, when its caller gives up, or when the link closes,
 * whichever comes first.
 */
import type { WalnutError } from '#model/errors.ts';
import { cancelledError, closedError, lateError } from '#peer/peer-errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { CallOptions } from '#replication/peer-link.ts';

/** Reasons that end a call before its answer. */
type OnEnd = (error: WalnutError) => void;

export class CallsUnderWay {
  readonly #clock: Clock;
  readonly #address: string;
  readonly #calls = new Set<BoundCall>();
  #isClosed = false;

  /** `address`: the peer's, for messages. */
  constructor(clock: Clock, address: string) {
    this.#clock = clock;
    this.#address = address;
  }

  /** Why no call begins: the link is closed, or the caller gave up already. */
  refusal({ signal }: CallOptions): WalnutError | undefined {
    if (this.#isClosed) return closedError(this.#address);
    return signal?.aborted === true ? cancelledError(this.#address) : undefined;
  }

  /** Call `refusal` before. `onEnd` is called at most once, and not after `finish`. */
  begin(options: CallOptions, onEnd: OnEnd): BoundCall {
    return new BoundCall(this.#clock, this.#address, options, this.#calls, onEnd);
  }

  /** Ends the calls under way; no other begins. */
  close(): void {
    this.#isClosed = true;
    for (const call of [...this.#calls]) call.end(closedError(this.#address));
  }
}

export class BoundCall {
  readonly #clock: Clock;
  readonly #address: string;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #calls: Set<BoundCall>;
  readonly #onEnd: OnEnd;
  #timer: Timer | undefined;
  #error: WalnutError | undefined;

  constructor(
    clock: Clock,
    address: string,
    { timeoutMs, signal }: CallOptions,
    calls: Set<BoundCall>,
    onEnd: OnEnd,
  ) {
    this.#clock = clock;
    this.#address = address;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#calls = calls;
    this.#onEnd = onEnd;
    calls.add(this);
    signal?.addEventListener('abort', this, { once: true });
    this.resume();
  }

  /** The reason that ended the call before its answer. */
  get error(): WalnutError | undefined {
    return this.#error;
  }

  /** Stops the time limit: what takes time now is not the peer's. */
  pause(): void {
    this.#timer?.cancel();
  }

  /** The time limit begins anew; nothing once the call is over. */
  resume(): void {
    this.#timer?.cancel();
    if (!this.#calls.has(this)) return;
    this.#timer = this.#clock.after(this.#timeoutMs, () =>
      this.end(lateError(this.#address, this.#timeoutMs)),
    );
  }

  /** The caller gave up: an event of its signal. */
  handleEvent(): void {
    this.end(cancelledError(this.#address));
  }

  end(error: WalnutError): void {
    if (!this.finish()) return;
    this.#error = error;
    this.#onEnd(error);
  }

  /** Frees the timer and the listener: the call is over. False where it was before. */
  finish(): boolean {
    if (!this.#calls.delete(this)) return false;
    this.#timer?.cancel();
    this.#signal?.removeEventListener('abort', this);
    return true;
  }
}
