/**
 * The keys as one caller sees them: the port itself, a guard around it for a caller with few
 * rights, and what the caller wishes by headers.
 */
import { GuardedKeys } from '#auth/guarded-keys.ts';
import type { KeyRights } from '#model/access.ts';
import { invalidArgument } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Seen } from '#model/seen.ts';
import type { CallWish } from '#model/wish.ts';
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';
import { NamedGroupKeys } from '#server/named-group-keys.ts';
import { SessionKeys } from '#server/session-keys.ts';
import { inParts, type RunBatch } from '#server/sliced-batch.ts';
import { formatPositions, POSITIONS_HEADER, READ_FROM_HEADER } from '#wire/call-headers.ts';
import type { ToldCaller } from '#wire/told-group.ts';

export interface KeysView {
  readonly port: KeyValuePort;
  /** `port.batch`, in parts if it is large. */
  readonly batch: RunBatch;
}

/** What of a call decides how it sees the keys. */
export interface KeysViewer extends ToldCaller {
  readonly keys: KeyRights | undefined;
  readonly wish: CallWish | undefined;
}

/** A caller without a session is told the same by a node of a cluster as one whose session begins. */
const UNASKED: CallWish = {};

export type KeysViews = (viewer: KeysViewer) => KeysView;

/**
 * One view is kept for each rights object; a call with a wish, or at a node of a cluster, has a view of
 * its own. `groupOf`: of a node, its group of a cluster; empty or undefined: none.
 */
export function createKeysViews(
  port: KeyValuePort,
  clock: Clock,
  slices: SlicePace,
  groupOf?: () => string,
): KeysViews {
  const viewOf = (seen: KeyValuePort): KeysView => ({ port: seen, batch: inParts(seen, clock, slices) });
  const whole = viewOf(port);
  const views = new WeakMap<KeyRights, KeysView>();
  return (viewer) => {
    const { keys } = viewer;
    const group = groupOf?.() ?? '';
    const wish = viewer.wish ?? (group === '' ? undefined : UNASKED);
    if (wish !== undefined) {
      const wished = wishedPort(port, wish, viewer, group);
      return viewOf(keys === undefined ? wished : new GuardedKeys(wished, keys));
    }
    if (keys === undefined) return whole;
    let view = views.get(keys);
    if (view === undefined) {
      view = viewOf(new GuardedKeys(port, keys));
      views.set(keys, view);
    }
    return view;
  };
}

/** Throws `invalid_argument` where this process does not do what the caller wishes. */
function wishedPort(port: KeyValuePort, wish: CallWish, viewer: KeysViewer, group: string): KeyValuePort {
  const { seen, readFrom } = wish;
  const tell = (now: Seen): void => {
    if (seen !== undefined || now.length > 0) viewer.tellPositions?.(formatPositions(now));
  };
  if (port.withWish !== undefined) {
    const own = port.withWish(wish);
    return seen === undefined ? own : new SessionKeys(own, seen, tell);
  }
  if (readFrom !== undefined)
    throw invalidArgument(
      `${READ_FROM_HEADER} is for gateways, and this is a node: call the one that is to answer`,
    );
  if (group === '')
    throw invalidArgument(
      `${POSITIONS_HEADER} is of the groups of a cluster, and this node is in none: expected at_least in the request`,
    );
  return new SessionKeys(new NamedGroupKeys(port, group), seen, tell, group);
}
