/**
 * Puts the pieces of a value together as they arrive, so that it is in memory once. Where
 * its length is known they go into one buffer, with room around them for the record that
 * the value becomes. Where it is not, they go into segments, which are joined at the end,
 * each freed as soon as it is copied.
 */
import type { Awaitable } from '#model/awaitable.ts';
import { allocateWithRoom, giveRoom } from '#platform/roomy-bytes.ts';

/** Up to this a value is copied into its record, which costs less than room for it. */
const SMALL_BYTES_MAX = 65_536;
/** For the frame's header, what a mutation has before its value (a key has 1,024 bytes at most), and some victims. */
const BEFORE_BYTES = 4_096;
/** For the name of a write, which stands behind the value. */
const BEHIND_BYTES = 512;
const SEGMENT_BYTES_MIN = 4_096;
const SEGMENT_BYTES_MAX = 1_048_576;
/** So many bytes are joined in one turn of the event loop: a millisecond or two of fresh memory. */
const JOINED_BYTES = 2 * SEGMENT_BYTES_MAX;
const NOTHING = new Uint8Array(0);

interface Segment {
  readonly buffer: Buffer<ArrayBuffer>;
  used: number;
}

export class ValuePieces {
  readonly #expected: number;
  #whole: Buffer | undefined;
  #segments: Segment[] = [];
  #length = 0;

  /** `expected`: the length of the value, or 0 if that is not known. */
  constructor(expected: number) {
    this.#expected = expected;
  }

  /** Copies the piece. There are no more bytes than were expected, if any were. */
  add(piece: Uint8Array): void {
    const at = this.#length;
    this.#length += piece.length;
    if (this.#expected > 0) {
      this.#whole ??= allocate(this.#expected);
      this.#whole.set(piece, at);
      return;
    }
    const last = this.#segments.at(-1);
    const segment = last !== undefined && fits(last, piece) ? last : this.#begin(piece.length);
    segment.buffer.set(piece, segment.used);
    segment.used += piece.length;
  }

  /** The value, once; nothing may be added afterwards. `endTurn` lets the event loop run. */
  take(endTurn: () => Promise<void>): Awaitable<Uint8Array> {
    const whole = this.#whole;
    const segments = this.#segments;
    // Nothing is kept of what is the caller's from now on.
    this.#whole = undefined;
    this.#segments = [];
    if (whole !== undefined) return whole.length > SMALL_BYTES_MAX ? giveRoom(whole) : whole;
    const [only] = segments;
    if (only === undefined) return NOTHING;
    return segments.length === 1 ? only.buffer.subarray(0, only.used) : join(segments, this.#length, endTurn);
  }

  /** Adds a segment as long as all before it together, so that many small pieces are few segments. */
  #begin(pieceBytes: number): Segment {
    const bytes = Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, this.#length));
    const segment = { buffer: Buffer.allocUnsafeSlow(Math.max(bytes, pieceBytes)), used: 0 };
    this.#segments.push(segment);
    return segment;
  }
}

function allocate(bytes: number): Buffer {
  if (bytes <= SMALL_BYTES_MAX) return Buffer.allocUnsafe(bytes);
  return allocateWithRoom(bytes, BEFORE_BYTES, BEHIND_BYTES);
}

function fits({ buffer, used }: Segment, piece: Uint8Array): boolean {
  return used + piece.length <= buffer.length;
}

/** Frees each segment. */
async function join(
  segments: readonly Segment[],
  bytes: number,
  endTurn: () => Promise<void>,
): Promise<Uint8Array> {
  const whole = allocateWithRoom(bytes, BEFORE_BYTES, BEHIND_BYTES);
  let at = 0;
  let joined = 0;
  for (const { buffer, used } of segments) {
    buffer.copy(whole, at, 0, used);
    buffer.buffer.transfer(0);
    at += used;
    joined += used;
    if (joined < JOINED_BYTES) continue;
    joined = 0;
    await endTurn();
  }
  return giveRoom(whole);
}
