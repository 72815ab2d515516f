/** Slots as text: `0-8191, 9000`. Pure. */
import type { SlotRun } from '#model/slots.ts';

export function showRuns(runs: readonly SlotRun[]): string {
  if (runs.length === 0) return 'none';
  return runs.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(', ');
}
