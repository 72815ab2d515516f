/** One stream: its state as RFC 9113 (5.1) has it, both its windows, and what waits to be sent on it. */
import type { FieldList } from '#http/hpack/hpack-encoder.ts';

export const StreamState = {
  idle: 0,
  open: 1,
  /** The peer has ended its side. */
  halfClosedRemote: 2,
  /** We have ended ours. */
  halfClosedLocal: 3,
  /** We reset it; frames that the peer sent before it knew are still to come. */
  resetHere: 4,
  closed: 5,
} as const;

/** Shared by all streams of which nothing waits, and so never pushed to. */
const NO_DATA: Uint8Array[] = [];

/** A block in bytes, prepared once, or fields to be encoded when their turn comes. */
export type HeadBlock = Uint8Array | FieldList;

export class Stream {
  readonly id: number;
  /** The state of the call, kept by the server of the stream. The codec never reads it. */
  call: unknown = undefined;
  state: number = StreamState.open;
  /** Octets we may still send; a setting of the peer can make it negative. */
  sendWindow: number;
  /** Octets the peer may still send. */
  receiveWindow: number;
  /** Octets received and not credited: they count against the connection's window as well. */
  uncredited = 0;
  /** Octets credited and not yet announced to the peer. */
  unannounced = 0;
  /** Octets of content that are to come by the head's content-length; -1 where it did not say. */
  contentLeft = -1;
  /** The head (not an interim one) has come, so the next block is of trailers. */
  hasHead = false;
  /** On a client: the answer has no content whatever its head says, since the method was HEAD. */
  expectsNoContent = false;
  /** On a server: it counts among the streams at once until its work ends, even when it is closed before. */
  isHeld = false;

  /** Data that waits for window, first to last; `queueAt` octets of the first are sent. */
  queue: Uint8Array[] = NO_DATA;
  queueAt = 0;
  queuedBytes = 0;
  /** What ends the stream behind the queue. */
  queuedTrailers: HeadBlock | undefined = undefined;
  isEndQueued = false;
  /** Since when its queue has not moved, in milliseconds. */
  stalledSinceMs = 0;

  constructor(id: number, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  get isClosed(): boolean {
    return this.state === StreamState.closed;
  }

  get hasRemoteEnded(): boolean {
    return this.state === StreamState.halfClosedRemote || this.state === StreamState.closed;
  }

  get canSend(): boolean {
    return this.state === StreamState.open || this.state === StreamState.halfClosedRemote;
  }

  /** Data of it is still to be sent; only behind data does an end ever wait. */
  get isWaiting(): boolean {
    return this.queuedBytes > 0;
  }

  enqueue(bytes: Uint8Array): void {
    if (this.queue.length === 0) this.queue = [bytes];
    else this.queue.push(bytes);
    this.queuedBytes += bytes.length;
  }

  dropQueue(): void {
    this.queue = NO_DATA;
    this.queueAt = 0;
    this.queuedBytes = 0;
    this.queuedTrailers = undefined;
    this.isEndQueued = false;
  }
}
