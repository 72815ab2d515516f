/**
 * Inspects the directory of a log, of a stopped or a running node, and writes nothing: it
 * takes no lock and creates no file. If the node changes MANIFEST or removes a file
 * meanwhile, the inspection begins again.
 *
 * Rejects if the directory cannot be read. Damage is a finding, not an error.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ChainPoint } from '#model/replication.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { asideFolders } from '#wal/aside-folders.ts';
import { MANIFEST_NAME, parseSegmentName, parseSnapshotName, type SegmentName } from '#wal/file-names.ts';
import { type Demand, demandOf, whyShort } from '#wal/log-reach.ts';
import { isSegmentExcluded, type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { hasLaterSegment, whyNotFirst } from '#wal/segment-judge.ts';
import { readWholeFile } from '#wal/whole-files.ts';
import type { FileReport, Finding, SegmentReport, SnapshotReport, WalReport } from './wal-report.ts';
import { inspectSegment } from './wal-segment-inspect.ts';

const ATTEMPTS = 5;
const PAUSE_MS = 100;

export async function inspectWal(fileSystem: FileSystem, directory: string): Promise<WalReport> {
  for (let attempt = 1; ; attempt++) {
    const before = await readManifestBytes(fileSystem, directory);
    try {
      const report = await inspectOnce(fileSystem, directory, before);
      const after = await readManifestBytes(fileSystem, directory);
      const isSame = before === undefined ? after === undefined : after?.equals(before) === true;
      if (isSame || attempt === ATTEMPTS) return report;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === ATTEMPTS) throw error;
    }
    await delay(PAUSE_MS);
  }
}

async function readManifestBytes(fileSystem: FileSystem, directory: string): Promise<Buffer | undefined> {
  const path = `${directory}/${MANIFEST_NAME}`;
  return (await fileSystem.stat(path)) === undefined ? undefined : readWholeFile(fileSystem, path);
}

async function inspectOnce(
  fileSystem: FileSystem,
  directory: string,
  manifestBytes: Buffer | undefined,
): Promise<WalReport> {
  const names = await fileSystem.readDirectory(directory);
  const findings: Finding[] = [];
  const manifest = readManifest(manifestBytes, names, findings);
  const all = names.flatMap((name) => parseSegmentName(name) ?? []).sort((a, b) => a.seq - b.seq);
  const isIn = ({ seq }: SegmentName): boolean => manifest === undefined || !isSegmentExcluded(manifest, seq);
  const live = all.filter(isIn);
  const excluded = all.filter((segment) => !isIn(segment)).map(({ name }) => name);
  const snapshots = await inspectSnapshots(fileSystem, directory, names, manifest, findings);
  const base = parseSnapshotName(manifest?.snapshot ?? '');
  const segments = await inspectSegments(
    { fileSystem, directory, segments: live, baseLsn: base?.lsn ?? 0, manifest },
    findings,
  );
  return {
    directory,
    manifest,
    segments,
    snapshots,
    excluded: await sizesOf(fileSystem, directory, excluded),
    aside: (await asideFolders(fileSystem, directory)).flatMap(({ name: folder, files }) =>
      files.map(({ name, sizeBytes }) => ({ name: `${folder}/${name}`, bytes: sizeBytes })),
    ),
    findings,
  };
}

function readManifest(
  bytes: Buffer | undefined,
  names: readonly string[],
  findings: Finding[],
): Manifest | undefined {
  if (bytes === undefined) {
    const hasLog = names.some((name) => parseSegmentName(name) ?? parseSnapshotName(name));
    const why = 'MANIFEST is missing, though there are files of a log';
    if (hasLog) findings.push({ kind: 'missing', file: MANIFEST_NAME, byte: 0, lsn: 0, why });
    return undefined;
  }
  const manifest = tryDecodeManifest(bytes);
  if (typeof manifest !== 'string') return manifest;
  findings.push({ kind: 'corrupt', file: MANIFEST_NAME, byte: 0, lsn: 0, why: manifest });
  return undefined;
}

interface SegmentsToInspect {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** Oldest first. */
  readonly segments: readonly SegmentName[];
  /** The base snapshot's LSN; 0: none. */
  readonly baseLsn: number;
  readonly manifest: Manifest | undefined;
}

async function inspectSegments(log: SegmentsToInspect, findings: Finding[]): Promise<SegmentReport[]> {
  const { segments, baseLsn } = log;
  const first = segments[0];
  const why = first && whyNotFirst(first.firstLsn, baseLsn);
  if (first !== undefined && why !== undefined) {
    findings.push({ kind: 'missing', file: first.name, byte: 0, lsn: baseLsn + 1, why });
  }
  const demand = log.manifest === undefined ? undefined : demandOf(log.manifest);
  const reports: SegmentReport[] = [];
  const seqs = segments.map(({ seq }) => seq);
  let before: ChainPoint | undefined;
  for (const [index, segment] of segments.entries()) {
    const hasLater = hasLaterSegment(segment.seq, seqs, demand);
    const report = await inspectSettled({ ...log, segment, before, hasLater, knownLsn: demand?.lsn ?? 0 });
    reports.push(report);
    if (report.finding !== undefined) findings.push(withDecay(report, segments[index + 1], baseLsn));
    // After damage the chain is unknown, so the header of the next segment is believed.
    before = report.finding === undefined ? report.chain : undefined;
  }
  if (findings.length === 0)
    findings.push(...whatIsShort(log, demand, before?.lsn ?? 0, reports.at(-1)?.bytes));
  return reports;
}

/** Finds records or segments that are missing although every file is whole. */
function whatIsShort(
  { segments, baseLsn }: SegmentsToInspect,
  demand: Demand | undefined,
  lastLsn: number,
  newestBytes: number | undefined,
): Finding[] {
  const endLsn = Math.max(baseLsn, lastLsn);
  const why = whyShort(demand, { seqs: segments.map(({ seq }) => seq), endLsn, newestBytes });
  if (demand === undefined || why === undefined) return [];
  return [{ kind: 'missing', file: demand.segment, byte: 0, lsn: endLsn + 1, why }];
}

/** Damage below the base snapshot counts as decay, because a start does not read that far back. */
function withDecay(report: SegmentReport, next: SegmentName | undefined, baseLsn: number): Finding {
  const finding = report.finding as Finding;
  const isBelow = next !== undefined && next.firstLsn <= baseLsn + 1;
  const isRefused = finding.kind === 'corrupt' || finding.kind === 'newer';
  return isRefused && isBelow ? { ...finding, kind: 'decayed' } : finding;
}

/**
 * The end of a running node's log may be half written when it is read, so only a result
 * that stays the same counts.
 */
async function inspectSettled(request: Parameters<typeof inspectSegment>[0]): Promise<SegmentReport> {
  let report = await inspectSegment(request);
  for (let attempt = 1; attempt < ATTEMPTS && report.finding?.kind === 'torn'; attempt++) {
    await delay(PAUSE_MS);
    const again = await inspectSegment(request);
    const isSettled = again.bytes === report.bytes && again.finding?.byte === report.finding.byte;
    report = again;
    if (isSettled) break;
  }
  return report;
}

async function inspectSnapshots(
  fileSystem: FileSystem,
  directory: string,
  names: readonly string[],
  manifest: Manifest | undefined,
  findings: Finding[],
): Promise<SnapshotReport[]> {
  const base = manifest?.snapshot ?? '';
  if (base !== '' && !names.includes(base)) {
    const why = 'the base snapshot that MANIFEST names is missing';
    findings.push({ kind: 'missing', file: base, byte: 0, lsn: parseSnapshotName(base)?.lsn ?? 0, why });
  }
  const parsed = names.flatMap((name) => parseSnapshotName(name) ?? []).sort((a, b) => a.lsn - b.lsn);
  const files = await sizesOf(
    fileSystem,
    directory,
    parsed.map(({ name }) => name),
  );
  return parsed.map(({ name, epoch, lsn }, index) => ({
    name,
    bytes: files[index]?.bytes ?? 0,
    position: `${epoch}-${lsn}`,
    isBase: name === base,
  }));
}

async function sizesOf(
  fileSystem: FileSystem,
  directory: string,
  names: readonly string[],
): Promise<FileReport[]> {
  const files: FileReport[] = [];
  for (const name of names) {
    files.push({ name, bytes: (await fileSystem.stat(`${directory}/${name}`))?.sizeBytes ?? 0 });
  }
  return files;
}
