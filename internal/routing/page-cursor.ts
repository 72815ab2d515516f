/**
 * The cursor of Scan and DeletePrefix over a cluster, as text:
 *
 *     GROUP@NODE/EPOCH/PREFIX/CURSOR
 *
 * the id of the group that goes on, the address of the node that gave CURSOR (empty: the group
 * is about to begin), the epoch of the map of the first page, the number of the prefix of several,
 * and the cursor of that node. Pure.
 */
import { isGroupId } from '#cluster/names.ts';
import { invalidArgument } from '#model/errors.ts';

export interface PageCursor {
  readonly group: string;
  /** `host:port`; empty: any node of the group. */
  readonly address: string;
  readonly epoch: number;
  readonly prefix: number;
  /** Empty: the group begins. */
  readonly cursor: string;
}

export function formatCursor({ group, address, epoch, prefix, cursor }: PageCursor): string {
  return `${group}@${address}/${epoch}/${prefix}/${cursor}`;
}

/** Throws `invalid_argument` for another text. */
export function parseCursor(text: string): PageCursor {
  const match = /^([^@/]+)@([^/]*)\/(\d{1,15})\/(\d{1,6})\/(.*)$/s.exec(text);
  const [, group = '', address = '', epoch, prefix, cursor = ''] = match ?? [];
  if (match !== null && isGroupId(group))
    return { group, address, epoch: Number(epoch), prefix: Number(prefix), cursor };
  throw invalidArgument('cursor is malformed: expected the next_cursor of an earlier answer of this cluster');
}
