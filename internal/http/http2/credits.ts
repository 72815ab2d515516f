/**
 * The windows in which the peer may send. An octet of DATA leaves both windows
 * when it comes and returns to both by credit: padding at once; content when
 * its reader has taken it; what is left of a stream that closes, and DATA of
 * streams that are refused, reset or unknown, to the connection's. At any time
 *
 *     window + unannounced + uncredited of all live streams = the window's size.
 *
 * Credit is announced once it is half of a window.
 */
import { FrameType, WINDOW_DEFAULT } from './frame.ts';
import type { Output } from './output.ts';
import type { Stream } from './stream.ts';

export class Credits {
  readonly #output: Output;
  readonly #size: number;
  #window = WINDOW_DEFAULT;
  #unannounced: number;
  /** What new streams begin with: ours once the peer has acknowledged it. */
  streamSize = WINDOW_DEFAULT;

  /** `size`: octets of the connection's window, at least 65,535; the difference is announced by `open`. */
  constructor(output: Output, size: number) {
    this.#output = output;
    this.#size = size;
    this.#unannounced = size - WINDOW_DEFAULT;
  }

  /** Octets that the peer may send on the connection. */
  get window(): number {
    return this.#window;
  }

  get unannounced(): number {
    return this.#unannounced;
  }

  open(): void {
    this.#announce();
  }

  /** DATA of so many octets came, padding included. False where the window did not allow it. */
  take(length: number): boolean {
    if (length > this.#window) return false;
    this.#window -= length;
    return true;
  }

  /** To the connection alone: nothing of it belongs to a stream any more. */
  giveBack(length: number): void {
    this.#unannounced += length;
    if (this.#unannounced * 2 >= this.#size) this.#announce();
  }

  /** To the connection and the stream; a stream that the peer has ended needs no more. */
  giveBackBoth(stream: Stream, length: number): void {
    this.giveBack(length);
    if (stream.hasRemoteEnded) return;
    stream.unannounced += length;
    this.#announceStream(stream);
  }

  /** The reader of a stream has taken so many octets of content; more than is owed is not credited. */
  credit(stream: Stream, length: number): void {
    const credited = Math.min(length, stream.uncredited);
    if (credited === 0) return;
    stream.uncredited -= credited;
    this.giveBackBoth(stream, credited);
  }

  /** The stream is at an end: nobody will credit what is left. */
  settle(stream: Stream): void {
    const { uncredited } = stream;
    stream.uncredited = 0;
    if (uncredited > 0) this.giveBack(uncredited);
  }

  /** The peer has acknowledged our SETTINGS: streams now begin with, and change to, `size`. */
  resize(size: number, streams: Iterable<Stream>): void {
    const change = size - this.streamSize;
    this.streamSize = size;
    for (const stream of streams) {
      stream.receiveWindow += change;
      // What was too little to announce for a wide window can be all that a narrow one waits for.
      this.#announceStream(stream);
    }
  }

  #announceStream(stream: Stream): void {
    if (stream.unannounced === 0 || stream.unannounced * 2 < this.streamSize || stream.hasRemoteEnded) return;
    stream.receiveWindow += stream.unannounced;
    this.#output.number(FrameType.windowUpdate, stream.id, stream.unannounced);
    stream.unannounced = 0;
  }

  #announce(): void {
    if (this.#unannounced === 0) return;
    this.#window += this.#unannounced;
    this.#output.number(FrameType.windowUpdate, 0, this.#unannounced);
    this.#unannounced = 0;
  }
}
