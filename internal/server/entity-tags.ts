/**
 * Preconditions of HTTP: If-Match and If-None-Match with `*`, lists and weak
 * tags, compared as RFC 9110 says (8.8.3.2, 13.1). An entity tag of Walnut is a
 * version, and strong. Pure; a header that is no list of tags throws
 * `invalid_argument`.
 */
import { invalidArgument } from '#model/errors.ts';
import { formatPosition, type Position } from '#model/position.ts';

export interface EntityTag {
  readonly isWeak: boolean;
  /** The tag without its quotes. */
  readonly opaque: string;
}

type EntityTags = '*' | readonly EntityTag[];

export interface Preconditions {
  readonly ifMatch: EntityTags | undefined;
  readonly ifNoneMatch: EntityTags | undefined;
}

/** The header values that preconditions are read from. */
export interface ConditionHeaders {
  readonly 'if-match'?: string | undefined;
  readonly 'if-none-match'?: string | undefined;
  readonly 'if-unmodified-since'?: string | undefined;
}

export function etagOf(version: Position): string {
  return `"${formatPosition(version)}"`;
}

export function readPreconditions(headers: ConditionHeaders): Preconditions {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  return {
    ifMatch: ifMatch === undefined ? undefined : parseEntityTags(ifMatch, 'If-Match'),
    ifNoneMatch: ifNoneMatch === undefined ? undefined : parseEntityTags(ifNoneMatch, 'If-None-Match'),
  };
}

/**
 * Like `readPreconditions`, for a write: a date is too coarse for one, since an entry may
 * change several times in a second.
 */
export function readWriteConditions(headers: ConditionHeaders): Preconditions {
  if (headers['if-unmodified-since'] !== undefined && headers['if-match'] === undefined)
    throw invalidArgument('If-Unmodified-Since does not go with writes: expected If-Match with the ETag');
  return readPreconditions(headers);
}

/** If-Match, by the strong comparison. `version`: undefined where there is no entry. */
export function isMatch({ ifMatch }: Preconditions, version: Position | undefined): boolean {
  if (ifMatch === undefined) return true;
  if (version === undefined) return false;
  if (ifMatch === '*') return true;
  const opaque = formatPosition(version);
  return ifMatch.some((tag) => !tag.isWeak && tag.opaque === opaque);
}

/** If-None-Match, by the weak comparison. */
export function isNoneMatch({ ifNoneMatch }: Preconditions, version: Position | undefined): boolean {
  if (ifNoneMatch === undefined || version === undefined) return true;
  if (ifNoneMatch === '*') return false;
  const opaque = formatPosition(version);
  return !ifNoneMatch.some((tag) => tag.opaque === opaque);
}

/** If-Range, by the strong comparison. A date is of no version, since an entry changes more than once a second. */
export function isRangeOf(ifRange: string | string[] | undefined, version: Position): boolean {
  return ifRange === undefined || String(ifRange).trim() === etagOf(version);
}

/** One element of a list: nothing, or a tag, up to the comma behind it. */
const ELEMENT = /[ \t]*(?:(W\/)?"([\x21\x23-\x7e\x80-\xff]*)")?[ \t]*(?:,|$)/y;

export function parseEntityTags(header: string, name: string): EntityTags {
  if (header.trim() === '*') return '*';
  const tags: EntityTag[] = [];
  for (let at = 0; at < header.length; ) {
    ELEMENT.lastIndex = at;
    const element = ELEMENT.exec(header);
    if (element === null) throw badList(name);
    const [whole, weak, opaque] = element;
    if (opaque !== undefined) tags.push({ isWeak: weak !== undefined, opaque });
    at += whole.length;
  }
  if (tags.length === 0) throw badList(name);
  return tags;
}

function badList(name: string): Error {
  return invalidArgument(
    `${name}: expected * or quoted versions as in the ETag, with commas between them, such as "4294967297-12"`,
  );
}
