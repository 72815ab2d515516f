/** Some operations of a request of which each may need another position or a name of its own: where they stand in it. */
import type { Position } from '#model/position.ts';
import type { KeepsPosition } from '#model/relay.ts';
import type { WriteId } from '#model/write-id.ts';
import { ByteReader } from '#wire/byte-reader.ts';
import { ByteWriter, VARINT_BYTES_MAX, varintBytes } from '#wire/byte-writer.ts';
import { GET, NAMED, type OperationColumns } from '#wire/kv-columns.ts';
import { NAME_BYTES_MAX, nameBytes } from '#wire/name-fields.ts';

const OPERATIONS = 0x0a;
/** The tag of an operation in a Batch, its length, and the same of its message. */
const AROUND_BYTES_MAX = 2 * (1 + VARINT_BYTES_MAX);

/** One for all messages: each is written in one go. */
const writer = new ByteWriter();
const name = Buffer.alloc(NAME_BYTES_MAX);
const reader = new ByteReader();
const NO_BYTES = Buffer.alloc(0);

/** The numbers of each operation: its message in the request, its key, and the position that it names. */
const [FROM, TO, KEY_FROM, KEY_TO, POSITION_FROM, POSITION_TO, NUMBERS] = [0, 1, 2, 3, 4, 5, 6];

export class RelayedOperations {
  readonly isRead: boolean;
  readonly unnamed: number;
  readonly waitMs: number;
  readonly bytes: number;
  protected readonly request: Buffer;
  readonly kinds: Uint8Array;
  readonly #needNames: Uint8Array;
  readonly #numbers: Uint32Array;
  /** Undefined: none of them names a position. */
  readonly #positions: readonly (Position | undefined)[] | undefined;

  constructor(columns: OperationColumns, places: readonly number[]) {
    const { bytes, kinds, flags, waitMs, starts, ends } = columns;
    const hasPositions = columns.positions + columns.names > 0;
    this.request = bytes;
    this.kinds = new Uint8Array(places.length);
    this.#needNames = new Uint8Array(places.length);
    this.#numbers = new Uint32Array(NUMBERS * places.length);
    this.#positions = hasPositions ? places.map((place) => columns.namedBy(place)) : undefined;
    let [reads, unnamed, longestMs, size] = [0, 0, 0, 0];
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as number;
      const kind = kinds[place] as number;
      this.kinds[i] = kind;
      this.#locate(columns, i, place);
      size += (ends[place] as number) - (starts[place] as number);
      if (kind === GET) {
        reads++;
        longestMs = Math.max(longestMs, waitMs[place] as number);
      } else if (((flags[place] as number) & NAMED) === 0) {
        unnamed++;
        this.#needNames[i] = 1;
      }
    }
    this.isRead = reads === places.length;
    this.unnamed = unnamed;
    this.waitMs = longestMs;
    this.bytes = size;
  }

  get operations(): number {
    return this.kinds.length;
  }

  key(): string {
    return this.request.toString('utf8', this.#numbers[KEY_FROM], this.#numbers[KEY_TO]);
  }

  /** `isAlone`: they are one operation, which is no Batch. */
  protected encodeAs(ids: readonly WriteId[], keeps: KeepsPosition, isAlone: boolean): Uint8Array {
    const { kinds } = this;
    writer.begin(0);
    writer.reserve(this.bytes + kinds.length * AROUND_BYTES_MAX + this.unnamed * NAME_BYTES_MAX);
    let next = 0;
    for (let i = 0; i < kinds.length; i++) {
      const kind = kinds[i] as number;
      const nameLength = this.#needNames[i] === 0 ? 0 : nameBytes(kind, ids[next++] as WriteId, name);
      const position = this.#positions?.[i];
      this.#write(i, nameLength, position !== undefined && !keeps(position), isAlone);
    }
    return writer.take();
  }

  #locate(
    { bytes, kinds, starts, ends, keyOffsets, keyBytes, sinceStarts }: OperationColumns,
    i: number,
    place: number,
  ): void {
    const numbers = this.#numbers;
    const at = NUMBERS * i;
    const to = ends[place] as number;
    const keyFrom = keyOffsets[place] as number;
    const keyTo = keyFrom + (keyBytes[place] as number);
    numbers[at + FROM] = starts[place] as number;
    numbers[at + TO] = to;
    numbers[at + KEY_FROM] = keyFrom;
    numbers[at + KEY_TO] = keyTo;
    if (this.#positions?.[i] === undefined) return;
    const isRead = kinds[place] === GET;
    numbers[at + POSITION_FROM] = isRead ? keyTo : (sinceStarts[place] as number);
    numbers[at + POSITION_TO] = isRead ? fieldEnd(bytes, keyTo, to) : to;
  }

  #write(i: number, nameLength: number, dropsPosition: boolean, isAlone: boolean): void {
    const numbers = this.#numbers;
    const at = NUMBERS * i;
    const from = numbers[at + FROM] as number;
    const to = numbers[at + TO] as number;
    const upTo = dropsPosition ? (numbers[at + POSITION_FROM] as number) : to;
    const restFrom = dropsPosition ? (numbers[at + POSITION_TO] as number) : to;
    const length = upTo - from + (to - restFrom) + nameLength;
    if (!isAlone) {
      writer.byte(OPERATIONS);
      writer.varint(1 + varintBytes(length) + length);
      writer.byte(this.kinds[i] as number);
      writer.varint(length);
    }
    writer.part(this.request, from, upTo - from);
    writer.part(this.request, restFrom, to - restFrom);
    writer.part(name, 0, nameLength);
  }
}

/** Returns the offset at which the field of bytes that begins here ends. */
function fieldEnd(bytes: Buffer, from: number, end: number): number {
  reader.open(bytes);
  reader.at = from + 1;
  const to = reader.delimited(end);
  // Lets go of the request.
  reader.open(NO_BYTES);
  return to;
}
