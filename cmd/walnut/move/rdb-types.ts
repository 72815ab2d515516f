/** Values of an RDB file that are no strings: what they are called, and how long they are. */
import { passString, passStrings, type Reading, readByte, readLength } from './rdb-strings.ts';

export interface OtherType {
  readonly name: string;
  /** Passes over one value. */
  readonly pass: () => Reading<void>;
}

const BYTES_OF_DOUBLE = 8;
const BYTES_OF_TIME = 8;
const BYTES_OF_STREAM_ID = 16;
/** A longer text of a number stands for NaN or an infinity, without any text. */
const DOUBLE_TEXT_MAX = 252;

/** `fields` strings an element. */
const elements = (fields: number) =>
  function* (): Reading<void> {
    yield* passStrings(fields * (yield* readLength()));
  };

function* passScoresAsText(): Reading<void> {
  for (let left = yield* readLength(); left > 0; left--) {
    yield* passString();
    const length = yield* readByte();
    if (length > 0 && length <= DOUBLE_TEXT_MAX) yield -length;
  }
}

function* passScores(): Reading<void> {
  for (let left = yield* readLength(); left > 0; left--) {
    yield* passString();
    yield -BYTES_OF_DOUBLE;
  }
}

function* passQuicklist2(): Reading<void> {
  for (let left = yield* readLength(); left > 0; left--) {
    yield* readLength();
    yield* passString();
  }
}

/** Each field has a deadline, as a difference to the first one. */
function* passFieldsWithDeadlines(): Reading<void> {
  for (let left = yield* readLength(); left > 0; left--) {
    yield* readLength();
    yield* passStrings(2);
  }
}

function* afterTime(rest: () => Reading<void>): Reading<void> {
  yield -BYTES_OF_TIME;
  yield* rest();
}

const END_OF_MODULE = 0;
const FLOAT = 3;
const DOUBLE = 4;
const TEXT = 5;

/** What a module wrote of its own, which says of each part what it is. */
export function* passModuleParts(): Reading<void> {
  for (let part = yield* readLength(); part !== END_OF_MODULE; part = yield* readLength()) {
    if (part === TEXT) yield* passString();
    else if (part === FLOAT) yield -4;
    else if (part === DOUBLE) yield -BYTES_OF_DOUBLE;
    else yield* readLength();
  }
}

function* passModule(): Reading<void> {
  yield* readLength();
  yield* passModuleParts();
}

/** `version`: 1 to 3; later ones have more numbers. */
const stream = (version: number) =>
  function* (): Reading<void> {
    yield* elements(2)();
    for (let left = version === 1 ? 3 : 8; left > 0; left--) yield* readLength();
    for (let groups = yield* readLength(); groups > 0; groups--) {
      yield* passString();
      for (let left = version === 1 ? 2 : 3; left > 0; left--) yield* readLength();
      for (let pending = yield* readLength(); pending > 0; pending--) {
        yield -(BYTES_OF_STREAM_ID + BYTES_OF_TIME);
        yield* readLength();
      }
      for (let consumers = yield* readLength(); consumers > 0; consumers--) {
        yield* passString();
        yield -(version === 3 ? 2 : 1) * BYTES_OF_TIME;
        const pending = yield* readLength();
        if (pending > 0) yield -pending * BYTES_OF_STREAM_ID;
      }
    }
  };

export const OTHER_TYPES: ReadonlyMap<number, OtherType> = new Map([
  [1, { name: 'list', pass: elements(1) }],
  [2, { name: 'set', pass: elements(1) }],
  [3, { name: 'sorted set', pass: passScoresAsText }],
  [4, { name: 'hash', pass: elements(2) }],
  [5, { name: 'sorted set', pass: passScores }],
  [7, { name: 'value of a module', pass: passModule }],
  [9, { name: 'hash', pass: passString }],
  [10, { name: 'list', pass: passString }],
  [11, { name: 'set', pass: passString }],
  [12, { name: 'sorted set', pass: passString }],
  [13, { name: 'hash', pass: passString }],
  [14, { name: 'list', pass: elements(1) }],
  [15, { name: 'stream', pass: stream(1) }],
  [16, { name: 'hash', pass: passString }],
  [17, { name: 'sorted set', pass: passString }],
  [18, { name: 'list', pass: passQuicklist2 }],
  [19, { name: 'stream', pass: stream(2) }],
  [20, { name: 'set', pass: passString }],
  [21, { name: 'stream', pass: stream(3) }],
  [22, { name: 'hash', pass: passFieldsWithDeadlines }],
  [23, { name: 'hash', pass: passString }],
  [24, { name: 'hash', pass: () => afterTime(passFieldsWithDeadlines) }],
  [25, { name: 'hash', pass: () => afterTime(passString) }],
]);
