/** Bugs of what a segment and its records must be, and of what is done with those of a newer program. */
import type { Mutant } from './mutant.ts';

const NEWER = 'test/engine/newer-records.test.ts';
const FORMAT = 'test/wal/newer-format.test.ts';
const JUDGE = 'test/wal/one-judge.test.ts';

export const RECORD_MUTANTS: readonly Mutant[] = [
  {
    name: 'rest of the last word of a row that is hashed with what was there before',
    file: 'internal/storage/row-bytes.ts',
    text: '    this.#bytes.fill(0, length, end);\n',
    replacement: '    void end;\n',
    tests: ['test/storage/row-bytes.test.ts'],
  },
  {
    name: 'record of an unknown kind read as CONFIG',
    file: 'internal/engine/records/record-table.ts',
    text: '  return KINDS[frame.type]?.[versionOf(frame)];',
    replacement: '  return KINDS[frame.type]?.[versionOf(frame)] ?? CONFIG_V1;',
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
    name: 'snapshot of a newer format called damaged',
    file: 'internal/storage/snapshot-header.ts',
    text: '`, true);',
    replacement: '`);',
    tests: [NEWER],
  },
  {
    name: 'repair that cuts off what a newer program wrote',
    file: 'internal/backup/repair/repair-directory.ts',
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
  {
    name: 'seal whose count nobody checks',
    file: 'internal/wal/segment-judge.ts',
    text: '(this.#hasGap || records === this.#records)',
    replacement: '(this.#hasGap || records > 0)',
    tests: [JUDGE],
  },
  {
    name: 'mark of another record taken',
    file: 'internal/wal/segment-judge.ts',
    text: '      return lastLsn === lsn ? undefined :',
    replacement: '      return lastLsn >= 0 ? undefined :',
    tests: [JUDGE],
  },
  {
    name: 'segment of another epoch joined to the log',
    file: 'internal/wal/segment-judge.ts',
    text: '  if (crc === before.crc && epoch === before.epoch) return undefined;',
    replacement: '  if (crc === before.crc && epoch >= 0) return undefined;',
    tests: [JUDGE],
  },
  {
    name: 'newest segment behind records that are not there',
    file: 'internal/backup/survey-log.ts',
    text: '        const why = whyNotNewest(name.firstLsn, this.#chain.lsn);',
    replacement: '        const why = whyNotNewest(0, this.#chain.lsn);',
    tests: [JUDGE],
  },
  {
    name: 'files of a survey read by names that a checkpoint removes',
    file: 'internal/backup/held-files.ts',
    text: "mode === 'read' ? held.get(path) : undefined;",
    replacement: "mode === 'write' ? held.get(path) : undefined;",
    tests: ['test/backup/backup.test.ts'],
  },
  {
    name: 'files of a survey left open',
    file: 'internal/backup/held-files.ts',
    text: 'for (const file of held.values()) await file.close();',
    replacement: 'for (const file of held.values()) await file.stat();',
    tests: ['test/backup/open-handles.test.ts'],
  },
];
