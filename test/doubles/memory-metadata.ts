/** A metadata store that keeps nothing: for tests and for the simulation, on their clock. */
import { LocalStore } from '#metadata/local-store.ts';
import type { Clock } from '#platform/clock.ts';

export function createMemoryMetadata(clock: Clock): LocalStore {
  const keeper = { keep: () => {}, close: () => {} };
  return new LocalStore({ clock, keeper, entries: [], revision: 1 });
}
