/**
 * Messages that are cut out of a request for one group each. The bytes of an operation stay as
 * they are, but for the position that they name, which is left out where it is of another group,
 * and a name for a write that has none, which is appended. The bytes are those of `fromBatch` and its
 * like for the same commands.
 */
import { slotOf } from '#cluster/slot-hash.ts';
import type { BatchOperation } from '#model/commands.ts';
import type { Position } from '#model/position.ts';
import type {
  BatchMessage,
  KeepsPosition,
  OneMessage,
  RelayedBatch,
  RelayedOne,
  RelayedResults,
  RelayMethod,
} from '#model/relay.ts';
import type { WriteId } from '#model/write-id.ts';
import { ByteReader } from '#wire/byte-reader.ts';
import { ByteWriter, VARINT_BYTES_MAX, varintBytes } from '#wire/byte-writer.ts';
import { DELETE, GET, INCREMENT, NAMED, type OperationColumns, SET, TOUCH } from '#wire/kv-columns.ts';
import { NAME_BYTES_MAX, nameBytes } from '#wire/name-fields.ts';
import { readOne, readResults } from '#wire/relayed-answer.ts';

const METHODS: Readonly<Record<number, RelayMethod>> = {
  [GET]: 'get',
  [SET]: 'set',
  [DELETE]: 'delete',
  [INCREMENT]: 'increment',
  [TOUCH]: 'touch',
};
const OPERATIONS = 0x0a;
/** The tag of an operation in a Batch, its length, and the same of its message. */
const AROUND_BYTES_MAX = 2 * (1 + VARINT_BYTES_MAX);

/** One for all messages: each is written in one go. */
const writer = new ByteWriter();
const name = Buffer.alloc(NAME_BYTES_MAX);
const reader = new ByteReader();

/** The numbers that `Operations` has of each: its message in the request, its key, and the position that it names. */
const [FROM, TO, KEY_FROM, KEY_TO, POSITION_FROM, POSITION_TO, NUMBERS] = [0, 1, 2, 3, 4, 5, 6];

/** Some operations of a request: where they stand in it. */
class Operations {
  readonly request: Buffer;
  readonly count: number;
  readonly isRead: boolean;
  readonly unnamed: number;
  readonly waitMs: number;
  readonly bytes: number;
  readonly kinds: Uint8Array;
  readonly #needNames: Uint8Array;
  readonly #numbers: Uint32Array;
  /** Undefined: none of them names a position. */
  readonly #positions: readonly (Position | undefined)[] | undefined;

  constructor(columns: OperationColumns, places: readonly number[]) {
    const { bytes, kinds, flags, waitMs, starts, ends } = columns;
    const hasPositions = columns.positions + columns.names > 0;
    this.request = bytes;
    this.count = places.length;
    this.kinds = new Uint8Array(places.length);
    this.#needNames = new Uint8Array(places.length);
    this.#numbers = new Uint32Array(NUMBERS * places.length);
    this.#positions = hasPositions ? places.map((place) => positionAt(columns, place)) : undefined;
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

  key(): string {
    return this.request.toString('utf8', this.#numbers[KEY_FROM], this.#numbers[KEY_TO]);
  }

  /** `isAlone`: they are one operation, which is no Batch. */
  encode(ids: readonly WriteId[], keeps: KeepsPosition, isAlone: boolean): Uint8Array {
    writer.begin(0);
    writer.reserve(this.bytes + this.count * AROUND_BYTES_MAX + this.unnamed * NAME_BYTES_MAX);
    let next = 0;
    for (let i = 0; i < this.count; i++) {
      const kind = this.kinds[i] as number;
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

/** What a read asks for, or what the name of a write is not older than. */
function positionAt(columns: OperationColumns, i: number): Position | undefined {
  return columns.kinds[i] === GET ? columns.atLeast(i) : columns.idOf(i)?.since;
}

/** Returns the offset at which the field of bytes that begins here ends. */
function fieldEnd(bytes: Buffer, from: number, end: number): number {
  reader.open(bytes);
  reader.at = from + 1;
  return reader.delimited(end);
}

/** What the columns have: valid until the next request is read. */
abstract class Read {
  protected readonly columns: OperationColumns;

  constructor(columns: OperationColumns) {
    this.columns = columns;
  }

  *positions(): Generator<Position> {
    const { columns } = this;
    if (columns.positions + columns.names === 0) return;
    let last: Position | undefined;
    for (let i = 0; i < columns.count; i++) {
      const position = positionAt(columns, i);
      // Callers bring the same position with each of their operations.
      if (position === undefined || (position.epoch === last?.epoch && position.lsn === last.lsn)) continue;
      last = position;
      yield position;
    }
  }

  slotOf(place: number): number {
    const { bytes, keyOffsets, keyBytes } = this.columns;
    const from = keyOffsets[place] as number;
    return slotOf(bytes, from, from + (keyBytes[place] as number));
  }
}

const FIRST = [0];

export class ReadOne extends Read implements RelayedOne {
  get slot(): number {
    return this.slotOf(0);
  }

  message(): OneMessage {
    const operations = new Operations(this.columns, FIRST);
    const kind = operations.kinds[0] as number;
    return {
      method: METHODS[kind] as RelayMethod,
      operations: 1,
      isRead: operations.isRead,
      unnamed: operations.unnamed,
      waitMs: operations.waitMs,
      bytes: operations.bytes,
      key: () => operations.key(),
      encode: (ids, keeps) => operations.encode(ids, keeps, true),
      read: (answer) => readOne(kind, answer),
    };
  }
}

/** Gives the operations of a request of Batch. */
export type ToCommands = (request: Buffer) => BatchOperation[];

export class ReadBatch extends Read implements RelayedBatch {
  readonly #toCommands: ToCommands;

  constructor(columns: OperationColumns, toCommands: ToCommands) {
    super(columns);
    this.#toCommands = toCommands;
  }

  get count(): number {
    return this.columns.count;
  }

  message(places: readonly number[]): BatchMessage {
    const operations = new Operations(this.columns, places);
    const toCommands = this.#toCommands;
    const commands = (): BatchOperation[] => {
      const all = toCommands(operations.request);
      return places.map((place) => all[place] as BatchOperation);
    };
    return {
      method: 'batch',
      operations: places.length,
      isRead: operations.isRead,
      unnamed: operations.unnamed,
      waitMs: operations.waitMs,
      bytes: operations.bytes,
      key: () => operations.key(),
      encode: (ids, keeps) => operations.encode(ids, keeps, false),
      read: (answer): RelayedResults => readResults(operations.kinds, answer, commands),
      commands,
    };
  }
}
