/** Bugs of what is done with records that a newer program wrote. */
import type { Mutant } from './mutant.ts';

const NEWER = 'test/engine/newer-records.test.ts';
const FORMAT = 'test/wal/newer-format.test.ts';

export const RECORD_MUTANTS: readonly Mutant[] = [
  {
    name: 'record of an unknown kind read as CONFIG',
    file: 'internal/engine/records/record-table.ts',
    text: '  const kind = KINDS[frame.type]?.[version];',
    replacement: '  const kind = KINDS[frame.type]?.[version] ?? CONFIG_V1;',
    tests: [NEWER],
  },
  {
    name: 'record of a newer program called corruption',
    file: 'internal/wal/recovery.ts',
    text: '      if (error instanceof NewerFormatError)',
    replacement: '      if (error === undefined)',
    tests: [NEWER],
  },
  {
    name: 'repair that cuts off what a newer program wrote',
    file: 'internal/engine/repair/repair-directory.ts',
    text: "outcome.what === 'newer'",
    replacement: "outcome.what === 'snapshot'",
    tests: [NEWER],
  },
  {
    name: 'whole item of an unknown kind cut off as torn',
    file: 'internal/wal/segment-format.ts',
    text: '  return isValid ? kind : undefined;',
    replacement: '  return isValid && kind < 0 ? kind : undefined;',
    tests: [FORMAT],
  },
  {
    name: 'segment of a newer format called damaged',
    file: 'internal/wal/segment-format.ts',
    text: 'unknownFormat(bytes) !== undefined;',
    replacement: 'unknownFormat(bytes) === undefined;',
    tests: [FORMAT],
  },
];
