/**
 * The operations of one request as columns of numbers: what each is, and where its
 * key and value stand in the request's bytes. Used again for every request.
 */
import { type MixedBatch, PLAIN_EXPIRY, PLAIN_KIND } from '#model/bulk.ts';
import type {
  BatchOperation,
  Condition,
  DeleteCommand,
  Expiry,
  GetCommand,
  IncrementCommand,
  SetCommand,
  TouchCommand,
  WriteOperation,
} from '#model/commands.ts';
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { BatchId, WriteId } from '#model/write-id.ts';

/** What an operation is: the tags of BatchOperation. */
export const { get: GET, set: SET, delete: DELETE } = PLAIN_KIND;
export const INCREMENT = 0x22;
export const TOUCH = 0x2a;

/** What an operation asks for beside its key, value and expiry. */
export const AT_LEAST = 1;
export const RETURN_PREVIOUS = 2;
export const IF_ABSENT = 4;
export const IF_PRESENT = 8;
export const RETURN_VALUE = 16;
export const NAMED = 32;

const NO_BYTES = Buffer.alloc(0);
const VISIBLE = { durability: undefined, minAcks: 0, timeoutMs: 0 } as const;
const DEFAULT_EXPIRY: Expiry = { kind: 'default' };

/** They are valid `PlainSets` only if `areSets`, and a valid `MixedBatch` only if `arePlain`. */
export class OperationColumns implements MixedBatch {
  bytes: Buffer = NO_BYTES;
  count = 0;
  /** How many are Gets, and how many are Sets that ask for nothing but being visible. */
  gets = 0;
  /** How many Gets ask for a position. */
  positions = 0;
  plainSets = 0;
  plainDeletes = 0;
  /** How many writes have a name of their own. */
  names = 0;
  /** True if the batch says that it is all or nothing. */
  isAtomic = false;
  /** The name of the batch as a whole; only of one that is not atomic. */
  name: BatchId | undefined;
  readonly kinds: Uint8Array;
  readonly flags: Uint8Array;
  /** The offsets at which the message of each operation begins and ends. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly keyOffsets: Uint32Array;
  readonly keyBytes: Uint16Array;
  readonly valueOffsets: Uint32Array;
  readonly valueBytes: Uint32Array;
  readonly expiries: Uint8Array;
  readonly expiryMs: Float64Array;
  readonly waitMs: Uint16Array;
  readonly deltas: Float64Array;
  readonly initials: Float64Array;
  readonly atLeastEpochs: Float64Array;
  readonly atLeastLsns: Float64Array;
  /** Only of writes with a name: the name, and where the field `since` of it begins, or would. */
  readonly ids: WriteId[] = [];
  readonly sinceStarts: Uint32Array;

  /** `countMax`: most operations of one request. */
  constructor(countMax = BATCH_OPERATIONS_MAX) {
    this.kinds = new Uint8Array(countMax);
    this.flags = new Uint8Array(countMax);
    this.starts = new Uint32Array(countMax);
    this.ends = new Uint32Array(countMax);
    this.keyOffsets = new Uint32Array(countMax);
    this.keyBytes = new Uint16Array(countMax);
    this.valueOffsets = new Uint32Array(countMax);
    this.valueBytes = new Uint32Array(countMax);
    this.expiries = new Uint8Array(countMax);
    this.expiryMs = new Float64Array(countMax);
    this.waitMs = new Uint16Array(countMax);
    this.deltas = new Float64Array(countMax);
    this.initials = new Float64Array(countMax);
    this.atLeastEpochs = new Float64Array(countMax);
    this.atLeastLsns = new Float64Array(countMax);
    this.sinceStarts = new Uint32Array(countMax);
  }

  begin(bytes: Buffer): void {
    this.bytes = bytes;
    this.count = this.gets = this.positions = this.plainSets = this.plainDeletes = this.names = 0;
    this.isAtomic = false;
    this.name = undefined;
  }

  /** Lets go of the request. */
  close(): void {
    this.begin(NO_BYTES);
  }

  /** Takes in the operation whose other columns are written already. */
  add(kind: number, flags: number): void {
    const i = this.count++;
    this.kinds[i] = kind;
    this.flags[i] = flags;
    if (kind === GET) {
      this.gets++;
      // AT_LEAST is 1, and the only flag of a Get.
      this.positions += flags;
    } else if (kind === SET && flags === 0) this.plainSets++;
    else if (kind === DELETE && flags === 0) this.plainDeletes++;
    else if ((flags & NAMED) !== 0) this.names++;
  }

  get areGets(): boolean {
    return this.gets === this.count;
  }

  get areSets(): boolean {
    return this.plainSets === this.count;
  }

  /** True if every operation is a Get, or a write that asks for nothing but being visible. */
  get arePlain(): boolean {
    return this.gets + this.plainSets + this.plainDeletes === this.count;
  }

  /** True if a Get may wait; the other operations that are read here never do. */
  get mayWait(): boolean {
    for (let i = 0; i < this.count; i++)
      if (this.kinds[i] === GET && (this.waitMs[i] as number) > 0) return true;
    return false;
  }

  /** True if a moment that includes what `includes` says can answer every Get. */
  areIncluded(includes: (position: Position) => boolean): boolean {
    if (this.positions === 0) return true;
    let epoch = -1;
    let lsn = -1;
    for (let i = 0; i < this.count; i++) {
      if ((this.flags[i] as number) !== AT_LEAST) continue;
      // Callers bring the same position with each of their Gets.
      if (this.atLeastEpochs[i] === epoch && this.atLeastLsns[i] === lsn) continue;
      epoch = this.atLeastEpochs[i] as number;
      lsn = this.atLeastLsns[i] as number;
      if (!includes({ epoch, lsn: lsn as Lsn })) return false;
    }
    return true;
  }

  /** The same as `operations`; undefined where one of them is a read, or has a name of its own. */
  unnamedWrites(): WriteOperation[] | undefined {
    return this.gets + this.names > 0 ? undefined : (this.operations() as WriteOperation[]);
  }

  operations(): BatchOperation[] {
    return Array.from({ length: this.count }, (_, i) => this.#operation(i));
  }

  #operation(i: number): BatchOperation {
    const kind = this.kinds[i];
    if (kind === GET) return { kind: 'get', command: this.getCommand(i) };
    if (kind === SET) return { kind: 'set', command: this.setCommand(i) };
    if (kind === INCREMENT) return { kind: 'increment', command: this.incrementCommand(i) };
    if (kind === TOUCH) return { kind: 'touch', command: this.touchCommand(i) };
    return { kind: 'delete', command: this.deleteCommand(i) };
  }

  /** The position that a Get asks for. */
  atLeast(i: number): Position | undefined {
    if (this.kinds[i] !== GET || this.flags[i] !== AT_LEAST) return undefined;
    return { epoch: this.atLeastEpochs[i] as number, lsn: this.atLeastLsns[i] as Lsn };
  }

  /** The position that an operation names: what a Get asks for, or what the name of a write is not older than. */
  namedBy(i: number): Position | undefined {
    return this.kinds[i] === GET ? this.atLeast(i) : this.idOf(i)?.since;
  }

  /** The name of a write that has one. */
  idOf(i: number): WriteId | undefined {
    return ((this.flags[i] as number) & NAMED) === 0 ? undefined : this.ids[i];
  }

  getCommand(i: number): GetCommand {
    const atLeast = this.atLeast(i);
    return { key: this.#key(i), atLeast, waitMs: this.waitMs[i] as number, maxStalenessMs: undefined };
  }

  /** Its value is a view of the request. */
  setCommand(i: number): SetCommand {
    const { buffer, byteOffset } = this.bytes;
    const flags = this.flags[i] as number;
    return {
      key: this.#key(i),
      value: new Uint8Array(
        buffer,
        byteOffset + (this.valueOffsets[i] as number),
        this.valueBytes[i] as number,
      ),
      expiry: this.#expiry(i),
      condition: conditionOf(flags),
      returnPrevious: (flags & RETURN_PREVIOUS) !== 0,
      ...this.#receipt(i),
    };
  }

  incrementCommand(i: number): IncrementCommand {
    return {
      key: this.#key(i),
      delta: BigInt(this.deltas[i] as number),
      initial: BigInt(this.initials[i] as number),
      expiry: this.#expiry(i),
      condition: conditionOf(this.flags[i] as number),
      returnPrevious: false,
      ...this.#receipt(i),
    };
  }

  touchCommand(i: number): TouchCommand {
    return {
      key: this.#key(i),
      expiry: this.#expiry(i),
      returnValue: ((this.flags[i] as number) & RETURN_VALUE) !== 0,
      ...this.#receipt(i),
    };
  }

  deleteCommand(i: number): DeleteCommand {
    return {
      key: this.#key(i),
      condition: undefined,
      returnPrevious: ((this.flags[i] as number) & RETURN_PREVIOUS) !== 0,
      ...this.#receipt(i),
    };
  }

  /** None of them asks for more than being visible. */
  #receipt(i: number): typeof VISIBLE & { readonly id?: WriteId } {
    const id = this.idOf(i);
    return id === undefined ? VISIBLE : { ...VISIBLE, id };
  }

  #key(i: number): string {
    const { bytes } = this;
    const from = this.keyOffsets[i] as number;
    const to = from + (this.keyBytes[i] as number);
    return bytes.toString(isAscii(bytes, from, to) ? 'latin1' : 'utf8', from, to);
  }

  #expiry(i: number): Expiry {
    const ms = this.expiryMs[i] as number;
    if (this.expiries[i] === PLAIN_EXPIRY.ttl) return { kind: 'ttl', ttlMs: ms };
    return this.expiries[i] === PLAIN_EXPIRY.at ? { kind: 'at', expireAtMs: ms } : DEFAULT_EXPIRY;
  }
}

function conditionOf(flags: number): Condition | undefined {
  const asks = flags & (IF_ABSENT | IF_PRESENT);
  return asks === 0 ? undefined : { kind: asks === IF_ABSENT ? 'absent' : 'present' };
}

function isAscii(bytes: Buffer, from: number, to: number): boolean {
  let bits = 0;
  for (let i = from; i < to; i++) bits |= bytes[i] as number;
  return bits < 0x80;
}
