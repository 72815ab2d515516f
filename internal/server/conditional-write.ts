/**
 * Writes under preconditions of HTTP, by the conditions that a node knows: one
 * version, present, absent. A list of tags takes several tries, each of them
 * atomic: the first returns the present version, and the next is applied only to
 * that version.
 */

import type { Awaitable } from '#model/awaitable.ts';
import type { Condition, WriteAnswer } from '#model/commands.ts';
import { invalidArgument, unavailable, WalnutError } from '#model/errors.ts';
import { formatPosition, NO_POSITION, type Position, parsePosition } from '#model/position.ts';
import type { WriteId } from '#model/write-id.ts';
import { type EntityTag, isMatch, isNoneMatch, type Preconditions } from '#server/entity-tags.ts';

type VersionCondition = Extract<Condition, { kind: 'version' }>;

/** No entry has it: a write under this condition only asks what there is. */
const NEVER: VersionCondition = { kind: 'version', version: NO_POSITION };
/** Each further one is owed to another writer of the same key. */
const TRIES_MAX = 16;

/** Throws `invalid_argument` where a write with a name would take more than one try. */
export function checkNamedOnce(preconditions: Preconditions, id: WriteId | undefined): void {
  if (id === undefined || conditionOf(preconditions) !== 'several') return;
  throw invalidArgument(
    'request_id goes with one condition: expected * or one version in If-Match, or If-None-Match: *',
  );
}

/** True if `writeWhere` calls `write` once, whatever the outcome. */
export function takesOneTry(preconditions: Preconditions): boolean {
  return conditionOf(preconditions) !== 'several';
}

/**
 * A result that is not applied means that `current` does not meet the preconditions. Throws
 * `unavailable` if the key changes too fast, and `permission_denied` where several tries
 * are needed and the caller may not read, because each reads the version for the next.
 */
export async function writeWhere<Answer extends WriteAnswer>(
  preconditions: Preconditions,
  mayRead: boolean,
  write: (condition: Condition | undefined) => Awaitable<Answer>,
): Promise<Answer> {
  const only = conditionOf(preconditions);
  if (only !== 'several') return write(only);
  if (!mayRead) throw permissionDenied();
  let condition = firstGuess(preconditions);
  for (let i = 0; i < TRIES_MAX; i++) {
    const answer = await write(condition);
    const version = answer.current?.version;
    if (answer.applied || !isMet(preconditions, version)) return answer;
    condition = version === undefined ? { kind: 'absent' } : { kind: 'version', version };
  }
  throw unavailable(`other writers changed the key ${TRIES_MAX} times meanwhile: try again`);
}

function permissionDenied(): WalnutError {
  const message =
    'you may write this key and not read it: expected * or one version in If-Match, or If-None-Match: *';
  return new WalnutError('permission_denied', message, { nothingDone: true });
}

function isMet(preconditions: Preconditions, version: Position | undefined): boolean {
  return isMatch(preconditions, version) && isNoneMatch(preconditions, version);
}

/** The one condition that says the same, where there is one. */
function conditionOf({ ifMatch, ifNoneMatch }: Preconditions): Condition | undefined | 'several' {
  if (ifMatch !== undefined && ifNoneMatch !== undefined) return 'several';
  if (ifNoneMatch !== undefined) return ifNoneMatch === '*' ? { kind: 'absent' } : 'several';
  if (ifMatch === undefined) return undefined;
  if (ifMatch === '*') return { kind: 'present' };
  const [tag, ...more] = ifMatch;
  return tag !== undefined && more.length === 0 ? versionOf(tag) : 'several';
}

/** A condition that is met only if the preconditions are. */
function firstGuess(preconditions: Preconditions): Condition {
  const { ifMatch } = preconditions;
  if (ifMatch === undefined) return { kind: 'absent' };
  const conditions = ifMatch === '*' ? [] : ifMatch.map(versionOf);
  return conditions.find((each) => isMet(preconditions, each.version)) ?? NEVER;
}

/** A weak tag, or one that is no version, names no entry. */
function versionOf({ isWeak, opaque }: EntityTag): VersionCondition {
  const version = isWeak ? undefined : parsePosition(opaque);
  return version === undefined || formatPosition(version) !== opaque ? NEVER : { kind: 'version', version };
}
