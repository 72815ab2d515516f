/**
 * The member list that a log states: in a MEMBERS record, in the header of a snapshot
 * and in the digest, always as the same bytes. README.md of the engine specifies them.
 * The codec is pure.
 */
import { BlockError, encodeBlock, readBlocks } from '#platform/blocks.ts';
import { RowReader, RowWriter } from '#storage/row-bytes.ts';
import { StatedPart } from '#storage/stated-part.ts';

const MEMBERS_VERSION = 1;
const VOTERS = 1;
const LEARNERS = 2;
/** The most voters, and the most learners. */
const MEMBERS_MAX = 255;

/** A data directory that belongs to a group. */
export interface LoggedMember {
  /** The name by which the cluster lists the node: 1 to 255 bytes. */
  readonly node: string;
  /** `engine/incarnation.ts`. */
  readonly incarnation: number;
}

/** In force from a record on, until the next one. */
export interface LoggedMembers {
  /** They grant, lease and count for QUORUM. At least one; sorted by node, each once. */
  readonly voters: readonly LoggedMember[];
  /** They take the log and count for nothing. Sorted by node, each once. */
  readonly learners: readonly LoggedMember[];
  /** How many voters' disks make a record QUORUM, the master's own included. */
  readonly quorum: number;
}

/** Throws `RangeError` if there are no voters or too many members. */
export function encodeMembers({ voters, learners, quorum }: LoggedMembers): Buffer {
  if (voters.length === 0 || Math.max(voters.length, learners.length) > MEMBERS_MAX)
    throw new RangeError(
      `${voters.length} voters and ${learners.length} learners: expected 1 to ${MEMBERS_MAX}`,
    );
  const blocks = [encodeBlock(VOTERS, Buffer.of(quorum), rows(voters))];
  if (learners.length > 0) blocks.push(encodeBlock(LEARNERS, rows(learners)));
  return Buffer.concat([Buffer.of(MEMBERS_VERSION), ...blocks]);
}

function rows(members: readonly LoggedMember[]): Uint8Array {
  const writer = new RowWriter();
  for (const { node, incarnation } of members) {
    writer.uint64(incarnation);
    writer.text(node);
  }
  return writer.take();
}

/** Decodes `bytes[from, to)`. Throws `BlockError`. */
export function decodeMembers(bytes: Buffer, from: number, to: number): LoggedMembers {
  if (from === to) throw new BlockError(from, 'the member list has no version');
  const version = bytes[from] as number;
  if (version !== MEMBERS_VERSION)
    throw new BlockError(from, `unknown version ${version} of the member list`, version > MEMBERS_VERSION);
  const blocks = readBlocks(bytes, from + 1, to, [VOTERS, LEARNERS]);
  const stated = blocks.get(VOTERS);
  if (stated === undefined || stated.from === stated.to)
    throw new BlockError(from, 'the member list has no voters');
  const quorum = bytes[stated.from] as number;
  const voters = readRows(bytes, stated.from + 1, stated.to);
  if (quorum === 0 || quorum > voters.length)
    throw new BlockError(stated.from, `a quorum of ${quorum} of ${voters.length} voters`);
  const others = blocks.get(LEARNERS);
  return { voters, learners: others === undefined ? [] : readRows(bytes, others.from, others.to), quorum };
}

function readRows(bytes: Buffer, from: number, to: number): LoggedMember[] {
  const reader = new RowReader(bytes, from, to);
  const members: LoggedMember[] = [];
  if (reader.isAtEnd) throw new BlockError(from, 'a list of members is empty');
  while (!reader.isAtEnd) {
    const { at } = reader;
    const incarnation = reader.uint64();
    const node = reader.text();
    if (node === '' || node <= (members.at(-1)?.node ?? ''))
      throw new BlockError(at, 'members do not ascend by name');
    members.push({ node, incarnation });
  }
  return members;
}

const HASHED_AS_MEMBERS = 5;

export function createMemberList(): StatedPart<LoggedMembers> {
  return new StatedPart(HASHED_AS_MEMBERS, encodeMembers);
}
