/**
 * Under strace: a kill at every call by which the scripted runs change a part of their
 * data directory or keep it open, and EIO at every one of these and at every look. Without
 * strace it says so and counts as skipped.
 */
import { join } from 'node:path';
import { whyNoStrace, withScratch } from './master-process.ts';
import { fillByInjection } from './process-disks.ts';
import { makeWreck, type Scene } from './process-script.ts';
import { type FaultClass, failAt, failCut, killAt, survey } from './process-syscalls.ts';
import { FAILURES_MAX, type Report } from './report.ts';
import { attempts } from './torture-process.ts';

const SCENES: readonly Scene[] = ['life', 'recovery'];
/** Every how manieth write of a segment finds no space. */
const CUT_EVERY = 3;
const CUTS_MIN = 4;
/** The share of a class's calls that may be missing if a run is quicker than the counted one, because it writes fewer marks of idle time. */
const UNREACHED_MAX = 0.1;
/** Runs at once: they mostly wait for processes to start. */
const LANES = 2;

export async function tortureSyscalls(report: Report): Promise<void> {
  const noStrace = await whyNoStrace();
  if (noStrace !== undefined) return report.skip(`faults at each system call: ${noStrace}`);
  const startMs = Date.now();
  await attempts(report, 'a full disk by injection', 3, fillByInjection);
  await withScratch(async (scratch) => {
    const wreck = await makeWreck(join(scratch, 'wreck'));
    for (const scene of SCENES) {
      const { kills, failures } = await survey(scene, wreck);
      report.counts(
        `calls of the ${scene}`,
        Object.fromEntries(failures.map((each) => [nameOf(each), each.count])),
      );
      for (const each of kills) await killEverywhere(report, each);
      for (const each of failures) await failEverywhere(report, each);
      const writes = failures.find(({ call }) => call === 'pwrite64');
      if (scene === 'life' && writes !== undefined) await cutOff(report, writes);
    }
  });
  report.say(`syscalls: ${Math.round((Date.now() - startMs) / 1_000)} s`);
}

async function killEverywhere(report: Report, each: FaultClass): Promise<void> {
  let killed = 0;
  await inLanes(each.count, report, async (i) => {
    await attempts(report, `killed at ${nameOf(each)} ${i + 1}`, 1, async () => {
      if (await killAt(each, i + 1)) killed++;
    });
  });
  expectReached(report, `killed at ${nameOf(each)}`, killed, each.count);
}

async function failEverywhere(report: Report, each: FaultClass): Promise<void> {
  const outcomes = new Map<string, number>();
  let failed = 0;
  let slowestMs = 0;
  await inLanes(each.count, report, async (i) => {
    await attempts(report, `EIO at ${nameOf(each)} ${i + 1}`, 1, async () => {
      const { kind, exitCode, exitMs } = await failAt(each, i + 1);
      if (kind === '') return;
      failed++;
      const outcome = `${kind}: ${exitCode}`;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (exitCode === 4) slowestMs = Math.max(slowestMs, Math.round(exitMs));
    });
  });
  const codes = [...outcomes].sort().map(([outcome, count]) => `${outcome} x ${count}`);
  report.say(
    `EIO at ${nameOf(each)}: exit codes ${codes.join(', ')}; the slowest exit 4 after ${slowestMs} ms`,
  );
  expectReached(report, `EIO at ${nameOf(each)}`, failed, each.count);
}

/** The ftruncate of a batch for which there was no space. */
async function cutOff(report: Report, writes: FaultClass): Promise<void> {
  let cuts = 0;
  await inLanes(Math.floor(writes.count / CUT_EVERY), report, async (i) => {
    for (const what of ['signal=KILL', 'error=EIO'] as const) {
      const when = 1 + i * CUT_EVERY;
      await attempts(report, `${what} at ftruncate after ENOSPC ${when}`, 1, async () => {
        if (await failCut(writes, what, when)) cuts++;
      });
    }
  });
  report.say(`ftruncate of a batch without space: killed or failed at ${cuts}, EIO always fatal`);
  if (cuts < CUTS_MIN) report.fail(`only ${cuts} batches were cut off`);
}

function expectReached(report: Report, what: string, reached: number, count: number): void {
  report.say(`${what}: ${reached} of ${count}`);
  const missing = count - reached;
  if (missing > Math.ceil(count * UNREACHED_MAX) && report.failed < FAILURES_MAX)
    report.fail(`${what}: ${missing} of ${count} calls were not reached`);
}

function nameOf({ scene, call, paths }: FaultClass): string {
  return `${call}${paths?.[0] === 'LOCK' ? ' of LOCK' : ''}, ${scene}`;
}

/** `work(0)` .. `work(count - 1)`, a few at once; ends early where much has failed. */
async function inLanes(count: number, report: Report, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count && report.failed < FAILURES_MAX) await work(next++);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
