/**
 * Whose disk an acknowledgement speaks of. An address says where a push went,
 * never which node took it: only an ack that names the node pushed to is
 * counted. Pure.
 */
import { WalnutError } from '#model/errors.ts';

/**
 * `own`: the node pushed to; `other`: another one stands at its address;
 * `unnamed`: a node of version 0.1, which does not say.
 */
export type AckOwner = 'own' | 'other' | 'unnamed';

export function ownerOf(pushedTo: string, said: string | undefined): AckOwner {
  if (said === undefined) return 'unnamed';
  return said === pushedTo ? 'own' : 'other';
}

/**
 * Throws `not_found` where a push, a claim or a word to lead is `meant` for
 * another node than this one: the sender knows it by that code. Undefined: the
 * sender does not say whom it means.
 */
export function checkMeant(meant: string | undefined, here: string): void {
  if (meant !== undefined && meant !== here)
    throw new WalnutError('not_found', `this is meant for node ${meant}, and this is node ${here}`);
}

/**
 * What a replica answers that is told to lead by a master of version 0.1, which
 * names nobody, and knows by no registration that it is the one. `own`: its address.
 */
export function meansNobody(own: string): WalnutError {
  return new WalnutError(
    'failed_precondition',
    'a master of version 0.1 does not say which node it means, and this replica has registered with none ' +
      `since its start; if it is the one: walnut promote --address ${own}`,
  );
}

/** Whether a call failed because another node stands at the address. */
export function isOtherNode(error: unknown): boolean {
  return error instanceof WalnutError && error.code === 'not_found';
}

export function describeOther(address: string, pushedTo: string): string {
  return (
    `another node than ${pushedTo} answers at ${address}: give each replica a server.advertise of its own; ` +
    `if this one is gone for good: walnut remove-replica ${address}`
  );
}

export const UNNAMED_PROBLEM =
  'it runs version 0.1 and does not say whose disk it acks: it counts for no min_acks and no ' +
  'replication.min_replicas_to_write until it is upgraded';
