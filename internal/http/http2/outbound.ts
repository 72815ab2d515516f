/**
 * What this side sends: heads as they come, data as both windows allow, round
 * robin over the streams that wait, at most a frame of 16 KiB each. Queued data
 * is kept by reference, not copied, until it is written. Blocks are encoded
 * when they are written, so that they meet the table in the order of the wire.
 */
import { TABLE_BYTES_DEFAULT } from '#http/hpack/hpack-decoder.ts';
import { checkFields, HpackEncoder } from '#http/hpack/hpack-encoder.ts';
import type { Core } from './core.ts';
import { Flag, FrameType, PAYLOAD_BYTES_MAX, WINDOW_DEFAULT, WINDOW_MAX } from './frame.ts';
import { ACKS_WAITING_MAX, OUTPUT_BYTES_SOFT, SEND_STALL_MS_MAX } from './limits.ts';
import type { HeadBlock, Stream } from './stream.ts';

/** `sent`: it is in the output. `queued`: it waits, and `onDrain` or the stream's end follows. `closed`: dropped. */
export type Sent = 'sent' | 'queued' | 'closed';

/** The same on every connection. `head` may not announce a length, as `text` goes only where there is room for it. */
export interface WholeAnswer {
  /** Prepared. */
  readonly head: Uint8Array;
  /** Less than a frame. */
  readonly text: Uint8Array;
}

const NOBODY = new Set<Stream>();

export class Outbound {
  readonly #core: Core;
  /** Made when it is needed: a server mostly sends prepared blocks, to peers that leave the table's size alone. */
  #encoder: HpackEncoder | undefined = undefined;
  #window = WINDOW_DEFAULT;
  #acksWaiting = 0;
  /** What new streams begin with, by the peer's settings. */
  streamWindow = WINDOW_DEFAULT;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Octets we may still send on the connection. */
  get window(): number {
    return this.#window;
  }

  get canPump(): boolean {
    return this.#isLine && this.#window > 0;
  }

  get #isLine(): boolean {
    const { line } = this.#core;
    return line !== undefined && line.size > 0;
  }

  sendHead(stream: Stream, block: HeadBlock, isEnd: boolean): Sent {
    if (!stream.canSend || stream.isEndQueued) return 'closed';
    if (stream.isWaiting) throw new Error('assertion failed: a head is sent behind data; use sendTrailers');
    this.#writeBlock(stream.id, block, isEnd);
    if (isEnd) this.#core.endLocal(stream);
    return 'sent';
  }

  /** The whole answer to a stream of the peer that is not served, and so keeps nothing that waits. */
  answerUnserved(id: number, { head, text }: WholeAnswer): void {
    const { output } = this.#core;
    const { length } = text;
    const hasRoom = length <= Math.min(this.streamWindow, this.#window) && output.length < OUTPUT_BYTES_SOFT;
    this.#writeBlock(id, head, !hasRoom);
    if (!hasRoom) return;
    output.frame(FrameType.data, Flag.endStream, id, text, 0, length);
    this.#window -= length;
  }

  /** Keeps `bytes` by reference while they wait: they must not change until then. */
  sendData(stream: Stream, bytes: Uint8Array, isEnd: boolean): Sent {
    if (!stream.canSend || stream.isEndQueued) return 'closed';
    const { length } = bytes;
    if (!stream.isWaiting && this.#fits(stream, length)) {
      if (length > 0 || isEnd) this.#writeData(stream, bytes, length, isEnd);
      if (isEnd) this.#core.endLocal(stream);
      return 'sent';
    }
    if (!stream.isWaiting) stream.stalledSinceMs = this.#core.nowMs;
    if (length > 0) stream.enqueue(bytes);
    this.#core.queuedBytes += length;
    if (isEnd) stream.isEndQueued = true;
    this.#lineUp(stream);
    return 'queued';
  }

  /** The first `length` of `bytes`, which may be written to again. */
  sendCopy(stream: Stream, bytes: Buffer, length: number): Sent {
    if (!stream.canSend || stream.isEndQueued) return 'closed';
    if (stream.isWaiting || !this.#fits(stream, length))
      return this.sendData(stream, Buffer.from(bytes.subarray(0, length)), false);
    this.#writeData(stream, bytes, length, false);
    return 'sent';
  }

  /** Ends the stream behind what is queued on it. */
  sendTrailers(stream: Stream, block: HeadBlock): Sent {
    if (!stream.canSend || stream.isEndQueued) return 'closed';
    if (!stream.isWaiting) return this.sendHead(stream, block, true);
    // Fields that cannot be sent throw now, in their sender's call, and not in a later turn.
    if (!(block instanceof Uint8Array)) checkFields(block);
    stream.queuedTrailers = block;
    stream.isEndQueued = true;
    return 'queued';
  }

  /** Writes what waits, as far as windows and the output's size allow. */
  pump(): void {
    while (this.#window > 0 && this.#core.output.length < OUTPUT_BYTES_SOFT) {
      const { line = NOBODY } = this.#core;
      const [stream] = line;
      if (stream === undefined) return;
      line.delete(stream);
      this.#sendPiece(stream);
    }
  }

  /** Credit from the peer; false where the window would pass 2^31 - 1. */
  addWindow(increment: number): boolean {
    this.#window += increment;
    return this.#window <= WINDOW_MAX;
  }

  addStreamWindow(stream: Stream, increment: number): boolean {
    stream.sendWindow += increment;
    if (stream.isWaiting) this.#lineUp(stream);
    return stream.sendWindow <= WINDOW_MAX;
  }

  /** The peer's INITIAL_WINDOW_SIZE; false where the window of a stream would pass 2^31 - 1. */
  setStreamWindow(bytes: number): boolean {
    const change = bytes - this.streamWindow;
    this.streamWindow = bytes;
    if (change === 0) return true;
    for (const stream of this.#core.streams.live()) {
      if (!this.addStreamWindow(stream, change)) return false;
    }
    return true;
  }

  setTableSize(bytes: number): void {
    if (this.#encoder !== undefined || bytes < TABLE_BYTES_DEFAULT) this.#needEncoder().setSize(bytes);
  }

  /** The answer to a SETTINGS or PING frame. */
  acknowledge(type: number, bytes: Uint8Array, from: number, to: number): void {
    // The frame itself may have been one too many: nothing goes behind our GOAWAY.
    if (this.#core.isOver) return;
    if (++this.#acksWaiting > ACKS_WAITING_MAX) {
      this.#core.failLimit('acks', 'too many acknowledgements asked for, and none read');
    } else this.#core.output.frame(type, Flag.ack, 0, bytes, from, to);
  }

  take(): Buffer | undefined {
    if (!this.#core.isOver) this.pump();
    this.#acksWaiting = 0;
    return this.#core.output.take();
  }

  /** Streams whose queue has not moved for SEND_STALL_MS_MAX. */
  stalled(): Stream[] {
    const since = this.#core.nowMs - SEND_STALL_MS_MAX;
    return [...this.#core.streams.live()].filter((each) => each.isWaiting && each.stalledSinceMs <= since);
  }

  /** True if so much data may be written past those in line. */
  #fits(stream: Stream, length: number): boolean {
    if (length === 0) return true;
    if (length > stream.sendWindow || length > this.#window || this.#isLine) return false;
    return this.#core.output.length + length <= OUTPUT_BYTES_SOFT;
  }

  #lineUp(stream: Stream): void {
    if (stream.sendWindow <= 0) return;
    this.#core.line ??= new Set();
    this.#core.line.add(stream);
  }

  #writeBlock(id: number, block: HeadBlock, isEnd: boolean): void {
    const bytes =
      block instanceof Uint8Array ? this.#behindUpdates(block) : this.#needEncoder().encode(block);
    this.#core.output.block(id, bytes, PAYLOAD_BYTES_MAX, isEnd);
    this.#core.earn();
  }

  #behindUpdates(block: Uint8Array): Uint8Array {
    const updates = this.#encoder?.takeUpdates();
    return updates === undefined || updates.length === 0 ? block : Buffer.concat([updates, block]);
  }

  #needEncoder(): HpackEncoder {
    // Answers are prepared; requests repeat their fields.
    this.#encoder ??= new HpackEncoder(this.#core.isClient);
    return this.#encoder;
  }

  #writeData(stream: Stream, bytes: Uint8Array, length: number, isEnd: boolean): void {
    let from = 0;
    do {
      const to = Math.min(length, from + PAYLOAD_BYTES_MAX);
      this.#writePiece(stream, bytes, from, to, isEnd && to === length);
      from = to;
    } while (from < length);
  }

  #writePiece(stream: Stream, bytes: Uint8Array, from: number, to: number, isEnd: boolean): void {
    this.#core.output.frame(FrameType.data, isEnd ? Flag.endStream : Flag.none, stream.id, bytes, from, to);
    stream.sendWindow -= to - from;
    this.#window -= to - from;
    this.#core.earn();
  }

  /** One frame of a stream that waits; then it goes to the end of the line. */
  #sendPiece(stream: Stream) {
    const [first] = stream.queue;
    const room = Math.min(PAYLOAD_BYTES_MAX, stream.sendWindow, this.#window);
    // A setting of the peer may have shut the window since; it lines up again when the window opens.
    if (first === undefined || room <= 0) return;
    const to = Math.min(first.length, stream.queueAt + room);
    const isWhole = to === first.length && stream.queue.length === 1;
    const isEnd = isWhole && stream.isEndQueued && stream.queuedTrailers === undefined;
    this.#writePiece(stream, first, stream.queueAt, to, isEnd);
    this.#advance(stream, first, to);

    if (stream.queuedBytes > 0) return this.#lineUp(stream);
    if (!stream.isEndQueued) return this.#core.events.onDrain(stream);
    const trailers = stream.queuedTrailers;
    stream.dropQueue();
    if (trailers !== undefined) this.#writeBlock(stream.id, trailers, true);
    this.#core.endLocal(stream);
  }

  #advance(stream: Stream, first: Uint8Array, to: number): void {
    stream.queuedBytes -= to - stream.queueAt;
    this.#core.queuedBytes -= to - stream.queueAt;
    stream.queueAt = to;
    stream.stalledSinceMs = this.#core.nowMs;
    if (to < first.length) return;
    stream.queue.shift();
    stream.queueAt = 0;
  }
}
