/** Planted bugs of times: when entries were modified, and what a time means in the log. */
import type { Mutant } from './mutant.ts';

const TABLE = 'test/storage/time-table.test.ts';
const MODIFIED = 'test/node/modified.test.ts';
const DATES = 'test/server/http-dates.test.ts';

export const TIME_MUTANTS: readonly Mutant[] = [
  {
    name: 'time table that keeps the earlier of two merged rows',
    file: 'internal/storage/time-table.ts',
    text: '      const next = seconds[row + 1];',
    replacement: '      const next = seconds[row - 1];',
    tests: [TABLE],
  },
  {
    name: 'time table thinned by the age of the older row',
    file: 'internal/storage/time-table.ts',
    text: '      const step = stepOf(nowSecond - next);',
    replacement: '      const step = stepOf(2 * (nowSecond - next));',
    tests: [TABLE],
  },
  {
    name: 'time table left out of snapshots',
    file: 'internal/storage/snapshot-scan.ts',
    text: '    if (meta.formatLevel > 0) this.#blocks.push(encodeTimesBlock(meta.times));',
    replacement: '',
    tests: [MODIFIED],
  },
  {
    name: 'unknown block of a snapshot skipped although it is state',
    file: 'internal/storage/snapshot-codec.ts',
    text: '  if (isNewer && isOptional(type)) return;',
    replacement: '  if (isNewer) return;',
    tests: [TABLE],
  },
  {
    name: 'Get in a batch without the time of what the batch wrote',
    file: 'internal/node/doors/keys-door.ts',
    text: '      return withModifiedIn(this.#engine, operations, results);',
    replacement: '      return results;',
    tests: [MODIFIED],
  },
  {
    name: 'If-Modified-Since that counts beside If-None-Match',
    file: 'internal/server/http-dates.ts',
    text: " || headers['if-none-match'] !== undefined || modifiedMs === undefined) return true;",
    replacement: ' || modifiedMs === undefined) return true;',
    tests: [DATES],
  },
];
