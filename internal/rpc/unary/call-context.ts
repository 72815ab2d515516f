/**
 * What an implementation may ask about its call. Each part is made when it is
 * first asked for: a signal or a Headers object costs more than most calls.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { Code, ConnectError, type ContextValues } from '@connectrpc/connect';
import type { KeyRights } from '#model/access.ts';
import type { CallWish } from '#model/wish.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import { contextValuesOf, type RpcCall } from '#rpc/rpc-call.ts';
import type { UnaryContext } from '#rpc/rpc-routes.ts';
import type { Exchange } from '#rpc/unary/exchange.ts';

export interface CallContextOptions {
  readonly clock: Clock;
  /** Aborts the calls that are left when the server ends. */
  readonly shutdownSignal: AbortSignal;
}

/** What it asks of the exchange of its call. */
export type ContextExchange = Pick<Exchange, 'headers' | 'onClose' | 'beginLarge'>;

/** Given to the signal of an answered call, which nobody reads: without a reason Node makes an error with its stack for each call. */
const ANSWERED = new Error('the call is answered');

export class CallContext implements UnaryContext {
  readonly #options: CallContextOptions;
  readonly #exchange: ContextExchange;
  readonly #call: RpcCall;
  /** On the monotonic clock. */
  readonly #deadlineMs: number | undefined;
  readonly isHttpGet: boolean;
  /** `x-walnut-positions` of the answer; undefined: it has none. */
  positions: string | undefined = undefined;
  #values: ContextValues | undefined;
  #requestHeader: Headers | undefined;
  #responseHeader: Headers | undefined;
  #responseTrailer: Headers | undefined;
  #abort: AbortController | undefined;
  /** Cuts what the signal hangs on. */
  #unlink: (() => void) | undefined;

  constructor(
    options: CallContextOptions,
    exchange: ContextExchange,
    call: RpcCall,
    deadlineMs: number | undefined,
    isHttpGet: boolean,
  ) {
    this.#options = options;
    this.#exchange = exchange;
    this.#call = call;
    this.#deadlineMs = deadlineMs;
    this.isHttpGet = isHttpGet;
  }

  get hasDeadline(): boolean {
    return this.#deadlineMs !== undefined;
  }

  timeoutMs(): number | undefined {
    return this.#deadlineMs === undefined ? undefined : this.#deadlineMs - this.#options.clock.monotonicMs();
  }

  get keys(): KeyRights | undefined {
    return this.#call.keys;
  }

  get wish(): CallWish | undefined {
    return this.#call.wish;
  }

  get values(): ContextValues {
    this.#values ??= contextValuesOf(this.#call);
    return this.#values;
  }

  /** The request's, as Node gives them. */
  get headers(): IncomingHttpHeaders {
    return this.#exchange.headers;
  }

  get requestHeader(): Headers {
    this.#requestHeader ??= toWebHeaders(this.headers);
    return this.#requestHeader;
  }

  get responseHeader(): Headers {
    this.#responseHeader ??= new Headers();
    return this.#responseHeader;
  }

  get responseTrailer(): Headers {
    this.#responseTrailer ??= new Headers();
    return this.#responseTrailer;
  }

  get signal(): AbortSignal {
    this.#abort ??= this.#makeAbort();
    return this.#abort.signal;
  }

  /** Undefined where nobody asked for it. */
  get madeSignal(): AbortSignal | undefined {
    return this.#abort?.signal;
  }

  get madeHeader(): Headers | undefined {
    return this.#responseHeader;
  }

  get madeTrailer(): Headers | undefined {
    return this.#responseTrailer;
  }

  tellPositions(text: string): void {
    this.positions = text;
  }

  beginLarge(): void {
    this.#exchange.beginLarge?.();
  }

  /** The call has its answer: whatever still waits on the signal may end. */
  finish(): void {
    if (this.#abort === undefined) return;
    this.#unlink?.();
    this.#abort.abort(ANSWERED);
  }

  #makeAbort(): AbortController {
    const abort = new AbortController();
    const { shutdownSignal, clock } = this.#options;
    const stop = (): void => abort.abort(shutdownSignal.reason);
    const expire = (): void =>
      abort.abort(new ConnectError('the operation timed out', Code.DeadlineExceeded));
    let timer: Timer | undefined;
    this.#unlink = () => {
      timer?.cancel();
      shutdownSignal.removeEventListener('abort', stop);
    };
    if (shutdownSignal.aborted) stop();
    else shutdownSignal.addEventListener('abort', stop, { once: true });
    this.#exchange.onClose((isAnswered) => {
      if (isAnswered) return;
      abort.abort(new ConnectError('the caller went away', Code.Canceled));
      this.#unlink?.();
    });
    const leftMs = this.timeoutMs();
    if (leftMs === undefined) return abort;
    if (leftMs <= 0) expire();
    else timer = clock.after(leftMs, expire);
    return abort;
  }
}

function toWebHeaders(headers: IncomingHttpHeaders): Headers {
  const web = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(':')) continue;
    for (const each of Array.isArray(value) ? value : [value]) web.append(name, each);
  }
  return web;
}
