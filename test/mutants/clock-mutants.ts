/** Planted bugs of the log clock and of deadlines in wall time. */
import type { Mutant } from './mutant.ts';

const WALL_TIME = 'test/node/wall-time.test.ts';
const MEND = 'test/node/mend-clock.test.ts';

export const CLOCK_MUTANTS: readonly Mutant[] = [
  {
    name: 'absolute deadline logged as it was given, however far the log clock is off',
    file: 'internal/master/deadlines.ts',
    text: '        return movedDeadline(expiry.expireAtMs, -this.#logClock.shiftMs(nowMs));',
    replacement: '        return movedDeadline(expiry.expireAtMs, 0 * nowMs);',
    tests: [WALL_TIME],
  },
  {
    name: 'deadline answered by the log clock',
    file: 'internal/storage/slot-reads.ts',
    text: 'return movedDeadline(this.#slots.expireAtMsOf(slot), this.#shiftMs);',
    replacement: 'return movedDeadline(this.#slots.expireAtMsOf(slot), 0 * this.#shiftMs);',
    tests: [WALL_TIME],
  },
  {
    name: 'restored deadline taken for wall time',
    file: 'internal/wire/restore-codec.ts',
    text: "{ kind: 'logged', expireAtMs",
    replacement: "{ kind: 'at', expireAtMs",
    tests: ['test/server/restore.test.ts'],
  },
  {
    name: 'stated offset lost with the log behind the snapshot',
    file: 'internal/engine/records/state-at.ts',
    text: 'new LogClock(clock, logClockMs, wallOffsetMs)',
    replacement: 'new LogClock(clock, logClockMs)',
    tests: [MEND],
  },
  {
    name: 'log clock of a start that takes no notice of the stated offset',
    file: 'internal/engine/open-engine.ts',
    text: '  engine.logClock.restart(engine.lastTimestampMs);',
    replacement: '  engine.logClock.observe(engine.lastTimestampMs);',
    tests: [MEND],
  },
  {
    name: 'limits of a promoted node that drop the stated offset',
    file: 'internal/engine/engine.ts',
    text: 'this.#submitConfig({ limits, wallOffsetMs: this.#newestConfig.wallOffsetMs }, done)',
    replacement: 'this.#submitConfig({ limits, wallOffsetMs: 0 }, done)',
    tests: [MEND],
  },
  {
    name: 'offset of the log clock kept quiet',
    file: 'internal/node/clock-watch.ts',
    text: '  if (Math.abs(aheadMs) <= CLOCK_OFFSET_MAX_MS) return undefined;',
    replacement: '  if (aheadMs <= CLOCK_OFFSET_MAX_MS * 1e9) return undefined;',
    tests: [MEND],
  },
  {
    name: 'offset of the log clock that changes its sign kept quiet',
    file: 'internal/node/clock-watch.ts',
    text: 'const side = why === undefined ? 0 : Math.sign(clock.aheadMs);',
    replacement: 'const side = why === undefined ? 0 : Math.abs(Math.sign(clock.aheadMs));',
    tests: ['test/node/clock-watch.test.ts'],
  },
];
