/**
 * Whole header blocks: decodes each, in order and whatever becomes of it, since
 * the table needs them all; then opens a stream, or gives the head or trailers
 * to the stream they belong to, or refuses them.
 */
import { type Head, type HeadFault, HeadRole } from '#http/hpack/head.ts';
import { HeadReader } from '#http/hpack/head-reader.ts';
import type { Core } from './core.ts';
import { ErrorCode, FrameType } from './frame.ts';
import { HEAD_BYTES_MAX, OUTPUT_BYTES_HARD } from './limits.ts';
import type { Outbound, WholeAnswer } from './outbound.ts';
import { Stream, StreamState } from './stream.ts';
import { judgeFrame, Verdict } from './stream-table.ts';

export interface HeadIntakeOptions {
  /** Streams of the peer at once. */
  readonly streamsMax: number;
  /** The same as in `Http2Options`. */
  readonly tooLarge: WholeAnswer | undefined;
}

export class HeadIntake {
  readonly reader = new HeadReader(HEAD_BYTES_MAX);
  readonly #core: Core;
  readonly #outbound: Outbound;
  readonly #streamsMax: number;
  readonly #tooLarge: WholeAnswer | undefined;

  constructor(core: Core, outbound: Outbound, { streamsMax, tooLarge }: HeadIntakeOptions) {
    this.#core = core;
    this.#outbound = outbound;
    this.#streamsMax = streamsMax;
    this.#tooLarge = tooLarge;
  }

  onBlock(id: number, isEnd: boolean, bytes: Buffer, from: number, to: number): void {
    const core = this.#core;
    const stream = core.streams.get(id);
    const verdict = this.#judge(id, stream);
    if (verdict === Verdict.protocolError) {
      core.fail(ErrorCode.protocolError, 'HEADERS of a stream that the peer cannot open');
    } else if (verdict === Verdict.connectionClosed) {
      if (core.streams.wasSkipped(id))
        core.fail(ErrorCode.protocolError, 'stream number that was passed over');
      else core.fail(ErrorCode.streamClosed, 'HEADERS of a closed stream');
    } else {
      const head = this.reader.read(bytes, from, to, this.#roleOf(stream));
      if ('kind' in head && head.kind === 'compression') {
        core.fail(ErrorCode.compressionError, `header block: ${head.why}`);
      } else if (stream !== undefined) this.#take(stream, head, isEnd, verdict);
      else if (verdict === Verdict.ignore) core.countOverhead();
      else this.#open(id, isEnd, head);
    }
  }

  #judge(id: number, stream: Stream | undefined): number {
    const { streams, isClient } = this.#core;
    if (stream !== undefined) return judgeFrame(FrameType.headers, stream.state);
    const state = streams.stateOf(id);
    // The one way out of idle: a client opens a stream with a number of its own.
    if (state === StreamState.idle && !isClient && !streams.isOwn(id)) return Verdict.accept;
    return judgeFrame(FrameType.headers, state);
  }

  #roleOf(stream: Stream | undefined): number {
    if (this.#core.isClient) return stream?.hasHead === false ? HeadRole.response : HeadRole.trailers;
    return stream === undefined ? HeadRole.request : HeadRole.trailers;
  }

  #open(id: number, isEnd: boolean, head: Head | HeadFault) {
    const core = this.#core;
    const { streams } = core;
    streams.notePeerId(id);
    if ('kind' in head) return this.#refuse(id, head, isEnd);
    const isFull = streams.held >= this.#streamsMax || core.output.length >= OUTPUT_BYTES_HARD;
    if (isFull || id > core.lastTaken) return core.resetUnserved(id, ErrorCode.refusedStream, isEnd);
    if (isEnd && head.contentLength > 0) return core.resetUnserved(id, ErrorCode.protocolError, isEnd);
    const stream = new Stream(id, this.#outbound.streamWindow, core.credits.streamSize);
    stream.hasHead = true;
    stream.isHeld = true;
    stream.contentLeft = head.contentLength;
    if (isEnd) stream.state = StreamState.halfClosedRemote;
    streams.held++;
    streams.add(stream);
    core.earn();
    core.events.onHead(stream, head, isEnd);
  }

  /** A request whose head is well-formed but too large learns why: the block was decoded, so the table is right. */
  #refuse(id: number, fault: HeadFault, isEnd: boolean) {
    const core = this.#core;
    const tooLarge = this.#tooLarge;
    const isTold = fault.kind === 'too large' && core.output.length < OUTPUT_BYTES_HARD;
    if (!isTold || tooLarge === undefined) return core.resetUnserved(id, codeOf(fault), isEnd);
    this.#outbound.answerUnserved(id, tooLarge);
    // The rest of the request is not wanted (RFC 9113, 8.1).
    if (!isEnd) return core.resetUnserved(id, ErrorCode.noError, isEnd);
    return core.countReset();
  }

  /** A head or trailers on a stream that is served. */
  #take(stream: Stream, head: Head | HeadFault, isEnd: boolean, verdict: number) {
    const core = this.#core;
    if (verdict === Verdict.streamClosed) return core.reset(stream, ErrorCode.streamClosed, true);
    if ('kind' in head) return core.reset(stream, codeOf(head), true);
    core.earn();
    if (stream.hasHead) {
      // Trailers end the stream, and with it the content (RFC 9113, 8.1).
      if (!isEnd || stream.contentLeft > 0) return core.reset(stream, ErrorCode.protocolError, true);
      core.endRemote(stream);
      return core.events.onTrailers(stream, head);
    }
    return this.#takeAnswer(stream, head, isEnd);
  }

  #takeAnswer(stream: Stream, head: Head, isEnd: boolean) {
    const core = this.#core;
    if (head.status >= 200) {
      stream.hasHead = true;
      const hasNoContent = stream.expectsNoContent || head.status === 204 || head.status === 304;
      stream.contentLeft = hasNoContent ? 0 : head.contentLength;
    }
    // An interim answer ends nothing; content that is announced has to come.
    const endsEarly = isEnd && (!stream.hasHead || stream.contentLeft > 0);
    if (endsEarly) return core.reset(stream, ErrorCode.protocolError, true);
    if (isEnd) core.endRemote(stream);
    return core.events.onHead(stream, head, isEnd);
  }
}

const codeOf = (fault: HeadFault): number =>
  fault.kind === 'too large' ? ErrorCode.enhanceYourCalm : ErrorCode.protocolError;
