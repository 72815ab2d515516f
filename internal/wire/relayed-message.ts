/**
 * Messages that are cut out of a request for one group each. The bytes of an operation stay as
 * they are, but for the position that it names, which is left out where it is of another group,
 * and a name for a write that has none, which is appended. Writes that are a whole message get one
 * name together. The bytes are those of `fromBatch` and its like for the same commands.
 */
import { slotOf } from '#cluster/slot-hash.ts';
import type { BatchOperation } from '#model/commands.ts';
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import type { Position } from '#model/position.ts';
import type {
  BatchMessage,
  EncodedAnswer,
  KeepsPosition,
  OneMessage,
  RelayedBatch,
  RelayedOne,
  RelayedResults,
  RelayMethod,
} from '#model/relay.ts';
import type { WriteId } from '#model/write-id.ts';
import { copyPart } from '#wire/byte-writer.ts';
import {
  AT_LEAST,
  DELETE,
  GET,
  INCREMENT,
  NAMED,
  type OperationColumns,
  SET,
  TOUCH,
} from '#wire/kv-columns.ts';
import { BATCH, NAME_BYTES_MAX, nameBytes } from '#wire/name-fields.ts';
import { readOne, readResults } from '#wire/relayed-answer.ts';
import { RelayedOperations } from '#wire/relayed-operations.ts';

const METHODS: Readonly<Record<number, RelayMethod>> = {
  [GET]: 'get',
  [SET]: 'set',
  [DELETE]: 'delete',
  [INCREMENT]: 'increment',
  [TOUCH]: 'touch',
};

const name = Buffer.alloc(NAME_BYTES_MAX);

/** Gives the operations of a request of Batch. */
export type ToCommands = (request: Buffer) => BatchOperation[];

/** What the columns have: valid until the next request is read. */
abstract class Read {
  /** So many unwritten bytes are to stand before the answer. */
  headroom = 0;
  protected readonly columns: OperationColumns;

  constructor(columns: OperationColumns) {
    this.columns = columns;
  }

  *positions(): Generator<Position> {
    const { columns } = this;
    let last: Position | undefined;
    for (let i = 0; i < columns.count; i++) {
      const position = columns.namedBy(i);
      // Callers bring the same position with each of their operations.
      if (position === undefined || (position.epoch === last?.epoch && position.lsn === last.lsn)) continue;
      last = position;
      yield position;
    }
  }

  get hasPositions(): boolean {
    return this.columns.positions + this.columns.names > 0;
  }

  protected slotAt(place: number): number {
    const { bytes, keyOffsets, keyBytes } = this.columns;
    const from = keyOffsets[place] as number;
    return slotOf(bytes, from, from + (keyBytes[place] as number));
  }
}

const FIRST = [0];

export class ReadOne extends Read implements RelayedOne {
  get slot(): number {
    return this.slotAt(0);
  }

  message(): OneMessage {
    return new OneOperation(this.columns, this.headroom);
  }
}

class OneOperation extends RelayedOperations implements OneMessage {
  readonly method: RelayMethod;
  readonly #kind: number;
  readonly #headroom: number;

  constructor(columns: OperationColumns, headroom: number) {
    super(columns, FIRST);
    this.#headroom = headroom;
    this.#kind = columns.kinds[0] as number;
    this.method = METHODS[this.#kind] as RelayMethod;
  }

  encode(ids: readonly WriteId[], keeps: KeepsPosition): Uint8Array {
    return this.encodeAs(ids, keeps, true);
  }

  read(answer: Uint8Array, group: string): EncodedAnswer {
    return readOne(this.#kind, answer, { group, headroom: this.#headroom });
  }
}

export class ReadBatch extends Read implements RelayedBatch {
  readonly #toCommands: ToCommands;

  constructor(columns: OperationColumns, toCommands: ToCommands) {
    super(columns);
    this.#toCommands = toCommands;
  }

  whole(): BatchMessage {
    return this.#messageOf(undefined);
  }

  divide<O>(ownerOf: (slot: number) => O): Map<O, BatchMessage> {
    const { count } = this.columns;
    const owners: O[] = [];
    const parts: number[][] = [];
    for (let place = 0; place < count; place++) {
      const owner = ownerOf(this.slotAt(place));
      const which = owners.indexOf(owner);
      if (which >= 0) parts[which]?.push(place);
      else {
        owners.push(owner);
        parts.push([place]);
      }
    }
    const isOne = owners.length === 1;
    return new Map(owners.map((owner, which) => [owner, this.#messageOf(isOne ? undefined : parts[which])]));
  }

  /** `places`: see `BatchMessage.places`. */
  #messageOf(places: readonly number[] | undefined): BatchMessage {
    const { columns } = this;
    let [reads, others] = [columns.gets, columns.positions + columns.names];
    const count = places?.length ?? columns.count;
    if (places !== undefined) {
      [reads, others] = [0, 0];
      for (const place of places) {
        if (columns.kinds[place] === GET) reads++;
        if (((columns.flags[place] as number) & (AT_LEAST | NAMED)) !== 0) others++;
      }
    }
    const headroom = places === undefined ? this.headroom : 0;
    const isPlain = others === 0 && (reads === 0 || reads === count);
    return isPlain
      ? new PlainOperations(columns, places, this.#toCommands, headroom)
      : new OtherOperations(columns, places, this.#toCommands, headroom);
  }
}

/** The kinds of as many operations as a Batch may have, where all are of one kind. */
const EQUAL_KINDS = new Map(
  Object.keys(METHODS).map((kind) => [Number(kind), new Uint8Array(BATCH_OPERATIONS_MAX).fill(Number(kind))]),
);

/** Reads, or writes under one name: the request itself, or a copy of what stands in it. */
class PlainOperations implements BatchMessage {
  readonly method = 'batch';
  readonly hasOneName: boolean;
  readonly isRead: boolean;
  readonly operations: number;
  readonly unnamed: number;
  readonly waitMs: number;
  readonly bytes: number;
  readonly places: readonly number[] | undefined;
  readonly kinds: Uint8Array;
  readonly #request: Buffer;
  readonly #toCommands: ToCommands;
  readonly #headroom: number;

  constructor(
    columns: OperationColumns,
    places: readonly number[] | undefined,
    toCommands: ToCommands,
    headroom: number,
  ) {
    const { kinds, waitMs, count } = columns;
    const first = kinds[places?.[0] ?? 0] as number;
    this.places = places;
    this.operations = places?.length ?? count;
    this.#toCommands = toCommands;
    this.#headroom = headroom;
    this.isRead = first === GET;
    this.hasOneName = !this.isRead;
    this.unnamed = this.isRead ? 0 : 1;
    let [longestMs, areEqual] = [0, true];
    for (let i = 0; i < this.operations; i++) {
      const place = places === undefined ? i : (places[i] as number);
      if (kinds[place] !== first) areEqual = false;
      if (first === GET && (waitMs[place] as number) > longestMs) longestMs = waitMs[place] as number;
    }
    this.waitMs = longestMs;
    this.kinds = areEqual ? (EQUAL_KINDS.get(first) as Uint8Array) : kindsAt(columns, places);
    this.#request = places === undefined ? columns.bytes : cutOut(columns, places);
    this.bytes = this.#request.length;
  }

  key(): string {
    return (this.commands()[0] as BatchOperation).command.key;
  }

  encode([id]: readonly WriteId[]): Uint8Array {
    if (id === undefined) return this.#request;
    return Buffer.concat([this.#request, name.subarray(0, nameBytes(BATCH, id, name))]);
  }

  read(answer: Uint8Array, group: string): RelayedResults {
    const whom = { group, headroom: this.#headroom };
    return readResults(this.kinds, this.operations, answer, whom, () => this.commands());
  }

  commands(): BatchOperation[] {
    return this.#toCommands(this.#request);
  }
}

function kindsAt({ kinds, count }: OperationColumns, places: readonly number[] | undefined): Uint8Array {
  return places === undefined
    ? kinds.slice(0, count)
    : Uint8Array.from(places, (place) => kinds[place] as number);
}

/** The operations with what stands around them in a Batch, those that follow each other in one go. */
function cutOut({ bytes, ends }: OperationColumns, places: readonly number[]): Buffer {
  let size = 0;
  for (let i = 0; i < places.length; i++) {
    const place = places[i] as number;
    size += (ends[place] as number) - startOf(ends, place);
  }
  const cut = Buffer.allocUnsafe(size);
  let at = 0;
  for (let i = 0; i < places.length; i++) {
    const first = places[i] as number;
    let last = first;
    while (places[i + 1] === last + 1) {
      last++;
      i++;
    }
    const from = startOf(ends, first);
    const length = (ends[last] as number) - from;
    copyPart(bytes, from, length, cut, at);
    at += length;
  }
  return cut;
}

/** Nothing stands between operations: each begins where the one before it ends. */
function startOf(ends: Uint32Array, place: number): number {
  return place === 0 ? 0 : (ends[place - 1] as number);
}

class OtherOperations extends RelayedOperations implements BatchMessage {
  readonly method = 'batch';
  readonly hasOneName = false;
  readonly places: readonly number[] | undefined;
  readonly #toCommands: ToCommands;
  readonly #headroom: number;

  constructor(
    columns: OperationColumns,
    places: readonly number[] | undefined,
    toCommands: ToCommands,
    headroom: number,
  ) {
    super(columns, places ?? Array.from({ length: columns.count }, (_, place) => place));
    this.places = places;
    this.#toCommands = toCommands;
    this.#headroom = headroom;
  }

  encode(ids: readonly WriteId[], keeps: KeepsPosition): Uint8Array {
    return this.encodeAs(ids, keeps, false);
  }

  read(answer: Uint8Array, group: string): RelayedResults {
    const whom = { group, headroom: this.#headroom };
    return readResults(this.kinds, this.operations, answer, whom, () => this.commands());
  }

  commands(): BatchOperation[] {
    const all = this.#toCommands(this.request);
    return this.places === undefined ? all : this.places.map((place) => all[place] as BatchOperation);
  }
}
