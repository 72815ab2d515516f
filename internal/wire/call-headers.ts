/**
 * Headers that say something of all that a call does with keys, and of its answer:
 *
 *     x-walnut-positions     GROUP=EPOCH-LSN,GROUP=EPOCH-LSN,…  what a session has seen, both ways
 *     x-walnut-read-from     master, replica or nearest
 *     x-walnut-on-behalf-of  the user for whom a gateway calls a node
 *
 * Pure; a text that is none of these throws `invalid_argument`.
 */
import { GROUP_ID_FORM, isGroupId } from '#cluster/names.ts';
import { invalidArgument } from '#model/errors.ts';
import { formatPosition, type Position, parsePosition } from '#model/position.ts';
import { OF_GROUP_MAX, type Seen } from '#model/seen.ts';
import { type CallWish, READ_POLICIES } from '#model/wish.ts';
import { shown } from '#platform/shown.ts';

export const POSITIONS_HEADER = 'x-walnut-positions';
export const READ_FROM_HEADER = 'x-walnut-read-from';
export const ON_BEHALF_OF_HEADER = 'x-walnut-on-behalf-of';

/** Groups that one header may name. An answer leaves out what was seen longest ago where there would be more. */
export const GROUPS_MAX = 250;
/** An answer leaves out what was seen longest ago where it would be longer. */
export const POSITIONS_CHARACTERS_MAX = 8_192;

type HeaderValue = string | readonly string[] | undefined;

/** Undefined where the caller wishes nothing, as nearly all do. */
export function readWish(positions: HeaderValue, readFrom: HeaderValue): CallWish | undefined {
  if (positions === undefined && readFrom === undefined) return undefined;
  return {
    ...(positions === undefined ? {} : { seen: parsePositions(String(positions)) }),
    ...(readFrom === undefined ? {} : { readFrom: parseReadFrom(String(readFrom)) }),
  };
}

/** Empty: the session begins. */
export function parsePositions(text: string): Seen {
  if (text.length > POSITIONS_CHARACTERS_MAX)
    throw invalidArgument(
      `${POSITIONS_HEADER} has ${text.length} characters: expected at most ${POSITIONS_CHARACTERS_MAX}`,
    );
  const trimmed = text.trim();
  const seen = trimmed === '' ? [] : trimmed.split(',').map(parseOne);
  const counts = new Map<string, number>();
  for (const { group = '' } of seen) counts.set(group, (counts.get(group) ?? 0) + 1);
  if (counts.size > GROUPS_MAX)
    throw invalidArgument(`${POSITIONS_HEADER} has ${counts.size} groups: expected at most ${GROUPS_MAX}`);
  for (const [group, count] of counts)
    if (count > OF_GROUP_MAX)
      throw invalidArgument(
        `${POSITIONS_HEADER} has ${count} positions of group ${group}: expected at most ${OF_GROUP_MAX}`,
      );
  return seen;
}

export function formatPositions(seen: Seen): string {
  return newestParts(seen, (position) => `${position.group}=${formatPosition(position)}`, ',');
}

/** A text of parts in their order, the newest last, as many as one header may have: what was seen longest ago is left out. */
export function newestParts<P extends { readonly group?: string | undefined }>(
  seen: readonly P[],
  partOf: (position: P) => string,
  between: string,
): string {
  const parts: string[] = [];
  const groups = new Set<string | undefined>();
  let characters = 0;
  for (const position of seen.toReversed()) {
    const part = partOf(position);
    characters += part.length + between.length;
    groups.add(position.group);
    if (characters > POSITIONS_CHARACTERS_MAX || groups.size > GROUPS_MAX) break;
    parts.push(part);
  }
  return parts.reverse().join(between);
}

function parseOne(text: string): Position {
  const part = text.trim();
  const at = part.indexOf('=');
  const group = part.slice(0, Math.max(0, at));
  const position = parsePosition(part.slice(at + 1));
  if (isGroupId(group) && position !== undefined && position.lsn > 0) return { ...position, group };
  throw invalidArgument(
    `${POSITIONS_HEADER} has ${shown(part)}: expected what an answer had there, such as g1=4294967297-12,g2=4294967298-7; a group has ${GROUP_ID_FORM}`,
  );
}

function parseReadFrom(text: string): NonNullable<CallWish['readFrom']> {
  const policy = READ_POLICIES.find((each) => each === text);
  if (policy !== undefined) return policy;
  throw invalidArgument(`${READ_FROM_HEADER} is ${shown(text)}: expected ${READ_POLICIES.join(', ')}`);
}
