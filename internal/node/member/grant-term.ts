/**
 * A coordinator claims a term for the group (ADR 17, step b). The member persists it, and
 * from then on takes nothing of a lower one; then it says its last record that is on its
 * disk. The same claim is granted again until the term is led: after that it can only come
 * from a coordinator whose store is older than the group, and would make a second master.
 */
import type { TermClaim, TermClaimAnswer } from '#cluster/member-port.ts';
import type { Engine } from '#engine/engine.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import { unavailable } from '#model/errors.ts';
import { NO_POSITION, termOf } from '#model/position.ts';
import { whyNotBelieved } from '#model/terms.ts';
import { checkWhom, takePlace } from '#node/member/whom.ts';
import { settle } from '#node/role-commits.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import { assert } from '#platform/assert.ts';

const SYNC_TIMEOUT_MS = 5_000;

/** Throws `not_found` if another node is meant, `unavailable` during another change of role. */
export async function grantTerm(keeper: RoleKeeper, request: TermClaim): Promise<TermClaimAnswer> {
  const { host } = keeper;
  checkWhom(host.manifest, request);
  if (keeper.current === undefined || request.isCheck) return answer(keeper, whyNotGranted(keeper, request));
  return keeper.exclusively('a claim', async () => {
    const why = whyNotGranted(keeper, request);
    if (why !== undefined) return answer(keeper, why);
    await takePlace(host, request);
    await grant(keeper, request);
    keeper.options.logger.warn({ term: request.term, tail: host.engine?.log.tail }, 'granted a term');
    return answer(keeper, undefined);
  });
}

function whyNotGranted(keeper: RoleKeeper, { term }: TermClaim): string | undefined {
  const { host, current } = keeper;
  if (current === undefined) return 'it recovers its log';
  const { manifest } = host;
  if (term < manifest.term) return `it has granted term ${manifest.term}`;
  if (isLed(keeper, term)) return `term ${term} is led`;
  return whyNotBelieved(term, host.knownTerm);
}

/** True if this node led the term, took a push of its master, or has a record of it. */
function isLed({ host, current }: RoleKeeper, term: number): boolean {
  const { promotedTo } = host.manifest;
  const tail = host.engine?.log.tail;
  const acked = current?.kind === 'replica' ? current.lastAck?.term : undefined;
  return promotedTo === term || acked === term || (tail !== undefined && termOf(tail.epoch) === term);
}

async function grant(keeper: RoleKeeper, { logId, term }: TermClaim): Promise<void> {
  const { host, current, stopSignal } = keeper;
  const { manifest } = host;
  if (manifest.logId === '' && current?.kind === 'replica') await current.adopt(logId, term);
  await host.raiseTerm(term);
  if (manifest.handover !== undefined) await amendManifest(host.directory, { handover: undefined });
  if (current?.kind === 'master') {
    current.fence(term);
    assert(host.engine !== undefined, 'a master has an engine');
    await settle(host.engine, stopSignal);
  } else if (current?.kind === 'replica') await current.settled();
  // An engine that was replaced meanwhile, by a snapshot that was installed before the term was raised, counts.
  if (host.engine !== undefined) await untilDurable(host.engine, stopSignal);
}

/** The tail is promised: it must not be lost with the power. */
async function untilDurable(engine: Engine, signal: AbortSignal): Promise<void> {
  const { lsn } = engine.log.tail;
  if (await engine.waitDurable(lsn, SYNC_TIMEOUT_MS, signal)) return;
  engine.checkDisk();
  throw unavailable(`record ${lsn} is not on the disk yet`);
}

function answer({ host, current }: RoleKeeper, why: string | undefined): TermClaimAnswer {
  const { manifest, engine } = host;
  return {
    isGranted: why === undefined,
    term: manifest.term,
    reason: why ?? '',
    voter: { node: manifest.member?.node ?? '', incarnation: manifest.incarnation ?? 0 },
    tail: engine === undefined || current === undefined ? NO_POSITION : engine.durablePosition,
    epochs: engine === undefined || current === undefined ? [] : engine.epochStarts(),
    isQuarantined: manifest.quarantine !== null,
    isLoading: current === undefined || current.state === 'loading',
  };
}
