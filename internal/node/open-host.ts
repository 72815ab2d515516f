/**
 * Opens the data directory and decides its identity and role. The binary and its
 * configuration decide the role of a fresh directory only; later MANIFEST does,
 * unless `--force-role` overrides it.
 */

import { EngineHost } from '#engine/engine-host.ts';
import { newIncarnation } from '#engine/incarnation.ts';
import { amendManifest, manifestOf } from '#engine/manifest-access.ts';
import type { RecoveryProgress } from '#engine/recovery-meter.ts';
import { TERM_MAX } from '#model/position.ts';
import type { Role } from '#model/status.ts';
import { termToExceed } from '#model/terms.ts';
import { adoptedPlace, checkPlace, placeOf } from '#node/member-place.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { pendingHandoverOf } from '#node/pending-handover.ts';
import { OWN_TERMS } from '#node/term-source.ts';
import type { Manifest } from '#wal/manifest.ts';
import { openDirectory, type WalDirectory } from '#wal/wal-directory.ts';
import { orUnusable, WalOpenError } from '#wal/wal-errors.ts';

export async function openHost(
  options: NodeOptions,
  onProgress: (progress: RecoveryProgress) => void,
): Promise<EngineHost> {
  const { fileSystem, logger } = options;
  const directory = await openDirectory({ fileSystem, path: options.directory, logger });
  try {
    await orUnusable(directory.path, async () => {
      checkObserver(directory, options);
      await settleIdentity(directory, options);
      checkUpstream(directory, options);
      await directory.sweepAside();
    });
  } catch (error) {
    await directory.close();
    throw error;
  }
  directory.onFailed = (error) => options.onFatal(error);
  return new EngineHost(
    directory,
    {
      fileSystem,
      clock: options.clock,
      random: options.random,
      logger,
      fsync: options.fsync,
      syncIntervalMs: options.walSyncIntervalMs,
      requestedSyncGapMs: options.pushIntervalMs,
      maxFileBytes: options.maxFileBytes,
      // The calling thread of an observer is that of the program around it.
      writeNowBytesMax: options.isObserver === true ? 0 : undefined,
      retentionBytes: options.retentionBytes,
      snapshotEveryBytes: options.snapshotEveryBytes,
      snapshotPendingBytesMax: options.snapshotPendingBytesMax,
      logMeter: options.logMeter,
      applyDelayMs: options.applyDelayMs,
      sharesValues: options.isObserver,
    },
    onProgress,
  );
}

/** An observer never leads, so the directory of a master is not for it. */
function checkObserver({ path, manifest }: WalDirectory, { isObserver }: NodeOptions): void {
  if (isObserver !== true || manifest === undefined) return;
  const why =
    manifest.role === 'master' ? "a master's" : manifest.member === undefined ? '' : "a cluster member's";
  if (why === '') return;
  throw new WalOpenError(
    'unusable',
    `${path} is ${why} and cannot be an embedded replica's: expected an empty directory, or one of an earlier embedded replica`,
  );
}

/** Throws for a replica without a master to follow, which would wait for ever. */
function checkUpstream(directory: WalDirectory, options: NodeOptions): void {
  const { role, upstream } = manifestOf(directory);
  const isFollower = role === 'replica' && options.member === undefined;
  if (!isFollower || options.upstream !== '' || upstream !== '') return;
  throw new WalOpenError(
    'unusable',
    `${directory.path} is a replica's and no master is known to it: start it with walnut-slave and master.address set`,
  );
}

async function settleIdentity(directory: WalDirectory, options: NodeOptions): Promise<void> {
  const wanted: Role = options.forcedRole ?? options.role;
  if (directory.manifest === undefined) {
    await directory.commit({
      format: 1,
      logId: wanted === 'master' ? options.random.id128() : '',
      nodeId: options.random.id128(),
      incarnation: newIncarnation(options.random),
      ...placeOf(options.member),
      role: wanted,
      upstream: wanted === 'master' ? '' : options.upstream,
      configuredUpstream: options.upstream,
      term: wanted === 'master' ? 1 : 0,
      snapshot: '',
      lowestSegment: 1,
      replicas: { added: [], removed: [] },
      quarantine: null,
    });
    return;
  }
  await settleRole(directory, options);
}

async function settleRole(directory: WalDirectory, options: NodeOptions): Promise<void> {
  const adopted = adoptedPlace(directory.path, manifestOf(directory), options.member, options.random);
  if (adopted !== undefined) {
    await amendManifest(directory, adopted);
    options.logger.warn({ ...adopted }, 'the directory of a plain group is one of a member from now on');
  }
  checkPlace(directory.path, manifestOf(directory), options.member);
  const { logger, forcedRole, upstream } = options;
  const manifest = manifestOf(directory);
  checkTerms(directory, forcedRole === 'master');
  if (forcedRole === 'master') {
    // A forced master begins a new term, which fences the master before it.
    const logId = manifest.logId === '' ? options.random.id128() : manifest.logId;
    const terms = options.terms ?? OWN_TERMS;
    const term = await terms.next(termToExceed(manifest, manifest.term));
    logger.warn({ was: manifest.role, term }, '--force-role master: beginning a new term');
    // A pending handover is dropped: the node that was told to lead must not be told again if this one
    // follows some day.
    const role = { role: 'master', upstream: '', term, promotedTo: term, handover: undefined } as const;
    await amendManifest(directory, { ...role, logId, isRestored: undefined, quarantine: null });
    return;
  }
  if (forcedRole === 'replica') {
    const follows = { upstream, configuredUpstream: upstream, handover: handoverTo(upstream, manifest) };
    await amendManifest(directory, { role: 'replica', ...follows, promotedTo: 0 });
    return;
  }
  await settleUpstream(directory, upstream);
  // The map decides what a member is.
  if (manifest.role === options.role || options.member !== undefined) return;
  logger.warn(
    { manifest: manifest.role, binary: options.role },
    `the data directory is a ${manifest.role}'s and stays one; change that with --force-role ${options.role}`,
  );
}

/** Throws if the term is so high that this node could lead no epoch, and persist no higher term. */
function checkTerms(directory: WalDirectory, isForced: boolean): void {
  const { term, promotedTo = 0 } = manifestOf(directory);
  const highest = Math.max(term, promotedTo);
  if (highest < TERM_MAX || (highest === TERM_MAX && !isForced)) return;
  throw new WalOpenError(
    'unusable',
    `${directory.path}: MANIFEST has term ${highest}, and ${TERM_MAX} is the highest there is: ` +
      `stop every node of the group and run on each: walnut wal reset-term ${directory.path}`,
  );
}

/**
 * After a failover the configuration of a replica still names the old master. It
 * counts only if an operator has changed it since the last start.
 */
async function settleUpstream(directory: WalDirectory, upstream: string): Promise<void> {
  const manifest = manifestOf(directory);
  if (upstream === '' || manifest.configuredUpstream === upstream) return;
  const follows = manifest.role === 'replica' ? upstream : manifest.upstream;
  const handover = handoverTo(follows, manifest);
  await amendManifest(directory, { upstream: follows, configuredUpstream: upstream, handover });
}

/**
 * Keeps a pending handover only if the operator names the node that it is for: any
 * other node leads already.
 */
function handoverTo(upstream: string, manifest: Manifest): Manifest['handover'] {
  const handover = pendingHandoverOf(manifest);
  return handover?.to === upstream ? handover : undefined;
}
