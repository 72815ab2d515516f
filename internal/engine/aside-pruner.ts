/**
 * Keeps `aside/` bounded while a node runs. It deletes folders, oldest first, that
 * are older than the maximum age, and while all folders together are larger than
 * the maximum size; the newest folder is never deleted for its size.
 *
 * A folder with segments of a diverged tail is never deleted until an operator has
 * marked that tail as seen (`walnut diverged seen`): clients may have received
 * acknowledgements for those records.
 *
 * Only what a node sets aside is deleted: a file or directory that somebody else put
 * into a folder stays, and so does the folder then.
 *
 * A pure function chooses the folders. Errors of the disk are logged, and the
 * deletion is tried again later.
 */
import { manifestOf, pathIn } from '#engine/manifest-access.ts';
import type { DivergedTail } from '#model/diverged.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { type AsideFolder, asideFolders } from '#wal/aside-folders.ts';
import { ASIDE_NAME, isAsideName, parseSegmentName } from '#wal/file-names.ts';
import type { Manifest } from '#wal/manifest.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

const LOOK_EVERY_MS = 60_000;
/** A tail that was set aside, or seen, is told sooner. */
const TAILS_EVERY_MS = 2_000;

export interface AsideRule {
  /** Bytes of deletable folders that are kept. */
  readonly bytesMax: number;
  /** By the wall clock. */
  readonly ageMaxMs: number;
}

export interface JudgedFolder {
  /** Its number; later folders have higher numbers. */
  readonly number: number;
  /** What a node set aside. */
  readonly files: readonly string[];
  readonly bytes: number;
  /** Wall time at which a file was last moved into it, milliseconds. */
  readonly modifiedMs: number;
  readonly isProtected: boolean;
  /** It contains something else, too. */
  readonly isShared: boolean;
}

export interface AsideState {
  readonly bytes: number;
  /** Bytes that the rule never deletes. */
  readonly protectedBytes: number;
  /** Diverged tails that no operator has marked as seen. */
  readonly unseenTails: number;
}

/** True if segment `seq` contains records of a tail that no operator has seen. */
export function isUnseen({ diverged = [], keepsAsideTo = 0 }: Manifest, seq: number): boolean {
  const holds = ({ segments: [first, last] }: DivergedTail): boolean => seq >= first && seq <= last;
  return seq <= keepsAsideTo || diverged.some((tail) => tail.seenMs === undefined && holds(tail));
}

/** `folders`: oldest first. Pure. */
export function choosePrunable(
  folders: readonly JudgedFolder[],
  rule: AsideRule,
  nowMs: number,
): JudgedFolder[] {
  const free = folders.filter(({ isProtected }) => !isProtected);
  let keptBytes = free.reduce((sum, { bytes }) => sum + bytes, 0);
  return free.filter((folder, index) => {
    const isOld = nowMs - folder.modifiedMs > rule.ageMaxMs;
    const isTooMuch = keptBytes > rule.bytesMax && index < free.length - 1;
    if (isOld || isTooMuch) keptBytes -= folder.bytes;
    return isOld || isTooMuch;
  });
}

/** Remembers that an operator has seen a tail; the rule then applies to its files as to any others. */
export async function noteSeen(directory: WalDirectory, id: number, nowMs: number): Promise<void> {
  const isNew = manifestOf(directory).diverged?.some((tail) => tail.id === id && tail.seenMs === undefined);
  if (isNew !== true) return;
  await directory.update((current) => {
    const manifest = current as Manifest;
    const diverged = (manifest.diverged ?? []).map((tail) =>
      tail.id === id ? { ...tail, seenMs: nowMs } : tail,
    );
    return { ...manifest, diverged };
  });
}

/** What MANIFEST remembers of tails: at most `countMax`, seen ones forgotten first; the files of others stay for good. */
export function rememberTail(
  manifest: Manifest,
  tail: DivergedTail,
  countMax: number,
): Pick<Manifest, 'diverged' | 'keepsAsideTo'> {
  const all = [...(manifest.diverged ?? []), tail];
  let { keepsAsideTo } = manifest;
  while (all.length > countMax) {
    const seen = all.findIndex(({ seenMs }) => seenMs !== undefined);
    const [forgotten] = all.splice(Math.max(0, seen), 1);
    if (seen === -1) keepsAsideTo = Math.max(keepsAsideTo ?? 0, forgotten?.segments[1] ?? 0);
  }
  return keepsAsideTo === undefined ? { diverged: all } : { diverged: all, keepsAsideTo };
}

export interface AsidePrunerOptions {
  readonly directory: WalDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rule: AsideRule;
  readonly onState?: ((state: AsideState) => void) | undefined;
}

export class AsidePruner {
  readonly #options: AsidePrunerOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #isTroubled = false;

  constructor(options: AsidePrunerOptions) {
    this.#options = options;
  }

  /** Prunes now, then every minute, and when the list of diverged tails changes. */
  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, directory } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      // Read before the look: a list that changes during it is looked at again.
      const { diverged } = manifestOf(directory);
      try {
        await this.look();
        this.#isTroubled = false;
      } catch (error) {
        if (!this.#isTroubled) logger.warn({ err: error }, 'aside/ cannot be looked through');
        this.#isTroubled = true;
      }
      await this.#untilDue(diverged);
    }
  }

  /** Resolves after a minute, within seconds of a change of the list of diverged tails, or on an abort. */
  async #untilDue(diverged: Manifest['diverged']): Promise<void> {
    const { clock, directory } = this.#options;
    const { signal } = this.#abort;
    let ms = 0;
    while (ms < LOOK_EVERY_MS && manifestOf(directory).diverged === diverged && !signal.aborted) {
      await clock.sleep(TAILS_EVERY_MS, signal);
      ms += TAILS_EVERY_MS;
    }
  }

  /** Deletes the folders that the rule does not keep. */
  async look(): Promise<void> {
    const { directory, clock, logger, rule, onState } = this.#options;
    const { fileSystem } = directory;
    const folders = await this.#folders();
    const gone = choosePrunable(folders, rule, clock.wallMs());
    for (const { number, files, bytes, isShared } of gone) {
      const folder = pathIn(directory, `${ASIDE_NAME}/${number}`);
      for (const name of files) await fileSystem.remove(`${folder}/${name}`);
      if (!isShared) await fileSystem.removeDirectory(folder);
      logger.warn({ folder, files, bytes }, 'deleted what was set aside: over wal.aside_max_bytes or _age');
    }
    const kept = folders.filter((folder) => !gone.includes(folder));
    const sum = (of: readonly JudgedFolder[]): number => of.reduce((total, { bytes }) => total + bytes, 0);
    const { diverged = [] } = manifestOf(directory);
    const seqs = kept.flatMap(({ files }) => files).flatMap((name) => parseSegmentName(name)?.seq ?? []);
    // A tail whose files somebody removed by hand is nobody's any more.
    const isThere = ({ segments: [first, last] }: DivergedTail): boolean =>
      seqs.some((seq) => seq >= first && seq <= last);
    onState?.({
      bytes: sum(kept),
      protectedBytes: sum(kept.filter(({ isProtected }) => isProtected)),
      unseenTails: diverged.filter((tail) => tail.seenMs === undefined && isThere(tail)).length,
    });
  }

  async #folders(): Promise<JudgedFolder[]> {
    const { directory } = this.#options;
    const manifest = manifestOf(directory);
    const folders = (await asideFolders(directory.fileSystem, directory.path)).map((folder) =>
      judge(folder, manifest),
    );
    // One with nothing but files of somebody else is none of the node's any more.
    return folders.filter(({ files, isShared }) => files.length > 0 || !isShared);
  }
}

/** Pure. */
function judge({ number, modifiedMs, files: all, hasOthers }: AsideFolder, manifest: Manifest): JudgedFolder {
  const own = all.filter(({ name }) => isAsideName(name));
  const files = own.map(({ name }) => name);
  return {
    number,
    files,
    bytes: own.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    modifiedMs: Math.max(modifiedMs, ...own.map((file) => file.modifiedMs)),
    isProtected: files.some((name) => {
      const seq = parseSegmentName(name)?.seq;
      return seq !== undefined && isUnseen(manifest, seq);
    }),
    isShared: hasOthers || own.length < all.length,
  };
}
