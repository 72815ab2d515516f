/**
 * The replica's side of a planned failover: the master, which takes no more
 * writes, tells it to lead. A refusal is final, so the term is persisted with it.
 */
import { counted } from '#model/counted.ts';
import { WalnutError } from '#model/errors.ts';
import type { TakeOverAnswer, TakeOverRequest } from '#model/leadership.ts';
import { formatPosition } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { DelayStatus } from '#model/status.ts';
import { whyNotBelieved } from '#model/terms.ts';
import type { ReplicaRole } from '#node/replica-role.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import { checkMeant, meansNobody } from '#replication/ack-owner.ts';

/** A delayed replica applies all its waiting records while no writes are taken: about a second's work. */
const LATE_RECORDS_MAX = 100_000;

/** Throws `not_found` if another node is meant, `failed_precondition` if another node than its master calls. */
export async function takeOver(keeper: RoleKeeper, request: TakeOverRequest): Promise<TakeOverAnswer> {
  const { host } = keeper;
  const { nodeId } = host.manifest;
  checkMeant(request.replicaNodeId, nodeId);
  // MANIFEST decides, because the record of the epoch may have to wait for space.
  if (keeper.current?.kind === 'master' && host.manifest.promotedTo === request.term)
    return { isAccepted: true, reason: '', nodeId };
  return keeper.exclusively('a failover', async () => {
    const reason = whyNotLead(keeper, request);
    if (request.isCheck) return { isAccepted: reason === undefined, reason: reason ?? '', nodeId };
    if (reason !== undefined) {
      // The same call may arrive again later.
      const isOurs = request.logId === host.manifest.logId;
      if (isOurs && whyNotBelieved(request.term, host.knownTerm) === undefined)
        await host.raiseTerm(request.term);
      return { isAccepted: false, reason, nodeId };
    }
    await keeper.lead(request.term, [host.manifest.upstream], { isHandedOver: true });
    return { isAccepted: true, reason: '', nodeId };
  });
}

function whyNotLead(keeper: RoleKeeper, request: TakeOverRequest): string | undefined {
  const { host, current } = keeper;
  const { manifest, engine } = host;
  if (request.logId !== manifest.logId || engine === undefined)
    return `it has log ${manifest.logId || '(none)'}`;
  if (current?.kind !== 'replica') return 'it is a master';
  const disbelieved = whyNotBelieved(request.term, manifest.term);
  if (disbelieved !== undefined) return disbelieved;
  if (request.term <= manifest.term) return `it has seen term ${manifest.term}`;
  // Throws instead of refusing, because the real master may make the same call in a moment.
  if (current.upstreamNodeId !== '' && current.upstreamNodeId !== request.nodeId)
    throw new WalnutError('failed_precondition', `this replica follows node ${current.upstreamNodeId}`);
  if (request.replicaNodeId === undefined && current.upstreamNodeId === '')
    throw meansNobody(keeper.ownAddress);
  if (manifest.quarantine !== null) return 'it is quarantined';
  const delay = host.delayed?.status;
  const unfit = whyUnfit(current, delay, request.isCheck);
  if (unfit !== undefined || (request.isCheck && request.tail.lsn === 0)) return unfit;
  const { tail } = engine.log;
  if (!isSame(tail, request.tail))
    return `its last record is ${formatPosition(tail)}, not ${formatPosition(request.tail)}`;
  if (delay === undefined && engine.applied.lsn < tail.lsn)
    return `it has applied only through ${engine.applied.lsn} of ${tail.lsn}`;
  return engine.durableLsn < tail.lsn ? `its disk has only ${engine.durableLsn} of ${tail.lsn}` : undefined;
}

/** Why the state of this replica keeps it from leading; undefined if nothing does. */
function whyUnfit(role: ReplicaRole, delay: DelayStatus | undefined, isCheck: boolean): string | undefined {
  if (role.doubt !== '') return `its state is in doubt: ${role.doubt}`;
  if (delay?.isHeld === true)
    return `an operator paused applying there: ${counted(delay.waitingRecords, 'record waits', 'records wait')}; first walnut delay resume`;
  if (!isCheck) return undefined;
  const waiting = delay?.waitingRecords ?? 0;
  if (waiting > LATE_RECORDS_MAX)
    return `${counted(waiting, 'record waits', 'records wait')} there to be applied late: first walnut delay release --all`;
  if (role.state === 'streaming' || role.state === 'delayed') return undefined;
  return `it is ${role.state}: ${role.reasons.join('; ')}`;
}

function isSame(a: ChainPoint, b: ChainPoint): boolean {
  return a.lsn === b.lsn && a.epoch === b.epoch && a.crc === b.crc;
}
