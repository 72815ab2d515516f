/** What a connection reports to its driver. Called from within `receive`, `takeOutput` and `check`. */
import type { Head } from '#http/hpack/head.ts';
import type { LimitName } from './limits.ts';
import type { Stream } from './stream.ts';

/** `peer`: it sent RST_STREAM, or a GOAWAY below the stream. `here`: this side did, or the connection ended. */
export type ResetBy = 'peer' | 'here';

export interface ConnectionFailure {
  /** An error code of RFC 9113, section 7. */
  readonly code: number;
  readonly why: string;
  /** The limit that was passed, where that is why. */
  readonly limit: LimitName | undefined;
}

export interface Http2Events {
  /** A request (server), or an answer, interim ones included (client). The same block gives the identical head. */
  onHead(stream: Stream, head: Head, isEnd: boolean): void;
  /**
   * Content: `bytes[from, to)`, which may be empty at the end. It is never
   * written to again by the codec, so it lasts as long as what was passed to
   * `receive`. The peer may send more once `creditData` was called.
   */
  onData(stream: Stream, bytes: Buffer, from: number, to: number, isEnd: boolean): void;
  /** Always the end of what the peer sends on the stream. */
  onTrailers(stream: Stream, trailers: Head): void;
  /** The stream is at an end before its time. As a server, call `release` when the work for it has ended. */
  onReset(stream: Stream, code: number, by: ResetBy): void;
  /** All data queued on the stream is written; it has not ended. */
  onDrain(stream: Stream): void;
  /** The peer takes no new streams; those above `lastStreamId` were reset with REFUSED_STREAM and may be repeated. */
  onGoaway(lastStreamId: number, code: number): void;
  /** Write what `takeOutput` gives, then close. All streams were reset before. */
  onFailure(failure: ConnectionFailure): void;
}
