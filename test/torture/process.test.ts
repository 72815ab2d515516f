/** The short form of `npm run test:torture -- --only process`: a few of each, on real processes. */
import { describe, expect, it } from 'vitest';
import { whyNoStrace, withScratch } from './master-process.ts';
import {
  fillByInjection,
  fillTmpfs,
  fillToLimit,
  raceForDirectory,
  stopInOrder,
  whyNoLimits,
  whyNoTmpfs,
} from './process-disks.ts';
import { killAgainAndAgain } from './process-kills.ts';
import { failAt, killAt } from './process-syscalls.ts';

const TIMEOUT_MS = 120_000;
const noStrace = await whyNoStrace();
const noTmpfs = await whyNoTmpfs();
const noLimits = await whyNoLimits();

/** The name of a test, or why it is skipped. */
const named = (name: string, whyNot: string | undefined): string =>
  whyNot === undefined ? name : `SKIPPED (${whyNot}): ${name}`;

describe('a master process', () => {
  it(
    'killed again and again under load loses no acknowledged write',
    async () => {
      const journal = await withScratch((directory) =>
        killAgainAndAgain({ directory, seed: 1, killsMin: 3, acksMin: 1_000, acksPerKill: 800 }),
      );
      expect(journal.acked).toBeGreaterThanOrEqual(1_000);
      expect(journal.verifications).toBeGreaterThanOrEqual(3);
    },
    TIMEOUT_MS,
  );

  it('shares its directory with nobody, and killed it blocks nobody', () => raceForDirectory(), TIMEOUT_MS);

  it('told to stop syncs and exits 0, idle HTTP/2 sessions or not', () => stopInOrder(), TIMEOUT_MS);

  it.skipIf(noStrace !== undefined).each([
    ['fdatasync', 11],
    ['rename', 4],
  ])(
    named('killed at %s %d loses no acknowledged write', noStrace),
    async (call, when) => {
      expect(await killAt({ scene: 'life', call, count: when }, when)).toBe(true);
    },
    TIMEOUT_MS,
  );

  it.skipIf(noStrace !== undefined)(
    named('exits 4 when an fdatasync of the log fails, and acknowledges nothing afterwards', noStrace),
    async () => {
      const { kind, exitCode } = await failAt({ scene: 'life', call: 'fdatasync', count: 8 }, 8);
      expect(kind).toBe('segment running');
      expect(exitCode).toBe(4);
    },
    TIMEOUT_MS,
  );
});

describe('a full disk refuses writes cleanly, and takes them again when there is room', () => {
  it.skipIf(noLimits !== undefined)(named('by ulimit -f', noLimits), () => fillToLimit(), TIMEOUT_MS);

  it.skipIf(noTmpfs !== undefined)(named('on a small tmpfs', noTmpfs), () => fillTmpfs(), TIMEOUT_MS);

  it.skipIf(noStrace !== undefined)(
    named('by injected ENOSPC', noStrace),
    () => fillByInjection(),
    TIMEOUT_MS,
  );
});
