/**
 * One unary call from its headers to its answer: refusal or body → message →
 * implementation → message → answer. What fails on the way is answered in the
 * caller's protocol and counted; only what has to wait is asynchronous.
 */
import type { ConnectError } from '@connectrpc/connect';
import { Later, type Receiver } from '#model/later.ts';
import { asBuffer } from '#platform/bytes.ts';
import type { Clock } from '#platform/clock.ts';
import { runSlices, type SlicePace } from '#platform/slices.ts';
import type { BodyReservation } from '#rpc/body-budget.ts';
import type { BodyCaller } from '#rpc/body-caller.ts';
import type { Waiter } from '#rpc/caller-queue.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import type { BytesImpl, UnaryRoute } from '#rpc/rpc-routes.ts';
import type { Answer } from '#rpc/unary/answer.ts';
import { type BodyReader, readBody } from '#rpc/unary/body.ts';
import { CallContext } from '#rpc/unary/call-context.ts';
import type { Exchange } from '#rpc/unary/exchange.ts';
import {
  decodeBinary,
  decodeJsonMessage,
  encodeBinaryMessage,
  encodeJsonMessage,
} from '#rpc/unary/message-codec.ts';
import { withLimitNamed } from '#rpc/unary/named-limit.ts';
import { PROTOCOLS, type Protocol, type ReceivedMessage } from '#rpc/unary/protocols.ts';
import type { RequestShape } from '#rpc/unary/request-shape.ts';
import type { UnaryPathOptions } from '#rpc/unary/unary-options.ts';
import { unbegun } from '#rpc/undecodable.ts';
import { codeName } from '#wire/error-reader.ts';
import { keyInBinary, keyInJson, REQUEST_HEAD_BYTES } from '#wire/request-key.ts';

type Input = Parameters<UnaryRoute['impl']>[0];
type Output = Awaited<ReturnType<UnaryRoute['impl']>>;

const NOTHING = new Uint8Array(0);
/** Up to this many bytes a message is kept whole rather than copied in part. */
const SMALL_BYTES = 4_096;

export class UnaryCall implements BodyReader, SlicePace, Waiter, Receiver<Buffer> {
  readonly #options: UnaryPathOptions;
  readonly #route: UnaryRoute;
  readonly #shape: RequestShape;
  readonly #exchange: Exchange;
  readonly #protocol: Protocol;
  readonly #startedMs: number;
  readonly #call: RpcCall;
  readonly #context: CallContext;
  #reservation: BodyReservation | undefined;
  /** True once the implementation has been asked. */
  #isBegun = false;
  /** The beginning of the message, for the slow log. */
  #head: Uint8Array = NOTHING;

  constructor(
    options: UnaryPathOptions,
    route: UnaryRoute,
    shape: RequestShape,
    exchange: Exchange,
    call: RpcCall,
  ) {
    this.#options = options;
    this.#route = route;
    this.#shape = shape;
    this.#exchange = exchange;
    this.#protocol = PROTOCOLS[shape.protocol];
    this.#startedMs = exchange.cameMs ?? options.clock.monotonicMs();
    this.#call = call;
    const { timeoutMs, message } = shape;
    const deadlineMs = timeoutMs === undefined ? undefined : this.#startedMs + timeoutMs;
    this.#context = new CallContext(options, exchange, this.#call, deadlineMs, message !== undefined);
  }

  start(): void {
    const { refusal } = this.#call;
    if (refusal !== undefined) {
      this.onFailed(refusal);
      this.#exchange.discard();
      return;
    }
    const { message } = this.#shape;
    if (message === undefined) {
      readBody(this.#exchange, this.#shape.length, this);
    } else {
      this.onWhole(message);
      this.#exchange.discard();
    }
  }

  get reservation(): BodyReservation {
    this.#reservation ??= this.#options.budget.reserve(this.#call);
    return this.#reservation;
  }

  get caller(): BodyCaller {
    return this.#call;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  get bytesMax(): number {
    return this.#protocol.bodyBytesMax(this.#route.readMaxBytes);
  }

  lengthFrom(chunk: Uint8Array): number | undefined {
    return this.#protocol.lengthFrom(chunk, this.#route.readMaxBytes);
  }

  tooLong(length: number | undefined): ConnectError {
    return this.#protocol.tooLong(length, this.#route.readMaxBytes);
  }

  onWhole(body: Uint8Array): void {
    try {
      const received = this.#protocol.open(body, this.#shape, this.#route.readMaxBytes);
      if (received.isGzip) this.#expand(received);
      else this.#invoke(received.bytes, received.excess);
    } catch (error) {
      this.onFailed(error);
    }
  }

  #expand({ bytes, excess }: ReceivedMessage): void {
    // The expanded bytes stay in memory until the call is answered, so they count like a body. They
    // count with their own body; otherwise a call that is alone could be refused because of itself.
    const { reservation } = this;
    // The listener is added now, because one that is added after the caller went away is not called.
    this.#exchange.onClose(reservation.release);
    const expanding = this.#options.compression.expand(bytes, this.#route.readMaxBytes, this);
    this.#settle(expanding, (expanded) => {
      reservation.grow(expanded.length);
      this.#invoke(expanded, excess);
    });
  }

  #invoke(bytes: Uint8Array, excess: Error | undefined): void {
    // A large message is not kept for as long as its call lasts.
    this.#head = bytes.length <= SMALL_BYTES ? bytes : Buffer.from(bytes.subarray(0, REQUEST_HEAD_BYTES));
    const { method, fieldsMax, binaryImpl, jsonImpl } = this.#route;
    const { isBinary } = this.#shape;
    if (excess === undefined && this.#answerBytes(isBinary ? binaryImpl : jsonImpl, bytes)) return;
    if (isBinary) {
      this.#carryOut(decodeBinary(method.input, bytes, fieldsMax), excess);
      return;
    }
    const decoding = decodeJsonMessage(method.input, bytes, fieldsMax, this.#options.jsonOptions);
    this.#settle(runSlices(decoding, this), (input) => this.#carryOut(input, excess));
  }

  #carryOut(input: Input, excess: Error | undefined): void {
    if (excess !== undefined) throw excess;
    this.#isBegun = true;
    this.#settle(this.#route.impl(input, this.#context), (output) => this.#succeed(output));
  }

  /** Rejects if the caller went away, or its deadline passed: then the rest is not worth doing. */
  async pause(work: object): Promise<void> {
    const { signal } = this.#context;
    await this.#options.slices.pause(work);
    signal.throwIfAborted();
  }

  end(work: object): void {
    this.#options.slices.end?.(work);
  }

  /** Takes the shorter way of the method; false where it has none for these bytes. */
  #answerBytes(impl: BytesImpl | undefined, bytes: Uint8Array): boolean {
    this.#isBegun = true;
    const answer = impl?.(bytes, this.#context, this.#protocol.headroom);
    this.#isBegun = answer !== undefined;
    if (answer === undefined) return false;
    if (answer instanceof Later) answer.to(this);
    else if (answer instanceof Promise) this.#settle(answer, (encoded) => this.#send(encoded));
    else this.#send(answer);
    return true;
  }

  /** The answer of the shorter way. */
  onValue(encoded: Buffer): void {
    try {
      this.#send(encoded);
    } catch (error) {
      this.onFailed(error);
    }
  }

  onError(error: unknown): void {
    this.onFailed(error);
  }

  #settle<T>(output: T | Promise<T>, onSettled: (output: T) => void): void {
    if (!(output instanceof Promise)) {
      onSettled(output);
      return;
    }
    const fail = (error: unknown): void => this.onFailed(error);
    // One promise for both ends, and so what is thrown at one is caught there.
    output.then((settled) => {
      try {
        onSettled(settled);
      } catch (error) {
        fail(error);
      }
    }, fail);
  }

  #succeed(output: Output): void {
    const { method } = this.#route;
    const { headroom } = this.#protocol;
    const encoding = this.#shape.isBinary
      ? encodeBinaryMessage(method.output, output, headroom)
      : encodeJsonMessage(method.output, output, this.#options.jsonOptions, headroom);
    if (encoding instanceof Uint8Array) {
      this.#send(encoding);
      return;
    }
    const bytes = runSlices(encoding, this);
    if (bytes instanceof Promise) this.#context.beginLarge();
    this.#settle(bytes, (encoded) => this.#send(encoded));
  }

  /** `bytes`: the message with the protocol's headroom before it. */
  #send(bytes: Buffer): void {
    const { compression } = this.#options;
    const { headroom } = this.#protocol;
    if (!this.#isToCompress(bytes.length - headroom)) {
      this.#answer(bytes, false);
      return;
    }
    compression
      .compress(bytes.subarray(headroom))
      .then((compressed) => this.#answer(Buffer.concat([Buffer.alloc(headroom), compressed]), true))
      .catch((error: unknown) => this.onFailed(error));
  }

  #answer(bytes: Buffer, isGzip: boolean): void {
    this.#exchange.answer(this.#protocol.succeed({ bytes, isGzip }, this.#shape, this.#context));
    this.#end('ok');
  }

  /** Never throws. */
  onFailed(error: unknown): void {
    const { errors, jsonOptions } = this.#options;
    const named = errors.toConnectError(withLimitNamed(error, this.#route), this.#context.madeSignal);
    const mapped = this.#isBegun ? named : unbegun(named, this.#route.hasDetails);
    const unanswerable = (unexpected: unknown): void => {
      // Such as metadata that is no header. It is logged, and nothing can be answered.
      errors.toConnectError(unexpected);
      this.#exchange.destroy();
    };
    try {
      const answer = this.#protocol.fail(mapped, this.#shape, this.#context, jsonOptions);
      const mayBeLong = this.#shape.protocol === 'connect' && this.#isBegun;
      if (mayBeLong && this.#isToCompress(answer.body.length))
        this.#answerSqueezed(answer).catch(unanswerable);
      else this.#exchange.answer(answer);
    } catch (unexpected) {
      unanswerable(unexpected);
    }
    this.#end(codeName(mapped.code));
  }

  #isToCompress(bytes: number): boolean {
    const isLarge = bytes > 0 && bytes >= this.#options.compressMinBytes;
    return isLarge && this.#protocol.acceptsGzip(this.#shape, this.#context);
  }

  /** An error of the Connect protocol, whose body is the message itself. */
  async #answerSqueezed({ status, headers, body: whole }: Answer): Promise<void> {
    const body = Buffer.from(await this.#options.compression.compress(whole));
    const length = String(body.length);
    const encoded = { ...headers, 'content-encoding': 'gzip', 'content-length': length };
    this.#exchange.answer({ status, headers: encoded, body });
  }

  #end(code: string): void {
    const { clock, observe, slowLog } = this.#options;
    const { operation } = this.#route;
    this.#context.finish();
    const durationMs = clock.monotonicMs() - this.#startedMs;
    observe(operation.name, code, durationMs);
    this.#call.onEnd?.(code);
    if (!slowLog.isSlow(operation, durationMs)) return;
    const key = (): string | undefined => this.#keyOfMessage();
    slowLog.note({ call: this.#call, operation: operation.name, code, durationMs, key });
  }

  #keyOfMessage(): string | undefined {
    const head = asBuffer(this.#head);
    return this.#shape.isBinary ? keyInBinary(this.#route.method.input, head) : keyInJson(head);
  }
}
