/** Planted bugs of times: when entries were modified, and what a time means in the log. */
import type { Mutant } from './mutant.ts';

const TABLE = 'test/storage/time-table.test.ts';
const MODIFIED = 'test/node/modified.test.ts';
const SINCE = 'test/node/since.test.ts';
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
    name: 'entry that was modified after its answer',
    file: 'internal/server/http-dates.ts',
    text: "'last-modified': formatHttpDate(Math.min(modifiedMs, nowMs)), date",
    replacement: "'last-modified': formatHttpDate(modifiedMs), date",
    tests: [DATES],
  },
  {
    name: 'If-Modified-Since that counts beside If-None-Match',
    file: 'internal/server/http-dates.ts',
    text: " || headers['if-none-match'] !== undefined || modifiedMs === undefined) return true;",
    replacement: ' || modifiedMs === undefined) return true;',
    tests: [DATES],
  },
  {
    name: 'log from a time on that begins where the time table says',
    file: 'internal/node/since.ts',
    text: '  return positionAt(engine, await lastOlder(Math.min(olderLsn, lastLsn), lastLsn, isOlder));',
    replacement: '  return positionAt(engine, Math.min(olderLsn, lastLsn) + 0 * lastOlder.length);',
    tests: [SINCE],
  },
  {
    name: 'log from a time on that the log does not reach',
    file: 'internal/node/since.ts',
    text: '  if (isLost) throw notReached(engine, ms);',
    replacement: '',
    tests: [SINCE],
  },
  {
    name: 'log from a time on that begins before what is not durable',
    file: 'internal/node/since.ts',
    text: '  await engine.waitDurable(engine.appliedLsn, SYNC_MS_MAX, signal);',
    replacement: '',
    tests: [SINCE],
  },
  {
    name: 'watch since a time that waits on a delayed replica for what is not applied',
    file: 'internal/node/doors/keys-door.ts',
    text: '    return start.lsn > engine.appliedLsn ? engine.position : start;',
    replacement: '    await this.reader.untilReached(start, WATCH_START_MS_MAX, signal);\n    return start;',
    tests: [SINCE],
  },
  {
    name: 'accesses dated only when somebody asks',
    file: 'internal/node/access-times.ts',
    text: '    this.#timer = this.#clock.after(ACCESS_LOOK_MS, () => this.start());\n',
    replacement: '',
    tests: ['test/node/explain.test.ts'],
  },
  {
    name: 'explained memory without the content type',
    file: 'internal/node/explainer.ts',
    text: 'value.length + contentType.length',
    replacement: 'value.length',
    tests: ['test/node/explain.test.ts'],
  },
  {
    name: 'explanation whose bounds are looked at between blocks only',
    file: 'internal/node/explainer.ts',
    text: ' && !this.#isOver) {',
    replacement: ') {',
    tests: ['test/node/explainer-bounds.test.ts'],
  },
];
