/**
 * Scan and DeletePrefix over a cluster: one group after the other, in the order of their ids. A
 * page is of one group, and all pages of it are of one node, since a cursor means nothing to
 * another.
 */
import type { DeletePrefixAnswer, DeletePrefixCommand, ScanAnswer, ScanCommand } from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';
import { NO_POSITION } from '#model/position.ts';
import type { CallKind, GroupCalls } from '#routing/group-calls.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { Groups } from '#routing/groups.ts';
import { formatCursor, type PageCursor, parseCursor } from '#routing/page-cursor.ts';

export interface PagedKeysOptions {
  readonly groups: Groups;
  readonly readFrom: ReadPolicy;
}

export class PagedKeys {
  readonly #options: PagedKeysOptions;

  constructor(options: PagedKeysOptions) {
    this.#options = options;
  }

  async scan(command: ScanCommand): Promise<ScanAnswer> {
    const { readFrom } = this.#options;
    const prefixes = command.among ?? [command.prefix];
    const at = this.#begin(command.cursor);
    const prefix = prefixes[at.prefix];
    const group = this.#groupOf(at);
    if (prefix === undefined)
      return { entries: [], nextCursor: '', asOf: NO_POSITION, stalenessMs: 0, count: 0 };
    const { among: _, ...page } = { ...command, prefix, cursor: at.cursor };
    let { address } = at;
    const answer = await group.run(
      kindOf(readFrom, true, at, prefix),
      ({ link, address: asked, ...limits }) => {
        address = asked;
        return link.scan(page, limits);
      },
    );
    group.observe(answer.asOf);
    return { ...answer, nextCursor: this.#next({ ...at, address }, answer.nextCursor, prefixes.length) };
  }

  /** Without a name: a page whose answer was lost is not asked for again. */
  async deletePrefix(command: DeletePrefixCommand, signal?: AbortSignal): Promise<DeletePrefixAnswer> {
    const { prefix, cursor } = command;
    const at = this.#begin(cursor);
    const group = this.#groupOf(at);
    let { address } = at;
    const kind = { ...kindOf('master', false, at, prefix), waitMs: command.timeoutMs, signal };
    const answer = await group.run(kind, ({ link, address: asked, ...limits }) => {
      address = asked;
      return link.deletePrefix({ ...command, cursor: at.cursor }, limits);
    });
    group.observe(answer.position);
    return { ...answer, nextCursor: this.#next({ ...at, address }, answer.nextCursor, 1) };
  }

  /** Throws `unavailable` while there is no map. */
  #begin(cursor: string): PageCursor {
    if (cursor !== '') return parseCursor(cursor);
    const { groups } = this.#options;
    const { id } = groups.all[0] ?? groups.ofSlot(0);
    return { group: id, address: '', epoch: groups.cache.map?.epoch ?? 0, prefix: 0, cursor: '' };
  }

  #groupOf({ group: id, address }: PageCursor): GroupCalls {
    const group = this.#options.groups.ofId(id);
    if (address === '' || group.hasNode(address)) return group;
    throw invalidArgument(
      `cursor is of ${address}, which is no member of group ${id}: start over without one`,
    );
  }

  /** Where the next page is; empty: there is none. */
  #next(at: PageCursor, cursor: string, prefixes: number): string {
    if (cursor !== '') return formatCursor({ ...at, cursor });
    if (at.prefix + 1 < prefixes)
      return formatCursor({ ...at, prefix: at.prefix + 1, address: '', cursor: '' });
    const following = this.#options.groups.all.find(({ id }) => id > at.group);
    if (following === undefined) return '';
    return formatCursor({ ...at, group: following.id, address: '', prefix: 0, cursor: '' });
  }
}

function kindOf(
  target: ReadPolicy,
  isRepeatable: boolean,
  { address }: PageCursor,
  prefix: string,
): CallKind {
  const at = address === '' ? undefined : address;
  return { target, isRepeatable, waitMs: 0, bytes: prefix.length, signal: undefined, at };
}
