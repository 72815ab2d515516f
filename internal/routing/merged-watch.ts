/**
 * A watch of a cluster: one of each group, side by side, told as one. The order is that of each
 * group's log; between groups there is none. A group whose watch breaks is watched again from its
 * place while the others go on. A record that is told in several messages is told whole before
 * another group goes on.
 */
import { isOfOneSlot } from '#cluster/slot-hash.ts';
import { checkCaller, invalidArgument, WalnutError } from '#model/errors.ts';
import { type GroupPlace, NO_LSN, NO_POSITION } from '#model/position.ts';
import type { WatchCommand, WatchMessage } from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import { Arrivals } from '#routing/arrivals.ts';
import type { GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import { groupWatch } from '#routing/group-watch.ts';
import type { Groups } from '#routing/groups.ts';
import { groupsOfPrefix } from '#routing/prefix-groups.ts';

export interface MergedWatchOptions {
  readonly groups: Groups;
  readonly clock: Clock;
  readonly readFrom: ReadPolicy;
  /** See `CallWish`. */
  readonly user?: string | undefined;
}

/** The watch of one group. */
interface Source {
  readonly group: string;
  readonly messages: AsyncIterator<WatchMessage>;
  place: GroupPlace;
  isInitialDone: boolean;
  canResume: boolean;
}

export async function* mergedWatch(
  options: MergedWatchOptions,
  command: WatchCommand,
  signal: AbortSignal,
): AsyncGenerator<WatchMessage> {
  const over = new AbortController();
  const end = (): void => over.abort();
  signal.addEventListener('abort', end, { once: true });
  await options.groups.learnEpochOf(command.after);
  const watched = await watchedGroups(options, command, over.signal);
  checkPlaces(options.groups, command, watched);
  checkAfter(options.groups, command, watched);
  const sources = watched.map((group) => open(options, group, command, over.signal));
  try {
    yield* mergeAll(sources, command.isInitial, signal);
  } catch (error) {
    checkCaller(signal);
    throw withPlaces(error, sources);
  } finally {
    signal.removeEventListener('abort', end);
    over.abort();
    // What is asked for ends by the signal; nobody waits for it any more.
    for (const { messages } of sources) messages.return?.().catch(() => undefined);
  }
}

/** Rejects with `unavailable` while there is no map. */
async function watchedGroups(
  { groups, clock, readFrom }: MergedWatchOptions,
  { target }: WatchCommand,
  signal: AbortSignal,
): Promise<readonly GroupCalls[]> {
  if (target.kind === 'key') return [groups.ofKey(target.key)];
  return groupsOfPrefix(target.prefix, { groups, clock, target: readFrom, signal });
}

/**
 * Throws `invalid_argument` unless each group has a place: one that has none would begin from now on,
 * and miss changes. Places of groups that own no slot of the prefix count for nothing: gateways of before
 * watched all groups.
 */
function checkPlaces(
  groups: Groups,
  { places, target }: WatchCommand,
  watchedGroups: readonly GroupCalls[],
): void {
  if (places === undefined) return;
  const watched = watchedGroups.map(({ id }) => id);
  const named = places.map(({ group }) => group);
  const isOfOne = target.kind === 'prefix' && isOfOneSlot(target.prefix);
  const counts = (id: string): boolean => watched.includes(id) || !(isOfOne || groups.has(id));
  const heeded = named.filter(counts);
  if (idsOf(heeded) === idsOf(watched)) return;
  const why = `resume is of the groups ${idsOf(named)}, and this watch of ${idsOf(watched)}: begin again without resume`;
  throw invalidArgument(why);
}

/** Throws `invalid_argument` for a position of another group, or of one of several: the others would begin from now on. */
function checkAfter(groups: Groups, { after }: WatchCommand, watched: readonly GroupCalls[]): void {
  if (after === undefined || after.lsn === NO_LSN) return;
  const ids = idsOf(watched.map(({ id }) => id));
  const owner = groups.ofPosition(after);
  if (watched.length === 1 && (owner === undefined || owner === watched[0])) return;
  const whose = watched.length > 1 ? 'one group' : `group ${owner?.id}`;
  throw invalidArgument(
    `after is a position of ${whose}, as the resume of a node is, and this watch is of ${ids}: begin with the resume of a watch here, with since_ms, or with the first record`,
  );
}

function idsOf(ids: readonly string[]): string {
  return [...ids].sort().join(', ');
}

function open(
  { groups, clock, readFrom, user }: MergedWatchOptions,
  group: GroupCalls,
  command: WatchCommand,
  signal: AbortSignal,
): Source {
  const { id } = group;
  const place = command.places?.find((one) => one.group === id);
  const own = groups.positionFor(group, command.after);
  const { places: _, ...each } = { ...command, after: place?.position ?? own };
  return {
    group: id,
    messages: groupWatch(group, { readFrom, clock, user }, each, signal)[Symbol.asyncIterator](),
    place: place ?? { group: id, position: own ?? NO_POSITION },
    isInitialDone: !command.isInitial,
    canResume: false,
  };
}

async function* mergeAll(
  sources: readonly Source[],
  isInitial: boolean,
  signal: AbortSignal,
): AsyncGenerator<WatchMessage> {
  const arrivals = new Arrivals<Source, WatchMessage>();
  yield await firstOf(arrivals, sources, isInitial);
  for (const source of sources) arrivals.ask(source);
  /** The group whose record goes on, which no other one may interrupt. */
  let only: Source | undefined;
  let isInitialTold = !isInitial;
  while (!signal.aborted) {
    const { source, message } = await arrivals.take(only);
    if (message === undefined) return;
    note(source, message);
    only = message.isFragment ? source : undefined;
    const isInitialDone = !isInitialTold && sources.every((one) => one.isInitialDone);
    if (isInitialDone) isInitialTold = true;
    yield merged(sources, inGroup(source, message), isInitialDone);
    arrivals.ask(source);
  }
}

/** Every group is watched once this is told, so that no change after it is missed. */
async function firstOf(
  arrivals: Arrivals<Source, WatchMessage>,
  sources: readonly Source[],
  isInitial: boolean,
): Promise<WatchMessage> {
  const messages: WatchMessage[] = [];
  for (const { source, message } of await arrivals.firsts(sources)) {
    if (message === undefined)
      throw new WalnutError('unavailable', `the watch of group ${source.group} ended`);
    note(source, message);
    messages.push(inGroup(source, message));
  }
  const one = messages[0] as WatchMessage;
  const events = messages.flatMap((each) => each.events);
  return merged(sources, { ...one, events, isFragment: false }, !isInitial && one.isInitialDone);
}

function note(source: Source, { position, canResume, isInitialDone }: WatchMessage): void {
  source.canResume = canResume;
  if (canResume) source.place = { group: source.group, position };
  if (isInitialDone) source.isInitialDone = true;
}

/** Nobody has to ask whose the position is. */
function inGroup({ group }: Source, message: WatchMessage): WatchMessage {
  const { position } = message;
  return position.lsn === 0 ? message : { ...message, position: { ...position, group } };
}

function merged(sources: readonly Source[], message: WatchMessage, isInitialDone: boolean): WatchMessage {
  const canResume = sources.every((one) => one.canResume && one.isInitialDone);
  return { ...message, places: sources.map(({ place }) => place), canResume, isInitialDone };
}

/** Where the watch goes on, unless the entries that were there first are not all told. */
function withPlaces(error: unknown, sources: readonly Source[]): unknown {
  if (!(error instanceof WalnutError)) return error;
  const { resumeAfter: _, ...details } = error.details;
  if (error.details.resumeAfter === undefined || !sources.every((one) => one.isInitialDone))
    return new WalnutError(error.code, error.message, details);
  const resumePlaces = sources.map(({ place }) => place);
  return new WalnutError(error.code, error.message, { ...details, resumePlaces });
}
