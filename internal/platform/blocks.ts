/**
 * Typed blocks, of which version 2 of the formats on disk is made: type u16,
 * length u32, bytes. Types ascend and none comes twice, so equal content has
 * equal bytes. A reader that does not know a type refuses the whole, unless the
 * type says that it may be skipped. Pure.
 */

/** Set in a type that a reader may skip if it does not know it. */
export const OPTIONAL_BLOCK = 0x8000;
const HEAD_BYTES = 6;

/** The content of one block: `bytes[from, to)` of what was read. */
export interface Block {
  readonly type: number;
  readonly from: number;
  readonly to: number;
}

/** The bytes are no blocks of this kind. `at`: the byte where that shows. */
export class BlockError extends Error {
  override readonly name = 'BlockError';
  readonly at: number;
  /** No damage: a newer program wrote something that this one does not know. */
  readonly isNewer: boolean;

  constructor(at: number, why: string, isNewer = false) {
    super(why);
    this.at = at;
    this.isNewer = isNewer;
  }
}

export function encodeBlock(type: number, ...content: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt16LE(type, 0);
  head.writeUInt32LE(
    content.reduce((sum, part) => sum + part.length, 0),
    2,
  );
  return Buffer.concat([head, ...content]);
}

/**
 * The blocks of `known` types in `bytes[from, to)`, by type. Throws `BlockError`:
 * newer if another type is there that may not be skipped.
 */
export function readBlocks(
  bytes: Buffer,
  from: number,
  to: number,
  known: readonly number[],
): ReadonlyMap<number, Block> {
  const blocks = new Map<number, Block>();
  let typeBefore = -1;
  for (let at = from; at < to; ) {
    if (at + HEAD_BYTES > to) throw new BlockError(at, 'a block ends within its head');
    const type = bytes.readUInt16LE(at);
    const length = bytes.readUInt32LE(at + 2);
    if (type <= typeBefore) throw new BlockError(at, `block ${type} after block ${typeBefore}`);
    const content = at + HEAD_BYTES;
    if (length > to - content) throw new BlockError(at, `block ${type} of ${length} bytes does not fit`);
    if (known.includes(type)) blocks.set(type, { type, from: content, to: content + length });
    else if (type < OPTIONAL_BLOCK) throw new BlockError(at, `unknown block ${type}`, true);
    typeBefore = type;
    at = content + length;
  }
  return blocks;
}
