/**
 * Whether a call is let in: the one place that decides it, for rpcs, keys and
 * plain routes alike, before a body is read. What is asked, in this order: the name
 * that the request is sent to, the address that it comes from, and whether the server
 * still takes work.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from '#model/access.ts';
import { WalnutError } from '#model/errors.ts';
import type { HostPolicy } from '#rpc/host-policy.ts';
import { isPrivateAddress, protectedModeMessage } from '#rpc/protected-mode.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';

export interface Refusal {
  /** A request under a foreign name is answered before anything else of it is looked at. */
  readonly by: 'table' | 'name' | 'address' | 'drain';
  readonly error: WalnutError;
}

export interface Admission {
  /**
   * Undefined: the call is admitted. `target`: the request's URL, which over
   * HTTP/1.1 may name a host too.
   */
  refusal(
    operation: Operation,
    call: RpcCall,
    headers: IncomingHttpHeaders,
    target: string,
  ): Refusal | undefined;
}

export interface AdmissionOptions {
  readonly hosts: HostPolicy;
  /** Whether strangers are refused: without authentication, all that come from afar. */
  readonly isProtected: boolean;
  readonly isDraining: () => boolean;
  /** Where a caller may go instead of a server that drains. */
  readonly leaderHint: () => string | undefined;
}

export function createAdmission({ hosts, isProtected, isDraining, leaderHint }: AdmissionOptions): Admission {
  return {
    refusal: (operation, { remoteAddress }, headers, target) => {
      if (operation.access === undefined) return unlisted(operation);
      const foreign = hosts.refusal(headers, target);
      if (foreign !== undefined) return refused('name', 'permission_denied', foreign);
      if (isProtected && operation.access !== 'health' && !isPrivateAddress(remoteAddress)) {
        return refused('address', 'unauthenticated', protectedModeMessage(remoteAddress));
      }
      // Rights of `call.principal` to `operation.access` are asked here, once there are principals.
      if (operation.isServedDraining || !isDraining()) return undefined;
      return refused('drain', 'unavailable', 'the server is stopping: try another node', leaderHint());
    },
  };
}

/** A method that somebody added and forgot must not be open to everyone. */
function unlisted({ name }: Operation): Refusal {
  return refused(
    'table',
    'permission_denied',
    `${name} is not in the table of methods (internal/model/methods.ts)`,
  );
}

function refused(
  by: Refusal['by'],
  code: WalnutError['code'],
  message: string,
  leaderHint?: string,
): Refusal {
  return { by, error: new WalnutError(code, message, { nothingDone: true, leaderHint }) };
}
