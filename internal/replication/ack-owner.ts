/**
 * Decides which node gave an acknowledgement. An address says where a push went,
 * not which node took it, so an ack counts only if it names the node that was
 * pushed to. Pure.
 */
import { WalnutError } from '#model/errors.ts';

/**
 * `own`: the node that was pushed to; `other`: another node at its address;
 * `unnamed`: a node of version 0.1, which does not name itself.
 */
export type AckOwner = 'own' | 'other' | 'unnamed';

export function ownerOf(pushedTo: string, said: string | undefined): AckOwner {
  if (said === undefined) return 'unnamed';
  return said === pushedTo ? 'own' : 'other';
}

/**
 * Throws `not_found` if a push, a claim or a request to lead is `meant` for
 * another node than this one; senders recognise that code. Undefined means that
 * the sender names no node.
 */
export function checkMeant(meant: string | undefined, here: string): void {
  if (meant !== undefined && meant !== here)
    throw new WalnutError('not_found', `this is meant for node ${meant}, and this is node ${here}`);
}

/**
 * The error of a replica that a master of version 0.1 asks to lead. That master
 * names no node, and this replica has not registered with it, so it may be
 * another node that is meant. `own` is this replica's address.
 */
export function meansNobody(own: string): WalnutError {
  return new WalnutError(
    'failed_precondition',
    'a master of version 0.1 does not say which node it means, and this replica has registered with none ' +
      `since its start; if it is the one: walnut promote --address ${own}`,
  );
}

/** True if a call failed because another node answers at the address. */
export function isOtherNode(error: unknown): boolean {
  return error instanceof WalnutError && error.code === 'not_found';
}

/** In a cluster the map says who is where, and no replica is removed. */
export function describeOther(address: string, pushedTo: string, isMember: boolean): string {
  return (
    `another node than ${pushedTo} answers at ${address}: give each replica a server.advertise of its own` +
    (isMember ? ': walnut cluster nodes' : `; if this one is gone for good: walnut remove-replica ${address}`)
  );
}

export const UNNAMED_PROBLEM =
  'it runs version 0.1 and does not say whose disk it acks: it counts for no min_acks and no ' +
  'replication.min_replicas_to_write until it is upgraded';
