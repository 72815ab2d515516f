/**
 * What the peer sends: each frame is checked for its form, then judged by the
 * table of `stream-table.ts` for the state of its stream. Errors are the
 * connection's or a stream's, as RFC 9113 has them; where it leaves a choice,
 * the README of the room tells which was made.
 */
import type { Core } from './core.ts';
import {
  ErrorCode,
  Flag,
  FRAME_HEAD_BYTES,
  FrameType,
  PAYLOAD_BYTES_MAX,
  readUint31,
  readUint32,
} from './frame.ts';
import type { FrameHandler } from './frame-reader.ts';
import type { HeadIntake } from './head-intake.ts';
import { OpenBlock } from './open-block.ts';
import type { Outbound } from './outbound.ts';
import { PeerSettings } from './settings.ts';
import type { Stream } from './stream.ts';
import { judgeFrame, Verdict } from './stream-table.ts';

/** What is kept of the text in a GOAWAY. */
const REASON_BYTES_MAX = 256;

/** What the connection itself has to know. */
export interface InboundHooks {
  /** False where no acknowledgement was awaited. */
  onSettingsAck(): boolean;
  onPong(bytes: Uint8Array, at: number): void;
  onGoaway(lastStreamId: number, code: number, why: string): void;
}

export class Inbound implements FrameHandler {
  /** A header block whose pieces are still coming. */
  block: OpenBlock | undefined = undefined;
  readonly peer: PeerSettings;
  /** The peer's first SETTINGS have come. */
  hasSettings = false;
  readonly #core: Core;
  readonly #outbound: Outbound;
  readonly #heads: HeadIntake;
  readonly #hooks: InboundHooks;

  constructor(core: Core, outbound: Outbound, heads: HeadIntake, hooks: InboundHooks) {
    this.#core = core;
    this.#outbound = outbound;
    this.#heads = heads;
    this.#hooks = hooks;
    this.peer = new PeerSettings(core.isClient);
  }

  onOversized(length: number): void {
    this.#core.fail(
      ErrorCode.frameSizeError,
      `frame of ${length} bytes, at most ${PAYLOAD_BYTES_MAX} are taken`,
    );
  }

  onFrame(bytes: Buffer, at: number, length: number): boolean {
    const type = bytes[at + 3] as number;
    const flags = bytes[at + 4] as number;
    const id = readUint31(bytes, at + 5);
    const from = at + FRAME_HEAD_BYTES;
    const { block } = this;
    if (block !== undefined && (type !== FrameType.continuation || id !== block.streamId)) {
      this.#protocolError('a frame within a header block');
    } else if (!this.hasSettings && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      this.#protocolError('the first frame is not SETTINGS');
    } else this.#dispatch(type, flags, id, bytes, from, from + length);
    return !this.#core.isOver;
  }

  #dispatch(type: number, flags: number, id: number, bytes: Buffer, from: number, to: number) {
    switch (type) {
      case FrameType.data:
        return this.#onData(flags, id, bytes, from, to);
      case FrameType.headers:
        return this.#onHeaders(flags, id, bytes, from, to);
      case FrameType.continuation:
        if (this.block === undefined) return this.#protocolError('CONTINUATION outside a header block');
        return this.#addPiece(this.block, flags, bytes, from, to);
      case FrameType.windowUpdate:
        return this.#onWindowUpdate(id, bytes, from, to);
      case FrameType.rstStream:
        return this.#onReset(id, bytes, from, to);
      case FrameType.settings:
        return this.#onSettings(flags, id, bytes, from, to);
      case FrameType.ping:
        return this.#onPing(flags, id, bytes, from, to);
      case FrameType.goaway:
        return this.#onGoaway(id, bytes, from, to);
      case FrameType.priority:
        return this.#onPriority(id, bytes, from, to);
      case FrameType.pushPromise:
        return this.#protocolError('PUSH_PROMISE, though pushes are off');
      default:
        return this.#core.countOverhead();
    }
  }

  #onData(flags: number, id: number, bytes: Buffer, from: number, to: number) {
    const { credits } = this.#core;
    const length = to - from;
    const state = this.#stateOf(id);
    const verdict = id === 0 ? Verdict.protocolError : judgeFrame(FrameType.data, state);
    if (verdict === Verdict.protocolError) return this.#protocolError('DATA of a stream that is not open');
    if (!credits.take(length))
      return this.#core.fail(ErrorCode.flowControlError, 'DATA past the connection window');
    const isPadded = (flags & Flag.padded) !== 0;
    const padding = isPadded ? paddingOf(bytes, from, to) : 0;
    if (padding < 0) return this.#protocolError('padding longer than its frame');
    if (verdict !== Verdict.accept) {
      credits.giveBack(length);
      return this.#refuse(id, verdict);
    }
    const stream = this.#core.streams.get(id) as Stream;
    if (length > stream.receiveWindow) {
      credits.giveBack(length);
      return this.#core.reset(stream, ErrorCode.flowControlError, true);
    }
    stream.receiveWindow -= length;
    if (padding > 0) credits.giveBackBoth(stream, padding);
    const isEnd = (flags & Flag.endStream) !== 0;
    this.#takeContent(stream, bytes, isPadded ? from + 1 : from, isPadded ? to - padding + 1 : to, isEnd);
  }

  #takeContent(stream: Stream, bytes: Buffer, from: number, to: number, isEnd: boolean) {
    const length = to - from;
    stream.uncredited += length;
    if (!stream.hasHead) return this.#core.reset(stream, ErrorCode.protocolError, true);
    if (stream.contentLeft >= 0) {
      stream.contentLeft -= length;
      if (stream.contentLeft < 0 || (isEnd && stream.contentLeft > 0)) {
        return this.#core.reset(stream, ErrorCode.protocolError, true);
      }
    }
    if (length > 0 || isEnd) this.#core.earn();
    else return this.#core.countOverhead();
    // The state comes first: an answer that is given within the event finds that the peer has ended.
    if (isEnd) this.#core.endRemote(stream);
    this.#core.events.onData(stream, bytes, from, to, isEnd);
  }

  #onHeaders(flags: number, id: number, bytes: Buffer, start: number, end: number) {
    if (id === 0) return this.#protocolError('HEADERS of stream 0');
    let from = start;
    let to = end;
    if ((flags & Flag.padded) !== 0) {
      const padding = paddingOf(bytes, from, to);
      if (padding < 0) return this.#protocolError('padding longer than its frame');
      from += 1;
      to -= padding - 1;
    }
    if ((flags & Flag.priority) !== 0) {
      if (to - from < 5) return this.#protocolError('HEADERS too short for its priority');
      if (readUint31(bytes, from) === id) return this.#protocolError('stream that depends on itself');
      from += 5;
    }
    const isEnd = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) return this.#heads.onBlock(id, isEnd, bytes, from, to);
    this.block = new OpenBlock(id, isEnd, this.#core.nowMs);
    return this.#addPiece(this.block, flags, bytes, from, to);
  }

  #addPiece(block: OpenBlock, flags: number, bytes: Buffer, from: number, to: number) {
    const limit = block.add(bytes, from, to);
    if (limit !== undefined)
      return this.#core.failLimit(limit, 'header block in too many pieces, or too long');
    if ((flags & Flag.endHeaders) === 0) return;
    this.block = undefined;
    const whole = block.whole();
    this.#heads.onBlock(block.streamId, block.isEnd, whole, 0, whole.length);
  }

  #onReset(id: number, bytes: Buffer, from: number, to: number) {
    if (to - from !== 4) return this.#sizeError('RST_STREAM');
    const verdict = id === 0 ? Verdict.protocolError : judgeFrame(FrameType.rstStream, this.#stateOf(id));
    if (verdict !== Verdict.accept) return this.#refuse(id, verdict);
    const stream = this.#core.streams.get(id) as Stream;
    this.#core.dropByPeer(stream, readUint32(bytes, from));
    // A server resets what its client has opened, so only there is it a way to make work for nothing.
    if (!this.#core.isClient) this.#core.countReset();
  }

  #onWindowUpdate(id: number, bytes: Buffer, from: number, to: number) {
    if (to - from !== 4) return this.#sizeError('WINDOW_UPDATE');
    const increment = readUint31(bytes, from);
    this.#core.countOverhead();
    if (id === 0) {
      if (increment === 0) return this.#protocolError('WINDOW_UPDATE of 0');
      if (this.#outbound.addWindow(increment)) return;
      return this.#core.fail(ErrorCode.flowControlError, 'connection window above 2^31-1');
    }
    const verdict = judgeFrame(FrameType.windowUpdate, this.#stateOf(id));
    if (verdict === Verdict.protocolError) return this.#refuse(id, verdict);
    const stream = this.#core.streams.get(id);
    if (stream === undefined) return;
    if (increment === 0) return this.#core.reset(stream, ErrorCode.protocolError, true);
    if (verdict === Verdict.ignore) return;
    if (!this.#outbound.addStreamWindow(stream, increment)) {
      this.#core.reset(stream, ErrorCode.flowControlError, true);
    }
  }

  #onSettings(flags: number, id: number, bytes: Buffer, from: number, to: number) {
    if (id !== 0) return this.#protocolError('SETTINGS of a stream');
    if ((flags & Flag.ack) !== 0) {
      if (to !== from) return this.#sizeError('acknowledgement of SETTINGS');
      if (!this.#hooks.onSettingsAck()) this.#core.countOverhead();
      return;
    }
    if (this.hasSettings) this.#core.countSettings();
    this.hasSettings = true;
    const fault = this.peer.apply(bytes, from, to, (size) => this.#outbound.setTableSize(size));
    if (fault !== undefined) return this.#core.fail(fault.code, fault.why);
    if (!this.#outbound.setStreamWindow(this.peer.streamWindowBytes)) {
      return this.#core.fail(ErrorCode.flowControlError, 'stream window above 2^31-1');
    }
    this.#outbound.acknowledge(FrameType.settings, bytes, from, from);
  }

  #onPing(flags: number, id: number, bytes: Buffer, from: number, to: number) {
    if (id !== 0) return this.#protocolError('PING of a stream');
    if (to - from !== 8) return this.#sizeError('PING');
    this.#core.countOverhead();
    if ((flags & Flag.ack) !== 0) return this.#hooks.onPong(bytes, from);
    this.#outbound.acknowledge(FrameType.ping, bytes, from, to);
  }

  #onGoaway(id: number, bytes: Buffer, from: number, to: number) {
    if (id !== 0) return this.#protocolError('GOAWAY of a stream');
    if (to - from < 8) return this.#sizeError('GOAWAY');
    this.#core.countOverhead();
    const why = bytes.toString('utf8', from + 8, Math.min(to, from + 8 + REASON_BYTES_MAX));
    this.#hooks.onGoaway(readUint31(bytes, from), readUint32(bytes, from + 4), why);
  }

  #onPriority(id: number, bytes: Buffer, from: number, to: number) {
    if (id === 0) return this.#protocolError('PRIORITY of stream 0');
    if (to - from !== 5) return this.#sizeError('PRIORITY');
    if (readUint31(bytes, from) === id) return this.#protocolError('stream that depends on itself');
    this.#core.countOverhead();
  }

  #stateOf(id: number): number {
    return this.#core.streams.get(id)?.state ?? this.#core.streams.stateOf(id);
  }

  /** Does what a verdict other than `accept` says of a frame that is no header block. */
  #refuse(id: number, verdict: number) {
    if (verdict === Verdict.protocolError) return this.#protocolError('a frame of an idle stream');
    if (verdict === Verdict.ignore) return this.#core.countOverhead();
    const stream = this.#core.streams.get(id);
    if (stream !== undefined) this.#core.reset(stream, ErrorCode.streamClosed, true);
    else this.#core.resetUnserved(id, ErrorCode.streamClosed, false);
  }

  #protocolError(why: string): void {
    this.#core.fail(ErrorCode.protocolError, why);
  }

  #sizeError(what: string): void {
    this.#core.fail(ErrorCode.frameSizeError, `${what} of a length that it cannot have`);
  }
}

/** Octets of padding, its length included; -1 where there are fewer in the frame. */
function paddingOf(bytes: Buffer, from: number, to: number): number {
  const padding = from < to ? (bytes[from] as number) + 1 : Number.POSITIVE_INFINITY;
  return padding <= to - from ? padding : -1;
}
