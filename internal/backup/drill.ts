/**
 * A recovery drill: copies the log of a node, running or stopped, into a scratch
 * directory, cuts the copy at chosen places, recovers it by the code that every
 * start runs, and compares the result with a separate fold of the copy and with the
 * digest of the running node.
 *
 * The report lists damage and differences; they are not errors of the drill.
 */
import { type CutKind, type DrillCut, planCuts } from '#backup/drill-cuts.ts';
import { digestAnew, foldLog, type StateDigest } from '#backup/fold-log.ts';
import { checkTail } from '#backup/live-segment.ts';
import { ImageDamageError, type LogImage } from '#backup/log-image.ts';
import { recoverShadow, removeFiles, type ShadowParts, writeImage } from '#backup/shadow.ts';
import { withLogImage } from '#backup/survey-log.ts';
import type { DigestAnswer } from '#model/entry.ts';
import type { Random } from '#platform/random.ts';
import { openDirectory } from '#wal/wal-directory.ts';
import { type DamagePlace, WalOpenError } from '#wal/wal-errors.ts';

export interface DrillOptions {
  /** `wal.directory` of the node. */
  readonly from: string;
  /** An existing empty directory; the drill needs twice the size of the log and its snapshot there. */
  readonly scratch: string;
  readonly cut: CutKind;
  /** Chooses random cuts. */
  readonly random: Random;
  readonly runs: number;
  /** What the live node said before the copy is made. */
  readonly live?: DigestAnswer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One recovery. */
export interface DrillRun {
  readonly cut: string;
  /** Why it failed; undefined: it recovered up to the expected record, with the digest of the fold. */
  readonly failure: string | undefined;
  readonly expectedLsn: number;
  readonly recoveredLsn: number;
  /** Records of the copy that the cut removed from the recovered state. */
  readonly lostRecords: number;
  /** Records replayed after the snapshot. */
  readonly records: number;
  /** Snapshot and log read. */
  readonly bytes: number;
  /** From taking the directory to a log that can be appended to. */
  readonly recoveryMs: number;
}

export interface DrillReport {
  /** The last record when the copy was made, and its digest. */
  readonly lastLsn: number;
  readonly entries: number;
  readonly digest: string;
  readonly runs: readonly DrillRun[];
  /** Against the live node's digest, at its position. */
  readonly live: 'same' | 'different' | 'not compared';
  /** The first record that is damaged in the node's files. */
  readonly firstBad: DamagePlace | undefined;
  readonly isPassed: boolean;
}

export async function runDrill(parts: ShadowParts, options: DrillOptions): Promise<DrillReport> {
  try {
    return await drill(parts, options);
  } catch (error) {
    if (!(error instanceof ImageDamageError)) throw error;
    // Damage that only showed in the copy was in the original.
    const { place } = error;
    const file = place.file.replace(copyIn(options), options.from);
    const firstBad = { ...place, file };
    return { lastLsn: 0, entries: 0, digest: '', runs: [], live: 'not compared', firstBad, isPassed: false };
  }
}

function copyIn({ scratch }: DrillOptions): string {
  return `${scratch}/copy`;
}

async function drill(parts: ShadowParts, options: DrillOptions): Promise<DrillReport> {
  const { fileSystem } = parts;
  const held = copyIn(options);
  await fileSystem.makeDirectory(held);
  const image = await withLogImage(parts, options.from, async (source, reading) => {
    for (const name of await fileSystem.readDirectory(held)) await fileSystem.remove(`${held}/${name}`);
    await writeImage(reading, source, held);
    const copy = movedTo(source, held);
    const tail = copy.segments.at(-1);
    if (tail !== undefined && !tail.isSealed) await checkTail(parts, tail, copy.last);
    return copy;
  });
  const cuts = await planCuts(parts, image, options.cut, options);
  const wanted = new Set(cuts.map(({ expectedLsn }) => expectedLsn));
  if (options.live !== undefined) wanted.add(options.live.position.lsn);
  const { digests, last } = await foldDigests(parts, image, wanted);
  const runs: DrillRun[] = [];
  for (const [index, cut] of cuts.entries()) {
    if (options.signal?.aborted === true) break;
    const path = `${options.scratch}/run-${index + 1}`;
    runs.push(await recoverCut(parts, cut, path, digests.get(cut.expectedLsn), image));
    if (index < cuts.length - 1) await removeFiles(parts, path);
  }
  const live = compareLive(options.live, digests);
  const isPassed =
    live !== 'different' && runs.length > 0 && runs.every(({ failure }) => failure === undefined);
  return { lastLsn: image.last.lsn, ...last, runs, live, firstBad: undefined, isPassed };
}

function movedTo(image: LogImage, directory: string): LogImage {
  const { base, segments } = image;
  return {
    ...image,
    base: base === undefined ? undefined : { ...base, path: `${directory}/${base.name}` },
    segments: segments.map((segment) => ({ ...segment, path: `${directory}/${segment.name}` })),
  };
}

/** Folds the image and returns only the digests, so that the state is freed before the first recovery. */
async function foldDigests(
  parts: ShadowParts,
  image: LogImage,
  digestAt: ReadonlySet<number>,
): Promise<{ digests: ReadonlyMap<number, StateDigest>; last: StateDigest }> {
  const { store, digests } = await foldLog(parts, image, { digestAt });
  const last = digestAnew(store);
  if (last === undefined) throw new Error('the digest of the state is not the one kept while folding');
  return { digests, last };
}

async function recoverCut(
  parts: ShadowParts,
  cut: DrillCut,
  path: string,
  expected: StateDigest | undefined,
  image: LogImage,
): Promise<DrillRun> {
  const bytes = await boot(parts, cut, path);
  const base = { cut: cut.label, expectedLsn: cut.expectedLsn, bytes };
  const { clock } = parts;
  const startedMs = clock.monotonicMs();
  try {
    const directory = await openDirectory({ ...parts, path });
    const openedMs = clock.monotonicMs() - startedMs;
    try {
      const recovered = await recoverShadow(parts, directory);
      const { lsn } = recovered.position;
      return {
        ...base,
        failure: whyWrong(cut, recovered, expected),
        recoveredLsn: lsn,
        lostRecords: image.last.lsn - lsn,
        records: lsn - (image.base?.point.lsn ?? 0),
        recoveryMs: openedMs + recovered.elapsedMs,
      };
    } finally {
      await directory.close();
    }
  } catch (error) {
    if (!(error instanceof WalOpenError)) throw error;
    const lostRecords = image.last.lsn;
    const nothing = { recoveredLsn: 0, records: 0, lostRecords, recoveryMs: clock.monotonicMs() - startedMs };
    return { ...base, ...nothing, failure: error.message };
  }
}

/** Makes the data directory that the shadow starts on. */
async function boot(parts: ShadowParts, cut: DrillCut, path: string): Promise<number> {
  const directory = await openDirectory({ ...parts, path });
  try {
    // The excluded numbers are kept, although those segments were not copied.
    await directory.commit(cut.image.manifest);
    return await writeImage(parts, cut.image, path);
  } finally {
    await directory.close();
  }
}

/** Why the recovered state is not the expected one; undefined if it is. Pure. */
export function whyWrong(
  cut: Pick<DrillCut, 'expectedLsn'>,
  recovered: { readonly position: { readonly lsn: number } } & StateDigest,
  expected: StateDigest | undefined,
): string | undefined {
  const { position, digest, entries } = recovered;
  if (position.lsn !== cut.expectedLsn)
    return `recovered LSN ${position.lsn}, expected LSN ${cut.expectedLsn}`;
  if (expected === undefined) return `the fold did not come by LSN ${cut.expectedLsn}`;
  if (digest === expected.digest && entries === expected.entries) return undefined;
  return `${entries} entries, digest ${digest}; the fold has ${expected.entries} and ${expected.digest}`;
}

function compareLive(
  live: DigestAnswer | undefined,
  digests: ReadonlyMap<number, StateDigest>,
): DrillReport['live'] {
  const folded = live === undefined ? undefined : digests.get(live.position.lsn);
  if (live === undefined || folded === undefined) return 'not compared';
  return live.digest === folded.digest && live.entries === folded.entries ? 'same' : 'different';
}
