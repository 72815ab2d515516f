/**
 * A watch of a cluster: one of each group, side by side, told as one. The order is that of each
 * group's log; between groups there is none. A group whose watch breaks is watched again from its
 * place while the others go on. A record that is told in several messages is told whole before
 * another group goes on.
 */
import { checkCaller, invalidArgument, WalnutError } from '#model/errors.ts';
import { NO_POSITION } from '#model/position.ts';
import type { GroupPlace, WatchCommand, WatchMessage } from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import type { GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import { groupWatch } from '#routing/group-watch.ts';
import type { Groups } from '#routing/groups.ts';

export interface MergedWatchOptions {
  readonly groups: Groups;
  readonly clock: Clock;
  readonly readFrom: ReadPolicy;
  /** See `CallWish`. */
  readonly user?: string | undefined;
}

/** The watch of one group, of which one message is asked for at a time. */
interface Source {
  readonly group: string;
  readonly messages: AsyncIterator<WatchMessage>;
  /** The message that is asked for; undefined: none is. */
  next: Promise<Arrival> | undefined;
  place: GroupPlace;
  isInitialDone: boolean;
  canResume: boolean;
}

interface Arrival {
  readonly source: Source;
  readonly result: IteratorResult<WatchMessage>;
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
  const watched = watchedGroups(options, command);
  checkPlaces(command, watched);
  const sources = watched.map((group) => open(options, group, command, over.signal));
  try {
    yield* mergeAll(sources, command.isInitial, signal);
  } catch (error) {
    checkCaller(signal);
    throw withPlaces(error, sources);
  } finally {
    signal.removeEventListener('abort', end);
    over.abort();
    for (const { messages, next } of sources) {
      // What is asked for ends by the signal; nobody waits for it any more.
      next?.catch(() => undefined);
      messages.return?.().catch(() => undefined);
    }
  }
}

/** A key is of one group. Throws `unavailable` while there is no map. */
function watchedGroups({ groups }: MergedWatchOptions, { target }: WatchCommand): readonly GroupCalls[] {
  if (target.kind === 'key') return [groups.ofKey(target.key)];
  groups.ofSlot(0);
  return groups.all;
}

/** Throws `invalid_argument` unless each group has a place: one that has none would begin from now on, and miss changes. */
function checkPlaces({ places }: WatchCommand, groups: readonly GroupCalls[]): void {
  if (places === undefined) return;
  const [named, watched] = [idsOf(places.map(({ group }) => group)), idsOf(groups.map(({ id }) => id))];
  if (named === watched) return;
  const why = `resume is of the groups ${named}, and this watch of ${watched}: begin again without resume`;
  throw invalidArgument(why);
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
    next: undefined,
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
  yield await firstOf(sources, isInitial);
  let among = sources;
  let isInitialTold = !isInitial;
  while (!signal.aborted) {
    const { source, result } = await Promise.race(among.map(ask));
    source.next = undefined;
    if (result.done === true) return;
    const message = result.value;
    note(source, message);
    among = message.isFragment ? [source] : sources;
    const isInitialDone = !isInitialTold && sources.every((one) => one.isInitialDone);
    if (isInitialDone) isInitialTold = true;
    yield merged(sources, message, isInitialDone);
  }
}

/** Every group is watched once this is told, so that no change after it is missed. */
async function firstOf(sources: readonly Source[], isInitial: boolean): Promise<WatchMessage> {
  const arrivals = await Promise.all(sources.map(ask));
  let first: WatchMessage | undefined;
  for (const { source, result } of arrivals) {
    source.next = undefined;
    if (result.done === true)
      throw new WalnutError('unavailable', `the watch of group ${source.group} ended`);
    note(source, result.value);
    first ??= result.value;
  }
  const one = first as WatchMessage;
  const events = arrivals.flatMap(({ result }) => (result.done === true ? [] : result.value.events));
  return merged(sources, { ...one, events, isFragment: false }, !isInitial && one.isInitialDone);
}

function ask(source: Source): Promise<Arrival> {
  source.next ??= source.messages.next().then((result) => ({ source, result }));
  return source.next;
}

function note(source: Source, { position, canResume, isInitialDone }: WatchMessage): void {
  source.canResume = canResume;
  if (canResume) source.place = { group: source.group, position };
  if (isInitialDone) source.isInitialDone = true;
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
