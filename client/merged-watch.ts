/**
 * A watch of a cluster: one of each group, side by side, told as one. Changes of a group come in
 * the order of its log; between groups there is no order. Each group goes on by itself where its
 * watch breaks (`resuming-watch.ts`), and `resume` has the place of every group.
 */
import { isOfOneSlot } from '#cluster/slot-hash.ts';
import type { WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { shown } from '#platform/shown.ts';
import { Arrivals } from '#routing/arrivals.ts';
import { invalid } from './failures.ts';
import type { Keys } from './keys.ts';
import type { WatchOptions, WatchTarget } from './watch.ts';

/** A group whose keys are watched. */
export interface WatchedGroup {
  readonly id: string;
  readonly keys: Pick<Keys, 'watch'>;
}

interface Source {
  readonly group: string;
  readonly messages: AsyncIterator<WatchResponse>;
  /** Empty: it cannot go on from where it is. */
  resume: string;
  isInitialDone: boolean;
}

/** What `resume` begins with: its version. Group ids and the texts of nodes have no dots. */
const VERSION = 'c1';

/** `groups`: asks for those of the newest map, once there is one; for a key for the one that owns it. */
export async function* mergedWatch(
  groups: () => Promise<readonly WatchedGroup[]>,
  what: WatchTarget,
  options: WatchOptions,
): AsyncGenerator<WatchResponse> {
  const { signal } = options;
  if (signal?.aborted === true) return;
  const watched = await groups().catch((error: unknown) => {
    if (signal?.aborted === true) return undefined;
    throw error;
  });
  if (watched === undefined) return;
  const [only] = watched;
  if ('key' in what && only !== undefined) return yield* only.keys.watch(what, options);
  const over = new AbortController();
  const ends = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const places = placesOf(what, options, watched);
  const sources = watched.map((group) => open(group, what, { ...options, signal: ends }, places));
  try {
    yield* merge(sources, options.initial === true);
  } finally {
    over.abort();
  }
}

function open(
  { id, keys }: WatchedGroup,
  what: WatchTarget,
  options: WatchOptions,
  places: ReadonlyMap<string, string> | undefined,
): Source {
  const resume = places?.get(id) ?? '';
  const from =
    resume === '' ? { case: undefined, value: undefined } : { case: 'resume' as const, value: resume };
  const own = places === undefined ? options : { ...options, from };
  return {
    group: id,
    messages: keys.watch(what, own)[Symbol.asyncIterator](),
    resume,
    isInitialDone: options.initial !== true,
  };
}

async function* merge(sources: readonly Source[], isInitial: boolean): AsyncGenerator<WatchResponse> {
  const arrivals = new Arrivals<Source, WatchResponse>();
  let isInitialTold = !isInitial;
  const note = (source: Source, message: WatchResponse): void => {
    source.resume = message.resume;
    source.isInitialDone ||= message.initialDone;
  };
  const merged = (message: WatchResponse): WatchResponse => {
    const initialDone = !isInitialTold && sources.every((one) => one.isInitialDone);
    isInitialTold ||= initialDone;
    return { ...message, initialDone, resume: resumeOf(sources) };
  };
  // The first message says that every group is watched, so that no change after it is missed.
  const messages: WatchResponse[] = [];
  for (const { source, message } of await arrivals.firsts(sources)) {
    if (message === undefined) return;
    note(source, message);
    messages.push(message);
  }
  const [first] = messages;
  if (first === undefined) return;
  yield merged({ ...first, events: messages.flatMap(({ events }) => events) });
  for (const source of sources) arrivals.ask(source);
  for (;;) {
    const { source, message } = await arrivals.take();
    if (message === undefined) return;
    note(source, message);
    yield merged(message);
    arrivals.ask(source);
  }
}

/** Empty while one group cannot go on from where it is. */
function resumeOf(sources: readonly Source[]): string {
  if (!sources.every(({ resume, isInitialDone }) => resume !== '' && isInitialDone)) return '';
  return [VERSION, ...sources.flatMap(({ group, resume }) => [group, resume])].join('.');
}

/** The place from which each group goes on; undefined: that of the options, which is the same for all. */
function placesOf(
  what: WatchTarget,
  { from }: WatchOptions,
  groups: readonly WatchedGroup[],
): ReadonlyMap<string, string> | undefined {
  if (from?.case === 'after' && groups.length > 1)
    throw invalid('from.after is a position of one group, and a prefix is of all: expected from.resume');
  if (from?.case !== 'resume') return undefined;
  const [version, ...parts] = from.value.split('.');
  if (version !== VERSION || parts.length % 2 !== 0 || parts.includes(''))
    throw invalid(
      `from.resume is ${shown(from.value)}: expected that of a message of a watch of a prefix by a client of the cluster`,
    );
  const named = parts.filter((_, i) => i % 2 === 0);
  const watched = groups.map(({ id }) => id);
  // Clients of before watched all groups for a prefix of one slot.
  const isOfOne = 'prefix' in what && isOfOneSlot(what.prefix);
  const heeded = isOfOne ? named.filter((id) => watched.includes(id)) : named;
  // A group without a place would begin from now on, and miss changes.
  if (idsOf(heeded) !== idsOf(watched))
    throw invalid(
      `from.resume is of the groups ${idsOf(named) || 'none'}, and this watch of ${idsOf(watched)}: begin again without from`,
    );
  return new Map(parts.flatMap((id, i) => (i % 2 === 0 ? [[id, parts[i + 1] as string] as const] : [])));
}

function idsOf(ids: readonly string[]): string {
  return [...ids].sort().join(', ');
}
