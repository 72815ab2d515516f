/** The keys of an RDB file of redis, as a coroutine over its bytes: see `rdb-strings.ts`. */
import { passString, type Reading, readByte, readLength, readString } from './rdb-strings.ts';
import { OTHER_TYPES, passModuleParts } from './rdb-types.ts';

/** One key. `expireAtMs`: since the Unix epoch; 0 is never. */
export interface RdbKey {
  readonly database: number;
  readonly key: Buffer;
  readonly expireAtMs: number;
  /** The name of its type; `string` has a value. */
  readonly type: string;
  /** Undefined for other types, and where it has too many bytes. */
  readonly value: Buffer | undefined;
}

const MAGIC = 'REDIS';
/** Those of redis 2.0 to 8.0. */
const VERSION_MAX = 12;
/** The file ends with a checksum from this version on. */
export const VERSION_WITH_CHECKSUM = 5;
const STRING = 0;
/** Longer keys are passed over as an empty one: no node takes them. */
const KEY_BYTES_MAX = 65_536;
const SECOND_MS = 1_000;

const OPCODE = {
  slotInfo: 0xf4,
  function2: 0xf5,
  moduleAux: 0xf7,
  idle: 0xf8,
  frequency: 0xf9,
  auxiliary: 0xfa,
  resize: 0xfb,
  expiresMs: 0xfc,
  expiresS: 0xfd,
  database: 0xfe,
  end: 0xff,
} as const;

/** Yields keys besides requests for bytes. Returns the version; the checksum comes next. */
export function* readRdb(valueBytesMax: number): Generator<number | RdbKey, number, Buffer> {
  const version = yield* readVersion();
  let database = 0;
  let expireAtMs = 0;
  for (let opcode = yield* readByte(); opcode !== OPCODE.end; opcode = yield* readByte()) {
    if (opcode === OPCODE.database) database = yield* readLength();
    else if (opcode === OPCODE.expiresMs) expireAtMs = deadlineOf(Number((yield 8).readBigInt64LE()));
    else if (opcode === OPCODE.expiresS) expireAtMs = deadlineOf((yield 4).readInt32LE() * SECOND_MS);
    else if (!(yield* isPassed(opcode))) {
      yield { database, expireAtMs, ...(yield* readKey(opcode, valueBytesMax)) };
      expireAtMs = 0;
    }
  }
  return version;
}

/** Redis takes any 64 bits, a node less: what is far from now stays so. 0 would be no deadline. */
function deadlineOf(ms: number): number {
  return Math.min(Math.max(1, ms), Number.MAX_SAFE_INTEGER);
}

function* readVersion(): Reading<number> {
  const head = (yield 9).toString('latin1');
  const version = Number(/^REDIS(\d{4})$/.exec(head)?.[1] ?? Number.NaN);
  if (Number.isNaN(version))
    throw new Error(`it begins with ${JSON.stringify(head)}: expected ${MAGIC} and a version`);
  if (version < 1 || version > VERSION_MAX)
    throw new Error(`it is of RDB version ${version}: expected 1 to ${VERSION_MAX}`);
  return version;
}

/** True for what stands between keys and says nothing of them that matters here. */
function* isPassed(opcode: number): Reading<boolean> {
  switch (opcode) {
    case OPCODE.auxiliary:
      yield* passString();
      yield* passString();
      return true;
    case OPCODE.resize:
      yield* readLength();
      yield* readLength();
      return true;
    case OPCODE.slotInfo:
      for (let i = 0; i < 3; i++) yield* readLength();
      return true;
    case OPCODE.function2:
      yield* passString();
      return true;
    case OPCODE.moduleAux:
      yield* readLength();
      yield* passModuleParts();
      return true;
    case OPCODE.idle:
      yield* readLength();
      return true;
    case OPCODE.frequency:
      yield -1;
      return true;
    default:
      return false;
  }
}

function* readKey(opcode: number, valueBytesMax: number): Reading<Pick<RdbKey, 'key' | 'type' | 'value'>> {
  const other = OTHER_TYPES.get(opcode);
  if (opcode !== STRING && other === undefined)
    throw new Error(`a value is of type ${opcode}, which this version does not know`);
  const key = (yield* readString(KEY_BYTES_MAX)) ?? Buffer.alloc(0);
  if (other === undefined) return { key, type: 'string', value: yield* readString(valueBytesMax) };
  yield* other.pass();
  return { key, type: other.name, value: undefined };
}
