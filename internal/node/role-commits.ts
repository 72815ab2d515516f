/** How a change of role is committed to MANIFEST: before that a failure leaves the old role, after it the new one. */
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { assert } from '#platform/assert.ts';
import type { Manifest } from '#wal/manifest.ts';

/** A slow disk is looked at again after this time. */
const SETTLE_SLICE_MS = 1_000;

/** Resolves when everything in the log is applied, including what is still on its way to the disk. */
export async function settle(engine: Engine, stopped: AbortSignal): Promise<void> {
  for (;;) {
    engine.checkDisk();
    if (await engine.waitApplied(engine.log.tail.lsn, SETTLE_SLICE_MS, stopped)) return;
    if (stopped.aborted) throw unavailable('this node is stopping');
  }
}

/** Commits a role in `term`. Throws `failed_precondition` if a term above `seenMax` was seen meanwhile. */
export function commitRole(
  host: EngineHost,
  term: number,
  fields: Partial<Manifest>,
  seenMax = term - 1,
): Promise<void> {
  return host.directory.update((manifest) => {
    assert(manifest !== undefined, 'the directory is initialised');
    if (manifest.term > seenMax)
      throw new WalnutError('failed_precondition', `term ${manifest.term} was seen meanwhile: try again`);
    return { ...manifest, ...fields, term };
  });
}

/**
 * Commits that this node follows `upstream`, which leads `term`. `isKnown`: false if
 * that node was only told to lead. Writes nothing if MANIFEST says so already: a
 * handover is committed, and the disk may have become full since.
 */
export async function commitFollowing(
  host: EngineHost,
  upstream: string,
  term: number,
  isKnown: boolean,
): Promise<void> {
  const { directory, manifest } = host;
  const isCeded = manifest.role === 'replica' && manifest.upstream === upstream && manifest.term >= term;
  if (isCeded && !isKnown) return;
  await directory.update((current) => {
    assert(current !== undefined, 'the directory is initialised');
    const handover = isKnown ? undefined : current.handover;
    const follows = { role: 'replica', upstream, promotedTo: 0, handover } as const;
    return { ...current, ...follows, term: Math.max(term, current.term) };
  });
}

/**
 * In a cluster, at a start: a master that granted a higher term leads no more. Until the
 * map names the master it follows nobody. One that is not adopted yet stays what it was.
 */
export async function leaveTermThatIsOver({ directory, manifest }: EngineHost): Promise<void> {
  const { role, term, promotedTo = 0, member } = manifest;
  if (role !== 'master' || term <= promotedTo || member?.group === '') return;
  await amendManifest(directory, { role: 'replica', upstream: '', promotedTo: 0 });
}
