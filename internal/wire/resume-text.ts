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
 * A node writes one part without a name. A gateway writes a part for each group, at most 255; a name
 * has at most 64 bytes.
 */
import { type ErrorDetails, invalidArgument, type WalnutError } from '#model/errors.ts';
import type { GroupPlace, Lsn, Position } from '#model/position.ts';
import type { WatchMessage } from '#model/watch.ts';
import { crc32 } from '#platform/crc32.ts';

const VERSION = 1;
/** Epoch and LSN. */
const PLACE_BYTES = 16;
/** A text of one part without a name. */
const TEXT_BYTES = 2 + 1 + PLACE_BYTES + 4;
const PARTS_MAX = 255;
const NAME_BYTES_MAX = 64;
/** Longer texts are not looked at. */
const CHARACTERS_MAX = Math.ceil(((6 + PARTS_MAX * (1 + NAME_BYTES_MAX + PLACE_BYTES)) * 4) / 3);
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

/** The text of several groups. */
export function toPlacesText(places: readonly GroupPlace[]): string {
  const parts = places.map(({ group, position: { epoch, lsn } }) => {
    const name = Buffer.from(group);
    const part = Buffer.alloc(1 + name.length + PLACE_BYTES);
    part[0] = name.copy(part, 1);
    part.writeBigUInt64BE(BigInt(epoch), 1 + name.length);
    part.writeBigUInt64BE(BigInt(lsn), 9 + name.length);
    return part;
  });
  const text = Buffer.concat([Buffer.from([VERSION, places.length]), ...parts, Buffer.alloc(4)]);
  const end = text.length - 4;
  text.writeUInt32BE(crc32(text, 0, 0, end), end);
  return text.toString('base64url');
}

/** Where a watcher goes on after this message. */
export function resumeTextOf({ places, position }: Pick<WatchMessage, 'places' | 'position'>): string {
  return places === undefined ? toResumeText(position) : toPlacesText(places);
}

/** Where a watch that ended with this error goes on; undefined: nowhere. */
export function endTextOf({ resumeAfter, resumePlaces }: ErrorDetails): string | undefined {
  if (resumePlaces !== undefined) return toPlacesText(resumePlaces);
  return resumeAfter && toResumeText(resumeAfter);
}

/** The one place of a node, or those of several groups. Throws `invalid_argument` for what nobody wrote. */
export function fromResumeText(
  text: string,
): { after: Position } | { after: undefined; places: GroupPlace[] } {
  const bytes =
    BASE64URL.test(text) && text.length <= CHARACTERS_MAX ? Buffer.from(text, 'base64url') : undefined;
  if (bytes === undefined || bytes.length < 6) throw malformed();
  const end = bytes.length - 4;
  if (crc32(bytes, 0, 0, end) !== bytes.readUInt32BE(end)) throw malformed();
  if (bytes[0] !== VERSION)
    throw invalidArgument(`resume has version ${bytes[0]}: this node knows version 1`);
  const places = readPlaces(bytes.subarray(0, end));
  const [own] = places;
  return own?.group === '' && places.length === 1 ? { after: own.position } : { after: undefined, places };
}

function readPlaces(bytes: Buffer): GroupPlace[] {
  const places: GroupPlace[] = [];
  let at = 2;
  for (let i = 0; i < (bytes[1] as number); i++) {
    const nameEnd = at + 1 + (bytes[at] ?? 0);
    if (nameEnd + PLACE_BYTES > bytes.length) throw malformed();
    const epoch = Number(bytes.readBigUInt64BE(nameEnd));
    const lsn = Number(bytes.readBigUInt64BE(nameEnd + 8));
    if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(lsn)) throw malformed();
    const group = bytes.toString('latin1', at + 1, nameEnd);
    places.push({ group, position: { epoch, lsn: lsn as Lsn } });
    at = nameEnd + PLACE_BYTES;
  }
  if (at !== bytes.length || places.length === 0) throw malformed();
  return places;
}

function malformed(): WalnutError {
  return invalidArgument('resume is malformed: expected the resume of a message of Watch, whole');
}
