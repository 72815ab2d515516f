/** Turns an operator's order for a delayed replica into the `ApplyHold` that MANIFEST stores. Pure. */
import type { Engine } from '#engine/engine.ts';
import { WalnutError } from '#model/errors.ts';
import type { DelayControl } from '#model/status.ts';
import type { ApplyHold } from '#wal/manifest.ts';

/** Throws `out_of_range` for an LSN that does not wait to be applied. */
export function holdFor(control: DelayControl, engine: Pick<Engine, 'applied' | 'committedLsn'>): ApplyHold {
  const appliedLsn = engine.applied.lsn;
  switch (control.kind) {
    case 'pause':
      return { uptoLsn: appliedLsn, isHeld: true };
    case 'resume':
      return { uptoLsn: appliedLsn, isHeld: false };
    case 'release_all':
      return { uptoLsn: engine.committedLsn, isHeld: false };
    case 'release_to':
      if (control.lsn < appliedLsn || control.lsn > engine.committedLsn) {
        throw new WalnutError(
          'out_of_range',
          `LSN ${control.lsn} does not wait to be applied: ${appliedLsn} is applied, the log ends at ${engine.committedLsn}`,
        );
      }
      return { uptoLsn: control.lsn, isHeld: !control.goesOn };
  }
}
