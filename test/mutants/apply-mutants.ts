/** Planted bugs of readers of a log that apply the mutations of a record and not the record. */
import type { Mutant } from './mutant.ts';

const EVERY_RECORD = 'test/backup/every-record.test.ts';

export const APPLY_MUTANTS: readonly Mutant[] = [
  {
    name: 'fold that applies only records of keys',
    file: 'internal/backup/fold-log.ts',
    text: '      applyChecked(frame, this.#state);',
    replacement: '      if (frame.type === 1) applyChecked(frame, this.#state);',
    tests: [EVERY_RECORD],
  },
  {
    name: 'rehearsal that applies only records of keys',
    file: 'internal/backup/repair/rehearse-start.ts',
    text: '    applyChecked(frame, this.#base.state);',
    replacement: '    if (frame.type === 1) applyChecked(frame, this.#base.state);',
    tests: [EVERY_RECORD],
  },
  {
    name: 'state at a snapshot without its epochs',
    file: 'internal/engine/records/state-at.ts',
    text: 'new EpochTable(epochs)',
    replacement: 'new EpochTable(epochs.slice(0, 0))',
    tests: [EVERY_RECORD],
  },
];
