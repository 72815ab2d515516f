/**
 * Real processes on a real disk: 200 SIGKILLs over a million acknowledged
 * writes, full disks, two owners. What needs a tool that is missing is said
 * and counted as skipped.
 */
import { withScratch } from './master-process.ts';
import {
  fillTmpfs,
  fillToLimit,
  raceForDirectory,
  stopInOrder,
  whyNoLimits,
  whyNoTmpfs,
} from './process-disks.ts';
import { killAgainAndAgain } from './process-kills.ts';
import type { Report } from './report.ts';

const KILLS_MIN = 200;
const ACKS_MIN = 1_000_000;
const ACKS_PER_KILL = 8_000;
const RACES = 20;
const STOPS = 10;

export async function tortureProcess(report: Report, seed: number): Promise<void> {
  await kills(report, seed);
  await attempts(report, 'two owners race for one directory', RACES, raceForDirectory);
  await attempts(report, 'SIGTERM with an idle HTTP/2 session', STOPS, stopInOrder);
  const noLimits = await whyNoLimits();
  if (noLimits === undefined) await attempts(report, 'a full disk by ulimit -f', 3, fillToLimit);
  else report.skip(`a full disk by ulimit -f: ${noLimits}`);
  const noTmpfs = await whyNoTmpfs();
  if (noTmpfs === undefined) await attempts(report, 'a full tmpfs', 3, fillTmpfs);
  else report.skip(`a full tmpfs: ${noTmpfs}`);
}

async function kills(report: Report, seed: number): Promise<void> {
  report.say(`kills: seed ${seed}, at least ${KILLS_MIN} SIGKILLs and ${ACKS_MIN} acknowledged writes`);
  const startMs = Date.now();
  try {
    let kills = 0;
    const journal = await withScratch((directory) =>
      killAgainAndAgain({
        directory,
        seed,
        killsMin: KILLS_MIN,
        acksMin: ACKS_MIN,
        acksPerKill: ACKS_PER_KILL,
        onKill: (count, { acked, ackedSingly }) => {
          kills = count;
          if (count % 20 === 0)
            report.say(`kills: ${count}, acknowledged ${acked} (${ackedSingly} in requests of their own)`);
        },
      }),
    );
    report.pass(kills);
    const { acked, ackedSingly, verifications } = journal;
    const seconds = Math.round((Date.now() - startMs) / 1_000);
    report.counts('kills', { kills, acked, ackedSingly, verifications, lost: 0, seconds });
  } catch (error) {
    report.fail(`kills: again with: npm run test:torture -- --only process --seed ${seed}`, error);
  }
}

export async function attempts(
  report: Report,
  what: string,
  times: number,
  run: () => Promise<void>,
): Promise<void> {
  for (let i = 0; i < times; i++) {
    try {
      await run();
      report.pass();
    } catch (error) {
      report.fail(what, error);
    }
  }
  if (times > 1) report.say(`${what}: ${times} times`);
}
