/**
 * Sends answers that come in pieces, and ends the source of the pieces. However an
 * answer ends (with the last piece, by an error, or because the peer reset its stream,
 * lost its connection or stopped reading), the source's `return` is called, so that the
 * implementation frees its resources. A source that waits for something must
 * stop waiting when the call's signal aborts.
 *
 * A peer that takes nothing for `patienceMs` is cut off and counted as stalled.
 */
import type { ServerResponse } from 'node:http';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import type { Clock } from '#platform/clock.ts';
import { cutOff, patienceMs } from '#rpc/answer-pace.ts';
import { relaxGrpcTrailers, relaxGrpcWebFrame } from '#rpc/grpc-message.ts';
import { type HttpResponse, isOver } from '#rpc/http-io.ts';
import { CodecResponse, copyOf } from '#rpc/http2/codec-request.ts';
import type { FrameSink } from '#rpc/rpc-call.ts';
import type { AnswerHeaders } from '#rpc/unary/answer.ts';
import { toNodeHeaders } from '#rpc/unary/protocols.ts';

export interface StreamAnswerOptions {
  readonly clock: Clock;
  /** The peer was cut off because it read nothing. */
  readonly onStalled: () => void;
}

/** `sendStream` with the options of an edge. */
export type SendStream = (answer: UniversalServerResponse, response: HttpResponse) => Promise<void>;

/**
 * Resolves when the answer is out or cannot go out any more. Never rejects. `onFrames` is
 * called when the headers are out: frames may be sent past the source from then on, while
 * that is asked for its next piece.
 */
export async function sendStream(
  answer: UniversalServerResponse,
  response: HttpResponse,
  options: StreamAnswerOptions,
  onFrames?: (frames: FrameSink) => void,
): Promise<void> {
  const source = answer.body?.[Symbol.asyncIterator]();
  const endSource = (): void => {
    source?.return?.().catch(() => {});
  };
  const isGrpcWeb = answer.header?.get('content-type')?.startsWith('application/grpc-web') === true;
  const outlet = new Outlet(response, options, endSource);
  try {
    const ask = async () => {
      outlet.isAsked = true;
      const given = await source?.next();
      outlet.isAsked = false;
      return given;
    };
    let next = await ask();
    // After the first piece: an implementation sets headers before it.
    outlet.begin(answer.status, toNodeHeaders(answer.header));
    onFrames?.(outlet);
    for (; next !== undefined && next.done !== true && !outlet.isClosed; next = await ask()) {
      await outlet.write(isGrpcWeb ? relaxGrpcWebFrame(next.value) : next.value);
    }
    const { trailer } = answer;
    await outlet.end(trailer && toNodeHeaders(relaxGrpcTrailers(trailer)));
  } catch {
    // The source failed beneath its protocol or within a frame, or its headers are ill-formed: there is nothing to say it with.
    cutOff(response);
  } finally {
    outlet.release();
    endSource();
  }
}

/** A response that may go away while something waits for it. */
export class Outlet implements FrameSink {
  /** Also used for HTTP/2, whose stream has the same members that are used here. */
  readonly #response: ServerResponse;
  readonly #options: StreamAnswerOptions;
  readonly #onClose: () => void;
  /** End the waits under way: a frame may wait, and the end behind it. */
  readonly #wakes = new Set<() => void>();
  #isClosed: boolean;
  /**
   * The source is asked for its next piece. Frames are sent only meanwhile: a source may end
   * while what it is made of still runs, and nothing may follow its end.
   */
  isAsked = false;
  /** The last frame is not whole yet. */
  #isWithinFrame = false;

  constructor(response: HttpResponse, options: StreamAnswerOptions, onClosed: () => void) {
    this.#response = response as ServerResponse;
    this.#options = options;
    this.#isClosed = isOver(response);
    this.#onClose = () => {
      this.#isClosed = true;
      this.#wakeAll();
      onClosed();
    };
    response.once('close', this.#onClose);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  begin(status: number, headers: AnswerHeaders): void {
    if (!this.#isClosed) this.#response.writeHead(status, headers);
  }

  /** Resolves when the peer may be sent more, or is gone. Rejects within a frame. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#assertWholeFrames();
    if (this.#isClosed || this.#response.write(bytes)) return;
    await this.#until('drain', bytes.length);
  }

  send(frame: Uint8Array, onReady: () => void): boolean {
    return this.#send(frame, onReady, false);
  }

  sendPart(part: Uint8Array, onReady: () => void): boolean {
    return this.#send(part, onReady, true);
  }

  sendCopy(buffer: Buffer, length: number, onReady: () => void): boolean {
    const response: HttpResponse = this.#response;
    if (!(response instanceof CodecResponse)) return this.send(copyOf(buffer, length), onReady);
    if (!this.#mayBegin(false)) return false;
    return response.sendCopy(buffer, length, onReady);
  }

  #send(frame: Uint8Array, onReady: () => void, isPart: boolean): boolean {
    if (!this.#mayBegin(isPart)) return false;
    const response: HttpResponse = this.#response;
    if (response instanceof CodecResponse) return response.sendNow(frame, onReady);
    if (this.#response.write(frame)) return true;
    void this.#until('drain', frame.length).then(() => {
      if (!this.#isClosed) onReady();
    });
    return false;
  }

  /** False: nothing may be sent now. */
  #mayBegin(isPart: boolean): boolean {
    if (this.#isClosed || !this.isAsked) return false;
    this.#isWithinFrame = isPart;
    return true;
  }

  /** Bytes behind a part would be taken for the rest of its message. */
  #assertWholeFrames(): void {
    if (this.#isWithinFrame) throw new Error('the stream went on or ended within a frame');
  }

  /** Resolves when everything was handed over, or the peer is gone. Rejects within a frame. */
  async end(trailers: AnswerHeaders | undefined): Promise<void> {
    if (this.#isClosed) return;
    this.#assertWholeFrames();
    if (trailers !== undefined) this.#response.addTrailers(trailers);
    const leftBytes = this.#response.writableLength;
    this.#response.end();
    await this.#until('finish', leftBytes);
  }

  /** Nothing is sent any more. */
  release(): void {
    this.#response.off('close', this.#onClose);
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#wakes) wake();
  }

  async #until(event: 'drain' | 'finish', bytes: number): Promise<void> {
    if (this.#isClosed || (event === 'finish' && this.#response.writableFinished)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wakes.add(resolve);
    this.#response.once(event, resolve);
    const timer = this.#options.clock.after(patienceMs(bytes), () => {
      this.#options.onStalled();
      cutOff(this.#response);
    });
    await promise;
    timer.cancel();
    this.#wakes.delete(resolve);
  }
}
