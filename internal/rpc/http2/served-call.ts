/** What the driver of a connection knows of a call, and what a call may do with its stream. */
import type { Http2Connection } from '#http/http2/http2-connection.ts';
import type { AnswerBlocks } from '#rpc/http2/answer-blocks.ts';

export interface ServedCall {
  /** When its head came, in milliseconds of the monotonic clock. */
  readonly startedMs: number;
  /** When all of its answer was handed over and had to wait for the peer; and how much there was. */
  readonly answeredMs: number | undefined;
  readonly answerBytes: number;
  onData(bytes: Buffer, from: number, to: number, isEnd: boolean): void;
  /** The body has ended without further data. */
  onBodyEnd(): void;
  /** The stream is at an end before its time. */
  onReset(code: number): void;
  /** The peer has closed its side of the connection. */
  onPeerEnd(): void;
  /** What was queued is written. */
  onReady(): void;
}

/** The connection as its calls see it. */
export interface CallWire {
  readonly connection: Http2Connection;
  readonly blocks: AnswerBlocks;
  readonly nowMs: number;
  /** When this turn's bytes came, in milliseconds of the monotonic clock, with their fraction. */
  readonly cameMs: number;
  /** No further answer should be made now, for this connection or in this turn: see `whenRoom`. */
  readonly isClogged: boolean;
  /** Calls back once, in order, when the connection is no longer clogged; not where it ends before. */
  whenRoom(callback: () => void): void;
  /** An answer of so many bytes was made: it counts against the turn. */
  onMade(bytes: number): void;
  /** A large answer is made in slices: until it is, no further one should be begun. */
  beginLarge(): void;
  endLarge(): void;
  /** There is something to be written. */
  touch(): void;
  /** An answer waits for the peer: its bytes are counted, and may be dropped at once where too many wait. */
  onQueued(): void;
}
