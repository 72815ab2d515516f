/**
 * The slots of a cluster that a group owns, as its log states it: in an OWNERSHIP record,
 * in the header of a snapshot and in the digest, always as the same bytes. README.md of
 * the engine specifies them. The codec is pure.
 */
import { SLOTS, type SlotRun } from '#model/slots.ts';
import { BlockError, encodeBlock, readBlocks } from '#platform/blocks.ts';
import { RowReader, RowWriter } from '#storage/row-bytes.ts';
import { StatedPart } from '#storage/stated-part.ts';

const OWNERSHIP_VERSION = 1;
const OWNED = 1;

/** In force from a record on, until the next one. */
export interface LoggedOwnership {
  /** The epoch of the map that gave the group its slots. */
  readonly mapEpoch: number;
  /** Ascending, with slots of others between them, so that equal ownership has equal bytes. Empty: it owns none. */
  readonly owned: readonly SlotRun[];
}

/** Throws `RangeError` if the runs do not ascend with a gap between them. */
export function encodeOwnership({ mapEpoch, owned }: LoggedOwnership): Buffer {
  const writer = new RowWriter();
  writer.uint64(mapEpoch);
  owned.forEach(({ first, last }, i) => {
    const why = whyNoRun(first, last, owned[i - 1]);
    if (why !== undefined) throw new RangeError(why);
    writer.uint16(first);
    writer.uint16(last);
  });
  return Buffer.concat([Buffer.of(OWNERSHIP_VERSION), encodeBlock(OWNED, writer.take())]);
}

/** Decodes `bytes[from, to)`. Throws `BlockError`. */
export function decodeOwnership(bytes: Buffer, from: number, to: number): LoggedOwnership {
  if (from === to) throw new BlockError(from, 'the ownership has no version');
  const version = bytes[from] as number;
  if (version !== OWNERSHIP_VERSION)
    throw new BlockError(from, `unknown version ${version} of the ownership`, version > OWNERSHIP_VERSION);
  const block = readBlocks(bytes, from + 1, to, [OWNED]).get(OWNED);
  if (block === undefined) throw new BlockError(from, 'the ownership has no block of owned slots');
  const reader = new RowReader(bytes, block.from, block.to);
  const mapEpoch = reader.uint64();
  const owned: SlotRun[] = [];
  while (!reader.isAtEnd) {
    const { at } = reader;
    const run = { first: reader.uint16(), last: reader.uint16() };
    const why = whyNoRun(run.first, run.last, owned.at(-1));
    if (why !== undefined) throw new BlockError(at, why);
    owned.push(run);
  }
  return { mapEpoch, owned };
}

/** Undefined if the run may follow the one before. */
function whyNoRun(first: number, last: number, before: SlotRun | undefined): string | undefined {
  if (last >= SLOTS || first > last)
    return `slots ${first} to ${last}: expected 0 to ${SLOTS - 1}, ascending`;
  if (before === undefined || first > before.last + 1) return undefined;
  return `slots from ${first} on do not begin behind a gap after ${before.last}`;
}

/** True if no slot belongs to another group. */
export function ownsAll({ owned }: LoggedOwnership): boolean {
  const [run] = owned;
  return run !== undefined && run.last - run.first === SLOTS - 1;
}

const HASHED_AS_OWNERSHIP = 6;

/** Without one, the group owns every key. */
export function createOwnership(): StatedPart<LoggedOwnership> {
  return new StatedPart(HASHED_AS_OWNERSHIP, encodeOwnership);
}
