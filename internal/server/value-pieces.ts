/**
 * Puts the pieces of a value together as they arrive, so that it is in memory once. Where
 * its length is known they go into one buffer, with room around them for the record that
 * the value becomes. Where it is not, they go into segments, which are joined at the end,
 * each freed as soon as it is copied.
 */
import { allocateWithRoom, giveRoom } from '#platform/roomy-bytes.ts';

/** Shorter values are copied into their record, which costs less than room for it. */
const ROOMY_BYTES_MIN = 65_536;
/** For the frame's header, what a mutation has before its value (a key has 1,024 bytes at most), and some victims. */
const BEFORE_BYTES = 4_096;
/** For the name of a write, which stands behind the value. */
const BEHIND_BYTES = 512;
const SEGMENT_BYTES_MIN = 4_096;
const SEGMENT_BYTES_MAX = 1_048_576;
/** So many bytes are joined in one turn of the event loop: a millisecond or two of fresh memory. */
const JOINED_BYTES = 2 * SEGMENT_BYTES_MAX;

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
    if (this.#expected > ROOMY_BYTES_MIN) {
      this.#whole ??= allocateWithRoom(this.#expected, BEFORE_BYTES, BEHIND_BYTES);
      this.#whole.set(piece, at);
      return;
    }
    const last = this.#segments.at(-1);
    const segment = last !== undefined && fits(last, piece) ? last : this.#begin(piece.length);
    segment.buffer.set(piece, segment.used);
    segment.used += piece.length;
  }

  /** The value, once; nothing may be added afterwards. `endTurn` lets the event loop run. */
  async take(endTurn: () => Promise<void>): Promise<Uint8Array> {
    const received = this.#whole;
    const segments = this.#segments;
    // Nothing is kept of what is the caller's from now on.
    this.#whole = undefined;
    this.#segments = [];
    if (received !== undefined) return giveRoom(received);
    const [only, ...more] = segments;
    if (only === undefined || more.length === 0)
      return only?.buffer.subarray(0, only.used) ?? Buffer.alloc(0);
    const whole = allocateWithRoom(this.#length, BEFORE_BYTES, BEHIND_BYTES);
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

  /** As long as what there is so far, so that many small pieces are few segments. */
  #begin(pieceBytes: number): Segment {
    const bytes = this.#expected || Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, this.#length));
    const segment = { buffer: Buffer.allocUnsafeSlow(Math.max(bytes, pieceBytes)), used: 0 };
    this.#segments.push(segment);
    return segment;
  }
}

function fits({ buffer, used }: Segment, piece: Uint8Array): boolean {
  return used + piece.length <= buffer.length;
}
