/** What the driver of a connection knows of the request under way, and what that may do with the connection. */
import type { Socket } from 'node:net';
import type { AnswerHeads } from '#rpc/http1/answer-heads.ts';

export interface ServedRequest {
  /** All of the answer was handed over. */
  readonly isAnswered: boolean;
  /** `bytes[from, to)` of the body, which are not its own to keep. */
  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void;
  /** The peer sends no more: a body that is not whole ends early. It may still read an answer, or be gone. */
  onPeerEnd(): void;
  /** The connection is at an end before the answer. */
  onGone(): void;
  /** What was handed over is written. */
  onReady(): void;
}

/** The connection as the request under way sees it. */
export interface Http1Wire {
  readonly socket: Socket;
  readonly heads: AnswerHeads;
  /** When this turn's bytes came, in milliseconds of the monotonic clock. */
  readonly cameMs: number;
  /** The connection is to end behind the answer under way. */
  readonly isLast: boolean;
  /** True while bytes that were handed over wait for the peer. */
  readonly isWaiting: boolean;
  /** `text`: one octet a character. */
  sendText(text: string): void;
  /** Kept by reference until it is written. */
  sendBytes(bytes: Uint8Array): void;
  /** The answer is whole. */
  onAnswered(): void;
  /** Reads no more of the body, or again. */
  holdBody(isHeld: boolean): void;
  /** Ends the connection at once. */
  destroy(): void;
}
