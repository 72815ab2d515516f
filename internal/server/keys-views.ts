/** The keys as a caller with certain rights sees them: the port itself, or a guard around it. */
import { GuardedKeys } from '#auth/guarded-keys.ts';
import type { KeyRights } from '#model/access.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Clock } from '#platform/clock.ts';
import type { SlicePace } from '#platform/slices.ts';
import { createSlicedBatch, type RunBatch } from '#server/sliced-batch.ts';

export interface KeysView {
  readonly port: KeyValuePort;
  /** `port.batch`, in parts if it is large. */
  readonly batch: RunBatch;
}

/** `keys`: undefined for a caller that may touch every key. One view for each rights object. */
export type KeysViews = (keys: KeyRights | undefined) => KeysView;

export function createKeysViews(port: KeyValuePort, clock: Clock, slices: SlicePace): KeysViews {
  const viewOf = (seen: KeyValuePort): KeysView => ({
    port: seen,
    batch: createSlicedBatch(
      (...given) => seen.batch(...given),
      clock,
      slices,
      (operations) => seen.checkBatch?.(operations),
    ),
  });
  const whole = viewOf(port);
  const views = new WeakMap<KeyRights, KeysView>();
  return (keys) => {
    if (keys === undefined) return whole;
    let view = views.get(keys);
    if (view === undefined) {
      view = viewOf(new GuardedKeys(port, keys));
      views.set(keys, view);
    }
    return view;
  };
}
