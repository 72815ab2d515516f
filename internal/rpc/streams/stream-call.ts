/**
 * One call of a server-streaming rpc from its headers to the end of its answer, in protobuf:
 * refusal or message → implementation → messages → end. Answers as Connect does, with a few
 * objects instead of its chain of iterators: streams live long, and there are many.
 * However it ends, the source of the messages is ended.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { ConnectError } from '@connectrpc/connect';
import { runSlices } from '#platform/slices.ts';
import { cutOff } from '#rpc/answer-pace.ts';
import { blamedOnCaller } from '#rpc/early-failure.ts';
import { type HttpRequest, type HttpResponse, receiveBody } from '#rpc/http-io.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import type { StreamContext, StreamMessage, StreamRoute } from '#rpc/rpc-routes.ts';
import { Outlet, type StreamAnswerOptions } from '#rpc/stream-answer.ts';
import { SingleMessage } from '#rpc/streams/single-message.ts';
import { STREAM_FORMS, type StreamForm } from '#rpc/streams/stream-form.ts';
import type { StreamShape } from '#rpc/streams/stream-shape.ts';
import { endedEarly } from '#rpc/unary/body.ts';
import { CallContext } from '#rpc/unary/call-context.ts';
import { encodeBinaryMessage } from '#rpc/unary/message-codec.ts';
import { COMPRESSED, ENVELOPE_BYTES, enveloped } from '#rpc/unary/protocols.ts';
import type { UnaryPathOptions } from '#rpc/unary/unary-options.ts';
import { codeName } from '#wire/error-reader.ts';

export type StreamPathOptions = Omit<UnaryPathOptions, 'slowLog'> & StreamAnswerOptions;

export class StreamCall implements StreamContext {
  readonly isJson = false;
  readonly call: RpcCall;
  readonly #options: StreamPathOptions;
  readonly #route: StreamRoute;
  readonly #shape: StreamShape;
  readonly #form: StreamForm;
  readonly #request: HttpRequest;
  readonly #response: HttpResponse;
  readonly #outlet: Outlet;
  readonly #context: CallContext;
  #source: AsyncIterator<StreamMessage> | undefined;
  #onGone: ((isAnswered: boolean) => void) | undefined;

  constructor(
    options: StreamPathOptions,
    route: StreamRoute,
    shape: StreamShape,
    call: RpcCall,
    request: HttpRequest,
    response: HttpResponse,
  ) {
    this.#options = options;
    this.#route = route;
    this.#shape = shape;
    this.#form = STREAM_FORMS[shape.protocol];
    this.call = call;
    this.#request = request;
    this.#response = response;
    const startedMs = options.clock.monotonicMs();
    const deadlineMs = shape.timeoutMs === undefined ? undefined : startedMs + shape.timeoutMs;
    this.#context = new CallContext(options, this, call, deadlineMs, false);
    this.#outlet = new Outlet(response, options, () => this.#onClosed());
    response.once('close', () => {
      const code = call.code ?? 'canceled';
      options.observe(route.operation.name, code, options.clock.monotonicMs() - startedMs);
      call.onEnd?.(code);
    });
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  /** For the signal of the call. */
  onClose(callback: (isAnswered: boolean) => void): void {
    if (this.#outlet.isClosed) callback(false);
    else this.#onGone = callback;
  }

  /** Resolves when nothing works for the call any more. Never rejects. */
  async run(): Promise<void> {
    try {
      // What the stream ends with, once there is no further frame.
      let next: Uint8Array | ConnectError | undefined;
      do {
        next = await this.#next();
        if (next instanceof Uint8Array) await this.#write(next);
      } while (next instanceof Uint8Array && !this.#outlet.isClosed);
      await this.#end(next instanceof Uint8Array ? undefined : next);
    } catch {
      // It failed within a frame, or beneath its protocol: there is nothing to say it with.
      cutOff(this.#response);
    } finally {
      this.#outlet.release();
      this.#context.finish();
      this.#endSource();
    }
  }

  #write(frame: Uint8Array): Promise<void> {
    if (!this.#response.headersSent) this.#begin();
    return this.#outlet.write(frame);
  }

  #begin(): void {
    this.#outlet.begin(200, this.#form.head(this.#shape.acceptsGzip));
    this.call.frames = this.#outlet;
  }

  /** The next frame; undefined where there is none. */
  async #next(): Promise<Uint8Array | ConnectError | undefined> {
    const outlet = this.#outlet;
    try {
      this.#source ??= await this.#open();
      outlet.isAsked = true;
      const next = await this.#source.next();
      outlet.isAsked = false;
      if (next.done !== true) return await this.#frameOf(next.value);
      this.call.code = 'ok';
      return undefined;
    } catch (error) {
      outlet.isAsked = false;
      return this.#failed(error);
    }
  }

  async #open(): Promise<AsyncIterator<StreamMessage>> {
    if (this.call.refusal !== undefined) throw this.call.refusal;
    const { method, impl, readMaxBytes } = this.#route;
    const message = new SingleMessage(method.input, readMaxBytes, this.#form.endFlag);
    await this.#receive(message);
    return impl(message.end(), this)[Symbol.asyncIterator]();
  }

  async #receive(message: SingleMessage): Promise<void> {
    const reservation = this.#options.budget.reserve(this.call);
    let refused: unknown;
    try {
      await receiveBody(this.#request, (chunk) => {
        try {
          reservation.grow(chunk.length);
          message.take(chunk);
        } catch (error) {
          refused = error;
          throw error;
        }
      });
    } catch {
      throw refused ?? endedEarly();
    } finally {
      reservation.release();
    }
  }

  #failed(error: unknown): ConnectError {
    const { errors } = this.#options;
    const mapped = blamedOnCaller(errors.toConnectError(error, this.#context.madeSignal));
    this.call.code = codeName(mapped.code);
    return mapped;
  }

  async #frameOf(message: StreamMessage): Promise<Uint8Array> {
    const encoding = encodeBinaryMessage(this.#route.method.output, message, ENVELOPE_BYTES);
    const { slices } = this.#options;
    return this.#framed(0, encoding instanceof Uint8Array ? encoding : await runSlices(encoding, slices));
  }

  /** `bytes`: with room for the head of the envelope before them. */
  async #framed(flags: number, bytes: Buffer): Promise<Uint8Array> {
    const { compression, compressMinBytes } = this.#options;
    if (this.#shape.acceptsGzip && bytes.length - ENVELOPE_BYTES >= compressMinBytes) {
      const compressed = await compression.compress(bytes.subarray(ENVELOPE_BYTES));
      return enveloped(flags | COMPRESSED, Buffer.concat([Buffer.alloc(ENVELOPE_BYTES), compressed]));
    }
    return enveloped(flags, bytes);
  }

  async #end(error: ConnectError | undefined): Promise<void> {
    this.#context.finish();
    if (this.#outlet.isClosed) return;
    const { envelope, trailers } = this.#form.end(error, this.#options.jsonOptions);
    if (envelope !== undefined) {
      const bytes = Buffer.concat([Buffer.alloc(ENVELOPE_BYTES), envelope.content]);
      await this.#write(await this.#framed(envelope.flags, bytes));
    }
    if (!this.#response.headersSent) this.#begin();
    await this.#outlet.end(trailers);
  }

  #onClosed(): void {
    this.#onGone?.(false);
    this.#endSource();
  }

  #endSource(): void {
    this.#source?.return?.().catch(() => {});
    this.#source = undefined;
  }
}
