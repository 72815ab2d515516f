/**
 * Scan and DeletePrefix over a cluster: one group after the other, in the order of their ids, but
 * only the owner of the slot where the one prefix has a whole tag. A page is of one group, and all
 * pages of it are of one node, since a cursor means nothing to another.
 */
import type { DeletePrefixAnswer, DeletePrefixCommand, ScanAnswer, ScanCommand } from '#model/commands.ts';
import { invalidArgument, unavailable } from '#model/errors.ts';
import { SCAN_LIMIT_DEFAULT } from '#model/limits.ts';
import { NO_POSITION } from '#model/position.ts';
import type { CallerOptions } from '#routing/call-positions.ts';
import type { CallKind, GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import { formatCursor, type PageCursor, parseCursor } from '#routing/page-cursor.ts';
import { groupsOfPrefix } from '#routing/prefix-groups.ts';
import { OPERATION_BYTES } from '#routing/split-batch.ts';

/** A page with more bytes of values does not go on with another group. */
const PAGE_BYTES = 1_024 * 1_024;

export class PagedKeys {
  readonly #options: CallerOptions;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /** A page goes on with the next group where the one before is told to its end and the page has room. */
  async scan(command: ScanCommand, signal?: AbortSignal): Promise<ScanAnswer> {
    const prefixes = command.among ?? [command.prefix];
    if (prefixes.length === 0)
      return { entries: [], nextCursor: '', asOf: NO_POSITION, stalenessMs: 0, count: 0 };
    let page: ScanAnswer | undefined;
    let bytes = 0;
    do {
      const cursor = page?.nextCursor ?? command.cursor;
      const own = { ...command, cursor, limit: limitLeft(command, page) };
      const more = await this.#scanOne(own, prefixes, signal);
      bytes += more.entries.reduce((sum, { value }) => sum + value.length, 0);
      page = page === undefined ? more : joined(page, more);
    } while (page.nextCursor.endsWith('/') && limitLeft(command, page) >= 0 && bytes < PAGE_BYTES);
    return page;
  }

  /** A page of one group. */
  async #scanOne(
    command: ScanCommand,
    prefixes: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ScanAnswer> {
    const { positions } = this.#options;
    // A page cannot ask for a position: of what a session has seen, the master has most.
    const target = positions.hasSeen ? 'master' : this.#options.readFrom;
    const at = await this.#begin(command.cursor, prefixes, target, signal);
    const group = this.#groupOf(at, target);
    const prefix = prefixes[at.prefix] ?? '';
    const { among: _, ...page } = { ...command, prefix, cursor: at.cursor };
    let { address } = at;
    const kind = { ...this.#kindOf(target, true, at, prefix), signal };
    const answer = await group.run(kind, ({ link, address: asked, ...limits }) => {
      address = asked;
      return link.scan(page, limits);
    });
    await positions.checkPage(group, answer.asOf);
    const asOf = group.told(answer.asOf);
    const nextCursor = this.#next({ ...at, address }, answer.nextCursor, prefixes);
    return { ...answer, asOf, asOfAll: [asOf], nextCursor };
  }

  /** Without a name: a page whose answer was lost is not asked for again. */
  async deletePrefix(command: DeletePrefixCommand, signal?: AbortSignal): Promise<DeletePrefixAnswer> {
    const { prefix, cursor } = command;
    const at = await this.#begin(cursor, [prefix], 'master', signal);
    const group = this.#groupOf(at, 'master');
    let { address } = at;
    const kind = { ...this.#kindOf('master', false, at, prefix), waitMs: command.timeoutMs, signal };
    const answer = await group.run(kind, ({ link, address: asked, ...limits }) => {
      address = asked;
      return link.deletePrefix({ ...command, cursor: at.cursor }, limits);
    });
    const position = group.told(answer.position);
    return { ...answer, position, nextCursor: this.#next({ ...at, address }, answer.nextCursor, [prefix]) };
  }

  /** Rejects with `unavailable` while there is no map, or no group says that it owns what is asked for. */
  async #begin(
    cursor: string,
    prefixes: readonly string[],
    target: ReadPolicy,
    signal: AbortSignal | undefined,
  ): Promise<PageCursor> {
    const { groups, clock } = this.#options;
    if (cursor !== '') {
      const at = parseCursor(cursor, prefixes);
      await groups.whenHeard(at.epoch);
      return at;
    }
    const [first] = await groupsOfPrefix(onlyOf(prefixes), { groups, clock, target, signal });
    if (first === undefined) throw unavailable('the map of the cluster has no group');
    return { group: first.id, prefix: 0, address: '', epoch: groups.cache.map?.epoch ?? 0, cursor: '' };
  }

  /** Each group with the number of each prefix, in the order of pages. */
  *#walk(prefixes: readonly string[]): Generator<Pick<PageCursor, 'group' | 'prefix'>> {
    for (const { id } of this.#options.groups.ofPrefix(onlyOf(prefixes)))
      for (const prefix of prefixes.keys()) yield { group: id, prefix };
  }

  /** Throws `invalid_argument` where the node of the cursor may not be asked, or not for this target. */
  #groupOf({ group: id, address }: PageCursor, target: ReadPolicy): GroupCalls {
    const group = this.#options.groups.ofId(id);
    if (address === '') return group;
    const isMember = group.hasNode(address);
    if (isMember && !(target === 'master' && group.isLedElsewhere(address))) return group;
    const why = isMember ? 'does not lead' : 'is no member of';
    throw invalidArgument(`cursor is of ${address}, which ${why} group ${id}: start over without one`);
  }

  #kindOf(target: ReadPolicy, isRepeatable: boolean, at: PageCursor, prefix: string): CallKind {
    // Asked before each attempt, since a failover may end what the cursor is of.
    const ask = (): string => {
      this.#groupOf(at, target);
      return at.address;
    };
    const to = at.address === '' ? undefined : ask;
    const bytes = OPERATION_BYTES + prefix.length;
    // A scan is what may be repeated, and it changes nothing.
    const { user } = this.#options;
    const rest = { waitMs: 0, bytes, signal: undefined, at: to, user };
    return { target, isRepeatable, isRead: isRepeatable, ...rest };
  }

  /** Where the next page is; empty: there is none. */
  #next(at: PageCursor, cursor: string, prefixes: readonly string[]): string {
    if (cursor !== '') return formatCursor({ ...at, cursor }, prefixes);
    for (const next of this.#walk(prefixes)) {
      const isLater = next.group > at.group || (next.group === at.group && next.prefix > at.prefix);
      if (isLater) return formatCursor({ ...at, ...next, address: '', cursor: '' }, prefixes);
    }
    return '';
  }
}

/** All groups are asked for several prefixes, and for the empty one. */
function onlyOf(prefixes: readonly string[]): string {
  return prefixes.length === 1 ? (prefixes[0] ?? '') : '';
}

/** How many more entries the page may have; -1: it is full. 0 is the node's default, or for a count no limit. */
function limitLeft({ limit, countOnly }: ScanCommand, page: ScanAnswer | undefined): number {
  if (limit === 0 && (countOnly === true || page === undefined)) return limit;
  const has = page === undefined ? 0 : (page.count ?? page.entries.length);
  return (limit || SCAN_LIMIT_DEFAULT) - has || -1;
}

function joined(one: ScanAnswer, other: ScanAnswer): ScanAnswer {
  return {
    ...other,
    entries: [...one.entries, ...other.entries],
    asOfAll: [...(one.asOfAll ?? []), ...(other.asOfAll ?? [])],
    stalenessMs: Math.max(one.stalenessMs, other.stalenessMs),
    ...(other.count === undefined ? {} : { count: other.count + (one.count ?? 0) }),
  };
}
