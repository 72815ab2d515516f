/**
 * Decides what a node does when another says that it leads. The word alone is not
 * enough: the node at the address must say the same of itself. A node with the log
 * follows a higher term; a node without data, or a master that has never taken a
 * write, follows the first master that counts it among its replicas.
 */

import { completeAddress } from '#model/address.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { AnnounceAnswer, AnnounceRequest } from '#model/leadership.ts';
import { termOf } from '#model/position.ts';
import { checkBelieved } from '#model/terms.ts';
import { isLeading } from '#node/ask-replicas.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import { assertNever } from '#platform/assert.ts';
import { messageOf } from '#platform/thrown.ts';

/** Shorter than the second that the sender waits. */
const CONFIRM_TIMEOUT_MS = 800;

type Standing =
  | { readonly kind: 'known' }
  /**
   * The sender is the master that is followed, or sought: its address is tried if it
   * cannot be reached at the known ones.
   */
  | { readonly kind: 'consider' }
  | { readonly kind: 'fenced'; readonly term: number }
  /** Both are masters of one term, so both stop taking writes. */
  | { readonly kind: 'equal'; readonly term: number }
  /** `term`: what is persisted with it; 0 on a node without a log, which has no terms to compare. */
  | { readonly kind: 'follow'; readonly term: number }
  /** This node is a master that has never taken a write: it gives its own log up. */
  | { readonly kind: 'join' }
  /** This node is a master of another log, with data: an operator must decide where it belongs. */
  | { readonly kind: 'rival' };

/** Throws `failed_precondition` if the sender cannot be followed, `unavailable` if it cannot be confirmed. */
export async function receiveAnnouncement(
  keeper: RoleKeeper,
  request: AnnounceRequest,
  remoteAddress: string,
): Promise<AnnounceAnswer> {
  const address = completeAddress(request.advertise, remoteAddress);
  const before = standingOf(keeper, request, address);
  const needsProof = before.kind !== 'known' && before.kind !== 'consider' && before.kind !== 'fenced';
  if (needsProof) await confirm(keeper, request, address);
  // Another change may have come between confirming and this one.
  return keeper.exclusively('a change of master', async () => {
    const standing = standingOf(keeper, request, address);
    switch (standing.kind) {
      case 'known':
        return { fencedBy: undefined };
      case 'consider':
        if (keeper.current?.kind === 'replica') keeper.current.consider(address);
        return { fencedBy: undefined };
      case 'fenced':
        return { fencedBy: standing.term };
      case 'equal':
        if (keeper.current?.kind === 'master')
          await keeper.current.meetEqual({ nodeId: request.nodeId, address }, standing.term);
        return { fencedBy: standing.term };
      case 'follow':
        await keeper.follow(address, standing.term);
        return { fencedBy: undefined };
      case 'join':
        if (await keeper.join(address, request.logId)) return { fencedBy: undefined };
        break;
      case 'rival':
        break;
      default:
        return assertNever(standing);
    }
    keeper.noteRival(address, request.logId);
    throw new WalnutError(
      'failed_precondition',
      `this node is the master of another log, ${keeper.host.manifest.logId}`,
    );
  });
}

function standingOf(keeper: RoleKeeper, request: AnnounceRequest, address: string): Standing {
  const { host, current: role } = keeper;
  const { manifest } = host;
  if (role === undefined) throw unavailable('this node is loading: see walnut status');
  if (request.nodeId === manifest.nodeId) return { kind: 'known' };
  if (request.logId === '')
    throw new WalnutError('failed_precondition', 'the announcement names no log: refused');
  if (role.kind === 'replica' && manifest.logId === '') {
    if (role.upstreamNodeId === request.nodeId && manifest.upstream === address) return { kind: 'known' };
    if (!role.isLinked && !role.isKept) return { kind: 'follow', term: 0 };
    throw new WalnutError('failed_precondition', `this replica follows ${manifest.upstream} already`);
  }
  if (request.logId !== manifest.logId) {
    if (role.kind === 'master') return { kind: keeper.isBlank ? 'join' : 'rival' };
    throw new WalnutError('failed_precondition', `this node has log ${manifest.logId || '(none)'}`);
  }
  checkBelieved(request.term, manifest.term);
  if (request.term < manifest.term) return { kind: 'fenced', term: manifest.term };
  const ownTerm = termOf(host.engine?.log.tail.epoch ?? 0);
  if (role.kind === 'master' && request.term === ownTerm) {
    // In a cluster the store gave the term twice, and this node may have acknowledged writes at QUORUM.
    if (role.isTakingWrites && (manifest.member?.group ?? '') !== '')
      throw new WalnutError(
        'failed_precondition',
        `this node leads term ${ownTerm} too: see walnut cluster status`,
      );
    return { kind: role.isTakingWrites ? 'equal' : 'fenced', term: ownTerm };
  }
  if (role.kind === 'replica') {
    // The address of the master is known or configured, and may be a name: the announced one only helps if
    // that fails.
    const isKnown = role.upstreamNodeId === request.nodeId;
    if (isKnown || (role.upstreamNodeId === '' && request.term === ownTerm)) return { kind: 'consider' };
    if (request.term === ownTerm) {
      const why = `this replica follows ${manifest.upstream} in term ${ownTerm} already`;
      throw new WalnutError('failed_precondition', why);
    }
  }
  return { kind: 'follow', term: request.term };
}

/** Throws unless the node at the address is the announced one, and leads that term of that log. */
async function confirm(keeper: RoleKeeper, request: AnnounceRequest, address: string): Promise<void> {
  const { dialer, logger } = keeper.options;
  const link = dialer.dial(address);
  try {
    const status = await link.status({ timeoutMs: CONFIRM_TIMEOUT_MS, signal: keeper.stopSignal });
    const leads =
      status.nodeId === request.nodeId &&
      status.logId === request.logId &&
      isLeading(status) &&
      status.term >= request.term;
    if (leads) return;
    logger.warn({ address, request }, 'an announcement was not believed: the node there says otherwise');
    throw new WalnutError(
      'failed_precondition',
      `the node at ${address} does not say that it leads term ${request.term} of log ${request.logId}`,
    );
  } catch (error) {
    if (error instanceof WalnutError && error.code === 'failed_precondition') throw error;
    const why = messageOf(error);
    throw unavailable(`${address} cannot be asked whether it leads term ${request.term}: ${why}`);
  } finally {
    link.close();
  }
}
