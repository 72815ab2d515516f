/**
 * Real processes on a real disk: 200 SIGKILLs over a million acknowledged
 * writes, full disks, two owners; and, under strace, a kill at every disk call
 * of the scripted run and EIO at every fdatasync, fsync, rename and close of
 * it. What needs a tool that is missing is said and counted as skipped.
 */
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
import { countCloses, countDiskCalls, failAt, killAt } from './process-syscalls.ts';
import { FAILURES_MAX, type Report } from './report.ts';

const KILLS_MIN = 200;
const ACKS_MIN = 1_000_000;
const ACKS_PER_KILL = 8_000;
const RACES = 20;
const STOPS = 10;
const FAILING_CALLS = ['fdatasync', 'fsync', 'rename'];

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

/** Needs strace. */
export async function tortureSyscalls(report: Report): Promise<void> {
  const noStrace = await whyNoStrace();
  if (noStrace === undefined) await systemCalls(report);
  else report.skip(`faults at each system call: ${noStrace}`);
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

async function systemCalls(report: Report): Promise<void> {
  await attempts(report, 'a full disk by injection', 3, fillByInjection);
  const counts = await countDiskCalls();
  report.counts('the scripted run makes', Object.fromEntries(counts));
  for (const [call, count] of counts) {
    let killed = 0;
    for (let when = 1; when <= count && report.failed < FAILURES_MAX; when++) {
      await attempts(report, `killed at ${call} ${when}`, 1, async () => {
        if (await killAt(call, when)) killed++;
      });
    }
    report.say(`killed at ${killed} of ${count} ${call}`);
  }
  const closes = await countCloses();
  for (const call of [...FAILING_CALLS, 'close']) {
    const count = call === 'close' ? closes : (counts.get(call) ?? 0);
    let fatal = 0;
    let slowestMs = 0;
    for (let when = 1; when <= count && report.failed < FAILURES_MAX; when++) {
      await attempts(report, `EIO at ${call} ${when}`, 1, async () => {
        const { exitCode, exitMs } = await failAt(call, when);
        if (exitCode !== 4) return;
        fatal++;
        slowestMs = Math.max(slowestMs, Math.round(exitMs));
      });
    }
    report.say(`EIO at ${count} ${call}: ${fatal} were fatal, the slowest exit after ${slowestMs} ms`);
  }
}

async function attempts(
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
