/** `walnut wal verify`: checks a data directory as a start does, and everything else in it. */
import { basename } from 'node:path';
import type { Command } from 'commander';
import { type Rehearsal, type RehearsalParts, rehearseSettled } from '#backup/repair/rehearse-start.ts';
import { formatPosition } from '#model/position.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';
import { createReadOnlyFileSystem } from '#platform/read-only-file-system.ts';
import { parseSegmentName } from '#wal/file-names.ts';
import type { LogReach } from '#wal/manifest.ts';
import { ADVISE_UPGRADE } from '#wal/wal-errors.ts';
import { parsePath } from '../arguments.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { countOf, showCount, showDeadline } from '../output/output.ts';
import { renderFacts } from '../output/table.ts';
import { cleanPath, onLogDirectory } from './log-files.ts';
import { ReadProgress } from './read-progress.ts';
import { inspectWal } from './wal-inspect.ts';
import type { Finding, WalReport } from './wal-report.ts';

/**
 * `torn`: the next start cuts the end off. `decayed`: only records that replicas may need
 * are damaged. `newer`: a start refuses, because a newer program wrote it. `damaged`: a
 * start refuses.
 */
export type Verdict = 'whole' | 'torn' | 'decayed' | 'newer' | 'damaged';

export interface VerifyReport {
  readonly inspected: WalReport;
  /** Undefined if there is no log, or no readable MANIFEST. */
  readonly rehearsal: Rehearsal | undefined;
  readonly findings: readonly Finding[];
  readonly verdict: Verdict;
}

export function addVerifyCommand(wal: Command, host: CommandHost): void {
  wal
    .command('verify')
    .summary('check everything as a start does; exits 1 on damage')
    .description(
      'Reads all of DIR: MANIFEST, every record of every segment, and the base snapshot with its ' +
        'digest, and checks that they belong together. Then it does what a start would do, without ' +
        'writing. The node may be running. Takes as much memory as the entries of the node.',
    )
    .argument('<dir>', 'wal.directory', parsePath)
    .addHelpText(
      'after',
      `
Verdicts with exit code 0: whole; torn (a crash left unfinished writes, which the next start cuts
off). Verdicts with exit code 1: decayed (damage below the base snapshot, which a start does not
need but replicas may); newer (a newer version wrote records that this one does not know); damaged.
A start refuses newer and damaged with exit code 3.

Examples:
  walnut wal verify data/master
  walnut wal verify /backup/copy --json | jq .verdict`,
    )
    .action(host.offline(runVerify));
}

async function runVerify(invocation: Invocation): Promise<ExitCode> {
  const { io, args } = invocation;
  const directory = cleanPath(args[0] ?? '');
  const parts = { fileSystem: createNodeFileSystem(), clock: createNodeClock(), random: createNodeRandom() };
  const report = await onLogDirectory(parts.fileSystem, directory, () =>
    verifyWal(parts, directory, io.note),
  );
  await show(
    invocation,
    () => reportToJson(report),
    () => renderReport(report, invocation),
  );
  return report.verdict === 'whole' || report.verdict === 'torn' ? EXIT.ok : EXIT.negative;
}

/** Rejects if files cannot be read. Damage is a finding. `note` receives progress if it takes long. */
export async function verifyWal(
  parts: RehearsalParts,
  directory: string,
  note: (text: string) => void,
): Promise<VerifyReport> {
  const total = await bytesToRead(parts, directory);
  const progress = new ReadProgress('verifying', total, parts.clock, note);
  const fileSystem = createReadOnlyFileSystem(parts.fileSystem, progress.add);
  const inspected = await inspectWal(fileSystem, directory);
  const hasLog = inspected.manifest !== undefined && inspected.manifest.logId !== '';
  const rehearsal = hasLog ? await rehearseSettled({ ...parts, fileSystem }, directory) : undefined;
  const findings = mergeFindings(inspected.findings, rehearsal);
  return { inspected, rehearsal, findings, verdict: judge(findings) };
}

/** Each segment is read twice (inspected, and replayed as a start does), the snapshot once. */
async function bytesToRead({ fileSystem }: RehearsalParts, directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await fileSystem.readDirectory(directory)) {
    const times = parseSegmentName(name) !== undefined ? 2 : name.endsWith('.snapshot') ? 1 : 0;
    if (times > 0) bytes += times * ((await fileSystem.stat(`${directory}/${name}`))?.sizeBytes ?? 0);
  }
  return bytes;
}

/** The rehearsal of a start decides: damage that a start accepts is decay. */
function mergeFindings(inspected: readonly Finding[], rehearsal: Rehearsal | undefined): Finding[] {
  if (rehearsal === undefined) return [...inspected];
  const { outcome } = rehearsal;
  if (outcome.kind === 'starts') {
    return inspected.map((each) =>
      each.kind === 'corrupt' || each.kind === 'newer' ? { ...each, kind: 'decayed' } : each,
    );
  }
  const file = basename(outcome.place.file);
  const isKnown = inspected.some((each) => each.file === file && /corrupt|missing|newer/.test(each.kind));
  return isKnown
    ? [...inspected]
    : [...inspected, { ...outcome.place, kind: outcome.what === 'newer' ? 'newer' : 'corrupt', file }];
}

function judge(findings: readonly Finding[]): Verdict {
  const kinds = new Set(findings.map(({ kind }) => kind));
  if (kinds.has('corrupt') || kinds.has('missing')) return 'damaged';
  if (kinds.has('newer')) return 'newer';
  if (kinds.has('decayed')) return 'decayed';
  return kinds.has('torn') ? 'torn' : 'whole';
}

function reportToJson({ inspected, rehearsal, findings, verdict }: VerifyReport): Record<string, unknown> {
  const { directory, manifest, segments } = inspected;
  return {
    directory,
    verdict,
    logId: manifest?.logId ?? '',
    snapshot: manifest?.snapshot ?? '',
    snapshotEntries: rehearsal?.snapshotEntries ?? 0,
    segments: segments.length,
    recordsRead: segments.reduce((sum, { records }) => sum + records, 0),
    recordsReplayed: rehearsal?.records ?? 0,
    starts: rehearsal === undefined ? findings.length === 0 : rehearsal.outcome.kind === 'starts',
    position: rehearsal === undefined ? null : formatPosition(rehearsal.end),
    entries: rehearsal?.store.entries ?? 0,
    digest: rehearsal?.store.stateDigest() ?? null,
    unvouchedFromLsn: unvouchedFrom(inspected),
    findings,
  };
}

/** The first LSN that could be missing from the end without a trace; null if none could. */
function unvouchedFrom(inspected: WalReport): number | null {
  const reach = unvouchedOf(inspected);
  return reach === undefined ? null : reach.lsn + 1;
}

function renderReport(report: VerifyReport, { colors }: Invocation): string {
  const { inspected, rehearsal, findings, verdict } = report;
  const { directory, manifest, segments } = inspected;
  const records = segments.reduce((sum, segment) => sum + segment.records, 0);
  const facts: [string, string][] = [
    ['directory', directory],
    ['log', manifest?.logId || '-'],
    ['segments', `${segments.length}, with ${showCount(records)} whole records`],
  ];
  if (rehearsal !== undefined) {
    const { end, endTimestampMs, store, snapshotEntries, outcome } = rehearsal;
    const written = endTimestampMs === 0 ? '' : `, written ${showDeadline(endTimestampMs)}`;
    const isRefused = outcome.kind === 'refused';
    const isWithoutSnapshot = isRefused && outcome.what === 'snapshot';
    if (manifest?.snapshot && !isWithoutSnapshot)
      facts.push([
        'snapshot',
        `${manifest.snapshot}, ${countOf(snapshotEntries, 'entry', 'entries')}, digest right`,
      ]);
    facts.push([isRefused ? 'valid up to' : 'ends at', `${formatPosition(end)}${written}`]);
    facts.push(['entries', showCount(store.entries)], ['digest', store.stateDigest()]);
  }
  const lines = findings.map((finding) => colors.red(describeFinding(finding)));
  lines.push(CONCLUSION[verdict](directory));
  if (verdict !== 'damaged' && verdict !== 'newer') lines.push(...describeUnvouched(inspected));
  return `${renderFacts(colors, facts)}\n${lines.join('\n')}\n`;
}

/** What could be missing without a trace. */
function describeUnvouched(inspected: WalReport): string[] {
  const reach = unvouchedOf(inspected);
  if (reach === undefined) return [];
  return [
    `The log was not stopped cleanly, or its node is running: MANIFEST vouches for records up to LSN ${reach.lsn} only. Later ones that`,
    `vanished whole from the end of ${reach.segment} leave no trace here.`,
    'A replica may still have them: compare its position with the end of this log.',
  ];
}

/**
 * After a clean stop MANIFEST vouches for the whole log, and a sealed segment is whole.
 * Else it vouches for what was durable when it was last replaced.
 */
function unvouchedOf({ manifest, segments }: WalReport): LogReach | undefined {
  const last = segments.at(-1);
  if (last === undefined || last.end === 'stopped' || last.end === 'sealed') return undefined;
  return { segment: last.name, lsn: manifest?.reaches?.lsn ?? 0 };
}

const CONCLUSION: Readonly<Record<Verdict, (directory: string) => string>> = {
  whole: () => 'whole: no damage found',
  torn: () => 'torn: the next start cuts the end off by itself; it had not been durable',
  decayed: () =>
    'decayed: a start does not need what is damaged; replicas that want it get a snapshot instead',
  newer: () => `newer: a start of this version refuses this directory. ${ADVISE_UPGRADE}`,
  damaged: (directory) =>
    `damaged: a start refuses this directory. What could be kept, and what would be lost: walnut wal repair ${directory}`,
};

export function describeFinding({ kind, file, byte, lsn, why }: Finding): string {
  const where = lsn === 0 ? file : `${file}: byte ${byte}, LSN ${lsn}`;
  return `${kind}: ${where}: ${why}`;
}
