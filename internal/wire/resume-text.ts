/**
 * `resume` of a watch: opaque text for clients, base64url of
 *
 *     u8   version (1)
 *     u8   number of parts; for each part
 *            u8   length of its name, and the name: the group; a node's own part has none
 *            u64  epoch, big-endian
 *            u64  LSN
 *     u32  CRC-32 of all before
 *
 * A node writes one part and takes only such a text. A gateway has a part for each group.
 */
import { invalidArgument, type WalnutError } from '#model/errors.ts';
import type { Lsn, Position } from '#model/position.ts';
import { crc32 } from '#platform/crc32.ts';

const VERSION = 1;
const PART_BYTES = 17;
const TEXT_BYTES = 2 + PART_BYTES + 4;
/** Longer texts are not looked at. */
const CHARACTERS_MAX = 8_192;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/** The text that was made last: what many watchers are told in one turn ends at one position. */
const last = { epoch: -1, lsn: -1, text: '' };
const scratch = Buffer.from([VERSION, 1, ...new Uint8Array(TEXT_BYTES - 2)]);

export function toResumeText({ epoch, lsn }: Position): string {
  if (epoch === last.epoch && lsn === last.lsn) return last.text;
  writeUint64(epoch, 3);
  writeUint64(lsn, 11);
  scratch.writeUInt32BE(crc32(scratch, 0, 0, TEXT_BYTES - 4), TEXT_BYTES - 4);
  return Object.assign(last, { epoch, lsn, text: scratch.toString('base64url') }).text;
}

/** A whole number below 2^53, big-endian. */
function writeUint64(value: number, at: number): void {
  scratch.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  scratch.writeUInt32BE(value >>> 0, at + 4);
}

/** Throws `invalid_argument` for what no node wrote. */
export function fromResumeText(text: string): Position {
  const bytes =
    BASE64URL.test(text) && text.length <= CHARACTERS_MAX ? Buffer.from(text, 'base64url') : undefined;
  if (bytes === undefined || bytes.length < 6) throw malformed();
  const end = bytes.length - 4;
  if (crc32(bytes, 0, 0, end) !== bytes.readUInt32BE(end)) throw malformed();
  if (bytes[0] !== VERSION)
    throw invalidArgument(`resume has version ${bytes[0]}: this node knows version 1`);
  if (bytes[1] !== 1 || bytes[2] !== 0 || bytes.length !== TEXT_BYTES) {
    throw invalidArgument('resume is of a gateway: go on with it there, not at a node');
  }
  const epoch = Number(bytes.readBigUInt64BE(3));
  const lsn = Number(bytes.readBigUInt64BE(11));
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(lsn)) throw malformed();
  return { epoch, lsn: lsn as Lsn };
}

function malformed(): WalnutError {
  return invalidArgument('resume is malformed: expected the resume of a message of Watch, whole');
}
