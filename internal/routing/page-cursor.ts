/**
 * The cursor of Scan and DeletePrefix over a cluster, as text:
 *
 *     GROUP@NODE/EPOCH/PREFIX/CURSOR    GROUP@/EPOCH/PREFIX-MARK/
 *
 * the id of the group that goes on, the address of the node that gave CURSOR, the epoch of the map of
 * the first page, the number of the prefix of several, and the cursor of that node. Without a node the
 * group is about to begin: then MARK is the CRC of the prefixes, which the cursor of a node has itself.
 * Gateways of before gave none. Pure.
 */
import { isGroupId } from '#cluster/names.ts';
import { invalidArgument } from '#model/errors.ts';
import { crc32 } from '#platform/crc32.ts';

export interface PageCursor {
  readonly group: string;
  /** `host:port`; empty: any node of the group. */
  readonly address: string;
  readonly epoch: number;
  readonly prefix: number;
  /** Empty: the group begins. */
  readonly cursor: string;
}

const encoder = new TextEncoder();

/** `prefixes`: those of the scan. */
export function formatCursor(
  { group, address, epoch, prefix, cursor }: PageCursor,
  prefixes: readonly string[],
): string {
  const mark = address === '' ? `-${markOf(prefixes)}` : '';
  return `${group}@${address}/${epoch}/${prefix}${mark}/${cursor}`;
}

/** Throws `invalid_argument` for another text, and for the cursor of a scan of other prefixes. */
export function parseCursor(text: string, prefixes: readonly string[]): PageCursor {
  const match = /^([^@/]+)@([^/]*)\/(\d{1,15})\/(\d{1,6})(?:-([0-9a-f]{1,8}))?\/(.*)$/s.exec(text);
  const [, group = '', address = '', epoch, prefix, mark, cursor = ''] = match ?? [];
  if (match === null || !isGroupId(group))
    throw invalidArgument(
      'cursor is malformed: expected the next_cursor of an earlier answer of this cluster',
    );
  if (prefixes[Number(prefix)] === undefined || (mark !== undefined && mark !== markOf(prefixes)))
    throw invalidArgument('cursor is of a scan of other prefixes: start over without one');
  return { group, address, epoch: Number(epoch), prefix: Number(prefix), cursor };
}

/** The CRC of all of them, which JSON keeps apart. */
function markOf(prefixes: readonly string[]): string {
  return crc32(encoder.encode(JSON.stringify(prefixes))).toString(16);
}
