/**
 * Messages that are cut out of a request for one group each. The bytes of an operation stay as
 * they are, but for the position that it names, which is left out where it is of another group,
 * and a name for a write that has none, which is appended. Writes that are a whole message get one
 * name together. The bytes are those of `fromBatch` and its like for the same commands.
 */
import { slotOf } from '#cluster/slot-hash.ts';
import type { BatchOperation } from '#model/commands.ts';
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

const FIRST = Uint16Array.of(0);

export class ReadOne extends Read implements RelayedOne {
  get slot(): number {
    return this.slotAt(0);
  }

  message(): OneMessage {
    return new OneOperation(this.columns);
  }
}

class OneOperation extends RelayedOperations implements OneMessage {
  readonly method: RelayMethod;
  readonly #kind: number;

  constructor(columns: OperationColumns) {
    super(columns, FIRST);
    this.#kind = columns.kinds[0] as number;
    this.method = METHODS[this.#kind] as RelayMethod;
  }

  encode(ids: readonly WriteId[], keeps: KeepsPosition): Uint8Array {
    return this.encodeAs(ids, keeps, true);
  }

  read(answer: Uint8Array): EncodedAnswer {
    return readOne(this.#kind, answer);
  }
}

export class ReadBatch extends Read implements RelayedBatch {
  readonly #toCommands: ToCommands;

  constructor(columns: OperationColumns, toCommands: ToCommands) {
    super(columns);
    this.#toCommands = toCommands;
  }

  whole(): BatchMessage {
    const places = new Uint16Array(this.columns.count);
    for (let i = 0; i < places.length; i++) places[i] = i;
    return this.#messageOf(places);
  }

  divide<O>(ownerOf: (slot: number) => O): Map<O, BatchMessage> {
    const { count } = this.columns;
    const owners: O[] = [];
    const counts: number[] = [];
    const whose = new Uint16Array(count);
    for (let place = 0; place < count; place++) {
      const owner = ownerOf(this.slotAt(place));
      let which = owners.indexOf(owner);
      if (which < 0) {
        which = owners.push(owner) - 1;
        counts.push(0);
      }
      counts[which] = (counts[which] as number) + 1;
      whose[place] = which;
    }
    return new Map(
      owners.map((owner, which) => [owner, this.#messageOf(placesOf(whose, which, counts[which] as number))]),
    );
  }

  #messageOf(places: Uint16Array): BatchMessage {
    const { columns } = this;
    let [reads, others] = [0, 0];
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as number;
      if (columns.kinds[place] === GET) reads++;
      if (((columns.flags[place] as number) & (AT_LEAST | NAMED)) !== 0) others++;
    }
    return others === 0 && (reads === 0 || reads === places.length)
      ? new PlainOperations(columns, places, this.#toCommands)
      : new OtherOperations(columns, places, this.#toCommands);
  }
}

function placesOf(whose: Uint16Array, which: number, count: number): Uint16Array {
  const places = new Uint16Array(count);
  let next = 0;
  for (let place = 0; next < count; place++) if (whose[place] === which) places[next++] = place;
  return places;
}

/** Reads, or writes under one name: the request itself, or a copy of what stands in it. */
class PlainOperations implements BatchMessage {
  readonly method = 'batch';
  readonly hasOneName: boolean;
  readonly isRead: boolean;
  readonly unnamed: number;
  readonly waitMs: number;
  readonly bytes: number;
  readonly places: Uint16Array;
  readonly #kinds: Uint8Array;
  readonly #operations: Buffer;
  readonly #toCommands: ToCommands;

  constructor(columns: OperationColumns, places: Uint16Array, toCommands: ToCommands) {
    const { kinds, waitMs } = columns;
    this.places = places;
    this.#toCommands = toCommands;
    this.#kinds = new Uint8Array(places.length);
    let longestMs = 0;
    for (let i = 0; i < places.length; i++) {
      const place = places[i] as number;
      this.#kinds[i] = kinds[place] as number;
      if (kinds[place] === GET) longestMs = Math.max(longestMs, waitMs[place] as number);
    }
    this.isRead = this.#kinds[0] === GET;
    this.hasOneName = !this.isRead;
    this.unnamed = this.isRead ? 0 : 1;
    this.waitMs = longestMs;
    this.#operations = places.length === columns.count ? columns.bytes : cutOut(columns, places);
    this.bytes = this.#operations.length;
  }

  get operations(): number {
    return this.places.length;
  }

  key(): string {
    return (this.commands()[0] as BatchOperation).command.key;
  }

  encode([id]: readonly WriteId[]): Uint8Array {
    if (id === undefined) return this.#operations;
    return Buffer.concat([this.#operations, name.subarray(0, nameBytes(BATCH, id, name))]);
  }

  read(answer: Uint8Array): RelayedResults {
    return readResults(this.#kinds, answer, () => this.commands());
  }

  commands(): BatchOperation[] {
    return this.#toCommands(this.#operations);
  }
}

/** The operations with what stands around them in a Batch, those that follow each other in one go. */
function cutOut({ bytes, ends }: OperationColumns, places: Uint16Array): Buffer {
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
  readonly places: Uint16Array;
  readonly #toCommands: ToCommands;

  constructor(columns: OperationColumns, places: Uint16Array, toCommands: ToCommands) {
    super(columns, places);
    this.places = places;
    this.#toCommands = toCommands;
  }

  encode(ids: readonly WriteId[], keeps: KeepsPosition): Uint8Array {
    return this.encodeAs(ids, keeps, false);
  }

  read(answer: Uint8Array): RelayedResults {
    return readResults(this.kinds, answer, () => this.commands());
  }

  commands(): BatchOperation[] {
    const all = this.#toCommands(this.request);
    return Array.from(this.places, (place) => all[place] as BatchOperation);
  }
}
