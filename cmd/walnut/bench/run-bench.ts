/** One run of `walnut bench`: keys, load, report, and the keys again. */
import { randomBytes, randomInt } from 'node:crypto';
import type { Endpoint } from '#dial/endpoint.ts';
import {
  ADVICE_ALL_GROUPS,
  CliError,
  describeFailure,
  EXIT,
  type ExitCode,
  ownerHintOf,
} from '../cli-error.ts';
import type { CliIo } from '../cli-io.ts';
import { type Invocation, show, toArgument } from '../command-host.ts';
import { countOf, shellWord, showCount, showDuration } from '../output/output.ts';
import { type Progress, withProgress } from '../output/show-progress.ts';
import { type BenchCall, BenchCalls } from './bench-calls.ts';
import { type BenchLink, openLinks } from './bench-links.ts';
import { type BenchOptions, type BenchPlan, planOf } from './bench-plan.ts';
import { type BenchReport, renderReport, reportOf, toJson } from './bench-report.ts';
import { driveLoad } from './drive-load.ts';
import { LoadFigures } from './load-figures.ts';
import { askStatus, awaitFill, checkRoom, deleteKeys, fillKeys, writerOf } from './own-keys.ts';
import { OwnLoad } from './own-load.ts';
import { RealPace } from './pace.ts';

/** How long after its end a load with a rate may still make calls that were due before it. */
const OVERTIME_MS = 1_000;

interface Callers {
  readonly reads: readonly BenchLink[];
  readonly writes: readonly BenchLink[];
}

/** How a load ended. */
interface Ended {
  readonly report: BenchReport;
  readonly failure: { readonly error: unknown } | undefined;
}

export async function runBench(invocation: Invocation, options: BenchOptions): Promise<ExitCode> {
  const { address, io } = invocation;
  const plan = planOf(options, randomBytes(8).toString('hex'));
  const status = await askStatus(address, io);
  const writer = writerOf(address, status);
  if (!options.allowEviction) {
    const told = writer === address ? status : await askStatus(writer, io);
    checkRoom(writer, told?.store, plan);
  }
  const reads = await openLinks(address, plan);
  const writes = writer === address ? reads : await openLinks(writer, plan);
  io.note(`The keys of this run begin with ${plan.prefix}; they are deleted at its end.\n`);
  try {
    const { report, failure } = await measureAndCleanUp(invocation, plan, { reads, writes }, writer);
    await show(
      invocation,
      () => toJson(report),
      () => renderReport(report, invocation.colors),
    );
    if (failure !== undefined) throw failure.error;
    if (io.interrupted.aborted)
      throw new CliError(EXIT.interrupted, 'interrupted: the figures are of a part of the time');
    return report.errors === 0 && report.unsent === 0 ? EXIT.ok : EXIT.negative;
  } catch (error) {
    throw ownerHintOf(error) === undefined ? error : namingGateway(error, writer);
  }
}

/** Nothing is shown before the keys are deleted: where nobody reads the output, the process ends there. */
async function measureAndCleanUp(
  invocation: Invocation,
  plan: BenchPlan,
  callers: Callers,
  writer: Endpoint,
): Promise<Ended> {
  try {
    return await measure(invocation, plan, callers);
  } finally {
    for (const link of [...callers.reads, ...callers.writes]) link.close();
    await cleanUp(invocation, plan, writer, () => deleteKeys(writer, plan));
  }
}

/** Fills the keys, warms up and measures. What ends the load early is told with what was found before. */
async function measure({ address, io }: Invocation, plan: BenchPlan, callers: Callers): Promise<Ended> {
  const pace = new RealPace();
  const calls = new BenchCalls(plan, randomInt(1, 2 ** 31), randomBytes(plan.valueBytes));
  await fill(io, plan, calls, callers);
  endIfInterrupted(io, 'while keys were written');
  const drive = createDrive(io, plan, calls, callers, pace);
  const warmUpMs = pace.nowMs();
  await drive(new LoadFigures(warmUpMs), warmUpMs, plan.warmUpMs, 0);
  endIfInterrupted(io, 'during the warm-up');
  const beginMs = pace.nowMs();
  const figures = new LoadFigures(beginMs);
  const own = new OwnLoad(pace);
  const load = drive(figures, beginMs, plan.durationMs, OVERTIME_MS).finally(() => own.end());
  const [end] = await Promise.allSettled([withProgress(io, progressOf(figures, pace, beginMs, plan), load)]);
  const failure = end.status === 'rejected' ? { error: end.reason } : undefined;
  const rest = {
    address: address.text,
    plan,
    isComplete: failure === undefined && !io.interrupted.aborted,
    unsent: end.status === 'fulfilled' ? end.value : 0,
    generatorBusy: Number(own.busy.toFixed(3)),
  };
  return { report: reportOf(figures, Math.min(beginMs + plan.durationMs, pace.nowMs()), rest), failure };
}

/** What follows would measure nothing, and its figures would be read as some of the node. */
function endIfInterrupted({ interrupted }: CliIo, when: string): void {
  if (interrupted.aborted) throw new CliError(EXIT.interrupted, `interrupted ${when}: nothing was measured`);
}

type Drive = (figures: LoadFigures, beginMs: number, forMs: number, overtimeMs: number) => Promise<number>;

function createDrive(
  { interrupted }: CliIo,
  { ratePerS }: BenchPlan,
  calls: BenchCalls,
  { reads, writes }: Callers,
  pace: RealPace,
): Drive {
  const callers = reads.map((link, i) => ({ reads: link, writes: writes[i] ?? link }));
  const next = (): BenchCall => calls.next();
  const onEnd = (): void => pace.worked();
  return (figures, beginMs, forMs, overtimeMs) => {
    const endMs = beginMs + forMs;
    return driveLoad({
      pace,
      beginMs,
      endMs,
      overtimeMs,
      ratePerS,
      callers,
      next,
      figures,
      onEnd,
      interrupted,
    });
  };
}

async function fill(
  io: CliIo,
  plan: BenchPlan,
  calls: BenchCalls,
  { reads, writes }: Callers,
): Promise<void> {
  const [reader, writer] = [reads[0] as BenchLink, writes[0] as BenchLink];
  let written = 0;
  const progress: Progress = {
    count: () => written,
    describe: () => `writing keys: ${showCount(written)} of ${showCount(plan.keys)}`,
  };
  const work = fillKeys(writer, calls, plan, io.interrupted, (keys) => {
    written += keys;
  });
  const position = await withProgress(io, progress, work);
  if (reader !== writer && position !== undefined && !io.interrupted.aborted)
    await awaitFill(reader, plan, position, io.interrupted);
}

function progressOf(
  figures: LoadFigures,
  pace: RealPace,
  beginMs: number,
  { durationMs }: BenchPlan,
): Progress {
  return {
    count: () => figures.operations,
    describe: (perS) => {
      const passedMs = Math.min(pace.nowMs() - beginMs, durationMs);
      const parts = [
        `${showDuration(passedMs)} of ${showDuration(durationMs)}`,
        `${showCount(Math.round(perS))} operations/s`,
      ];
      if (figures.errors > 0) parts.push(countOf(figures.errors, 'error'));
      return parts.join(', ');
    },
  };
}

/** A member of a cluster refuses most keys of a load. */
function namingGateway(error: unknown, writer: Endpoint): CliError {
  const { exitCode, message } = describeFailure(error, toArgument(writer));
  return new CliError(exitCode, message, `${ADVICE_ALL_GROUPS} --allow-eviction`, error);
}

/** A failure is told and does not hide that of the run: the keys expire by themselves. */
async function cleanUp(
  { io }: Invocation,
  { prefix }: BenchPlan,
  writer: Endpoint,
  remove: () => Promise<number>,
): Promise<void> {
  try {
    io.note(`${countOf(await remove(), 'key')} deleted\n`);
  } catch (error) {
    const address = toArgument(writer);
    const { message } = describeFailure(error, address);
    io.note(
      `The keys of this run could not be deleted: ${message}\nThey expire within an hour of its end. To delete them: walnut delete-prefix --address ${address} ${shellWord(prefix)}\n`,
    );
  }
}
