/** `walnut wal inspect`: shows what the directory of a log contains, and whether it is whole. */
import type { Command } from 'commander';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { parsePath } from '../arguments.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { countOf, showBytes, showCount, showDeadline } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import { cleanPath, onLogDirectory } from './log-files.ts';
import { addDumpCommand } from './wal-dump.ts';
import { inspectWal } from './wal-inspect.ts';
import { addRepairCommand } from './wal-repair.ts';
import type { SegmentReport, WalReport } from './wal-report.ts';
import { addResetTermCommand } from './wal-reset-term.ts';
import { addVerifyCommand, describeFinding } from './wal-verify.ts';

export function addWalCommand(program: Command, host: CommandHost): void {
  const wal = program
    .command('wal')
    .summary('inspect, dump, verify and repair a log on disk')
    .description('Works on a log on disk. The node may be running. Only --apply changes anything.')
    .addHelpText(
      'after',
      '\nExamples:\n  walnut wal inspect data/master\n  walnut wal dump data/master --no-values\n' +
        '  walnut wal verify data/master\n  walnut wal repair data/master',
    );
  addDumpCommand(wal, host);
  addVerifyCommand(wal, host);
  addRepairCommand(wal, host);
  addResetTermCommand(wal, host);
  wal
    .command('inspect')
    .summary('show segments, epochs and damage; exits 1 on damage')
    .description(
      'Reads every segment in DIR and shows ranges, sizes, epochs and damage. Writes nothing. DIR is ' +
        'the wal.directory of a node, stopped or running. Snapshots are listed, not read. Exits 1 if ' +
        'there is damage.',
    )
    .argument('<dir>', 'wal.directory', parsePath)
    .addHelpText(
      'after',
      `
A torn end is what a crash leaves of unfinished writes: the next start cuts it off by itself and
keeps the original in aside/. Corrupt or missing means that durable records are lost: the next
start refuses. Decayed means damage below the base snapshot, which this node does not need.

Examples:
  walnut wal inspect data/master
  walnut wal inspect /var/log/kvstore/slave --json`,
    )
    .action(host.offline(runInspect));
}

async function runInspect(invocation: Invocation): Promise<ExitCode> {
  const directory = cleanPath(invocation.args[0] ?? '');
  const fileSystem = createNodeFileSystem();
  const report = await onLogDirectory(fileSystem, directory, () => inspectWal(fileSystem, directory));
  await show(
    invocation,
    () => reportToJson(report),
    () => renderReport(report, invocation),
  );
  return report.findings.length === 0 ? EXIT.ok : EXIT.negative;
}

function reportToJson(report: WalReport): Record<string, unknown> {
  const { manifest, segments } = report;
  return {
    ...report,
    manifest: manifest ?? null,
    segments: segments.map(({ finding: _finding, chain: _chain, ...segment }) => segment),
    ...totals(segments),
  };
}

function totals(segments: readonly SegmentReport[]) {
  const held = segments.filter(({ records }) => records > 0);
  return {
    firstLsn: held[0]?.firstLsn ?? 0,
    lastLsn: held.at(-1)?.lastLsn ?? 0,
    records: held.reduce((sum, { records }) => sum + records, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function renderReport(report: WalReport, { colors }: Invocation): string {
  const { manifest, segments, snapshots, excluded, aside, findings } = report;
  const { firstLsn, lastLsn, records, bytes } = totals(segments);
  const range = records === 0 ? 'no records' : `LSN ${firstLsn} to ${lastLsn}`;
  const facts: [string, string][] = [
    ['directory', report.directory],
    ['log', manifest?.logId || '-'],
    ['node', manifest === undefined ? '-' : `${manifest.nodeId}, ${manifest.role}, term ${manifest.term}`],
    ['snapshot', manifest?.snapshot || 'none'],
    [
      'records',
      `${showCount(records)}, ${range}, ${showBytes(bytes)} in ${countOf(segments.length, 'segment')}`,
    ],
  ];
  if (manifest?.upstream) facts.splice(3, 0, ['follows', manifest.upstream]);
  if (manifest?.quarantine != null)
    facts.push(['quarantine', colors.red('yes; see: walnut quarantine list')]);
  const parts = [renderFacts(colors, facts)];
  if (segments.length > 0) parts.push(renderTable(colors, SEGMENT_HEAD, segments.map(segmentToCells)));
  const others: string[][] = [
    ...snapshots.map((file) => [
      file.name,
      showBytes(file.bytes),
      file.isBase ? 'base snapshot' : 'not used',
    ]),
    ...excluded.map((file) => [file.name, showBytes(file.bytes), 'excluded by MANIFEST']),
    ...aside.map((file) => [file.name, showBytes(file.bytes), 'kept aside']),
  ];
  if (others.length > 0) parts.push(renderTable(colors, ['OTHER FILE', 'SIZE', 'WHAT'], others));
  const verdict = findings.map((finding) => colors.red(describeFinding(finding))).join('\n');
  parts.push(`${verdict || colors.green('no damage found')}\n`);
  return parts.join('\n');
}

const SEGMENT_HEAD = ['SEGMENT', 'LSN', 'RECORDS', 'SIZE', 'EPOCHS', 'LAST WRITE', 'END'];

function segmentToCells(segment: SegmentReport): string[] {
  return [
    segment.name,
    segment.records === 0 ? '-' : `${segment.firstLsn} to ${segment.lastLsn}`,
    showCount(segment.records),
    showBytes(segment.bytes),
    segment.epochs.join(' ') || '-',
    segment.lastTimestampMs === 0 ? '-' : showDeadline(segment.lastTimestampMs),
    segment.end,
  ];
}
