/** What a caller asks by headers of everything that its call does with keys. */
import type { Seen } from '#model/seen.ts';

/** Which nodes of a group answer reads. */
export const READ_POLICIES = ['master', 'replica', 'nearest'] as const;

export interface CallWish {
  /** What the caller's session has seen; undefined: it has none and wants none. */
  readonly seen?: Seen | undefined;
  /** Undefined: as the gateway is configured. */
  readonly readFrom?: (typeof READ_POLICIES)[number] | undefined;
  /** The user for whom a gateway asks, which it tells the nodes; undefined: nobody is known. */
  readonly user?: string | undefined;
}

/** True if the caller itself wishes nothing: only the nodes are to be told who it is. */
export function isOnlyUser({ seen, readFrom }: CallWish): boolean {
  return seen === undefined && readFrom === undefined;
}
