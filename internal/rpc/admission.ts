/**
 * The one place that decides whether a call is let in, for rpcs, keys and plain routes
 * alike, before a body is read. What is asked, in this order: the name
 * that the request is sent to, the address that it comes from, who calls and with
 * which rights, for whom, whether the server still takes work, what the caller wishes by headers, and
 * whether the server knows as new a shard map as the caller.
 */
import type { IncomingHttpHeaders } from 'node:http';
import {
  ANONYMOUS,
  type AuditEvent,
  type AuditPort,
  type IdentityPort,
  type Operation,
  type Principal,
} from '#model/access.ts';
import type { Awaitable } from '#model/awaitable.ts';
import type { EdgeOwner } from '#model/edge.ts';
import { WalnutError } from '#model/errors.ts';
import { shown } from '#platform/shown.ts';
import type { HostPolicy } from '#rpc/host-policy.ts';
import { isPrivateAddress, protectedModeMessage } from '#rpc/protected-mode.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import { ON_BEHALF_OF_HEADER, POSITIONS_HEADER, READ_FROM_HEADER, readWish } from '#wire/call-headers.ts';
import { CLUSTER_HEADER, MAP_EPOCH_HEADER } from '#wire/error-codes.ts';

export interface Refusal {
  /** A request under a foreign name is answered before anything else of it is looked at. */
  readonly by: 'table' | 'name' | 'address' | 'credential' | 'rights' | 'cluster' | 'drain' | 'wish' | 'map';
  readonly error: WalnutError;
}

export interface Admission {
  /**
   * Undefined: the call is admitted, and `call` has its principal and the keys that it may
   * touch. `target`: the request's URL, which over HTTP/1.1 may name a host too.
   * `connection`: see `IdentityPort`. `verb`: such as GET. A promise where a password must be hashed first,
   * or a shard map be learned.
   */
  refusal(
    operation: Operation,
    call: RpcCall,
    headers: IncomingHttpHeaders,
    target: string,
    connection: object,
    verb: string,
  ): Awaitable<Refusal | undefined>;
}

export interface AdmissionOptions {
  readonly hosts: HostPolicy;
  /** True if callers that come from afar are refused, because nobody is identified. */
  readonly isProtected: boolean;
  /** Undefined: everybody may do everything. */
  readonly identities?: IdentityPort | undefined;
  /** Undefined: nobody asks who did what. */
  readonly audit?: AuditPort | undefined;
  readonly isDraining: () => boolean;
  /** A call of another node of the group was let in. `address`: where it came from. */
  readonly onNodeCall?: ((address: string) => void) | undefined;
  /** Where a caller may go instead of a server that drains. */
  readonly leaderHint: () => string | undefined;
  /** Undefined: no caller has to say which shard map it knows. */
  readonly whenMapHeard?: EdgeOwner['whenMapHeard'] | undefined;
  /** The cluster that this server belongs to; undefined or empty: none. */
  readonly clusterId?: (() => string) | undefined;
  /** True for a gateway, which tells the nodes for whom it calls. */
  readonly tellsUsers?: boolean | undefined;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const { hosts, isProtected, identities } = options;
  return {
    refusal: (operation, call, headers, target, connection, verb) => {
      if (operation.access === undefined) return unlisted(operation);
      const foreign = hosts.refusal(headers, target, verb);
      if (foreign !== undefined) return refused('name', 'permission_denied', foreign);
      const { remoteAddress } = call.peer;
      if (isProtected && operation.access !== 'health' && !isPrivateAddress(remoteAddress)) {
        return refused('address', 'unauthenticated', protectedModeMessage(remoteAddress));
      }
      if (identities === undefined || operation.access === 'health' || operation.access === 'open')
        return admit(options, operation, call, headers);
      const who = identities.identify(headers.authorization, connection, call.peer);
      if (who instanceof Promise) return who.then((known) => judge(options, operation, call, headers, known));
      return judge(options, operation, call, headers, who);
    },
  };
}

function judge(
  options: AdmissionOptions,
  operation: Operation,
  call: RpcCall,
  headers: IncomingHttpHeaders,
  who: Principal | WalnutError,
): Awaitable<Refusal | undefined> {
  if (who instanceof WalnutError) return { by: 'credential', error: who };
  call.principal = who;
  if (!who.mayCall(operation)) return refused('rights', 'permission_denied', mayNotCall(who, operation));
  const behalf = headers[ON_BEHALF_OF_HEADER];
  if (behalf !== undefined) {
    const user = userFor(options, who, String(behalf));
    if (typeof user === 'string') return refused('rights', 'permission_denied', user);
    call.principal = user;
    call.via = who.name;
    if (!user.mayCall(operation)) return refused('rights', 'permission_denied', mayNotCall(user, operation));
  }
  const { principal } = call;
  call.keys = principal.keysOf(operation);
  if (options.tellsUsers === true && principal !== ANONYMOUS && isOfKeys(operation))
    call.wish = { user: principal.name };
  if (options.audit !== undefined) call.onEnd = auditOf(options.audit, operation, call);
  return admit(options, operation, call, headers);
}

function mayNotCall({ name }: Principal, operation: Operation): string {
  const whole = operation.wholeSpace;
  const needed =
    whole === undefined
      ? ''
      : `, and ${whole} on every key, as the role ${whole === 'read' ? 'reader' : 'writer'} does`;
  return `the user ${name} may not call ${operation.name}: a role of that user must grant it${needed}`;
}

/** The user for whom a gateway calls, or in words why it is not believed. */
function userFor({ identities }: AdmissionOptions, who: Principal, name: string): Principal | string {
  if (!who.mayVouch)
    return `${ON_BEHALF_OF_HEADER} is believed of users with the role gateway only, and ${who.name} has not that role`;
  return (
    identities?.named(name) ??
    `the gateway calls for the user ${shown(name)}, whom this node does not know: give nodes and gateways the same users`
  );
}

/** A caller that may call is let in, unless the server drains, or knows an older shard map than the caller. */
function admit(
  options: AdmissionOptions,
  operation: Operation,
  call: RpcCall,
  headers: IncomingHttpHeaders,
): Awaitable<Refusal | undefined> {
  const refusal = lastRefusal(options, operation, call, headers) ?? takeWish(operation, call, headers);
  const { whenMapHeard } = options;
  if (refusal !== undefined || whenMapHeard === undefined) return refusal;
  const stated = headers[MAP_EPOCH_HEADER];
  if (stated === undefined || !isOfKeys(operation)) return undefined;
  const epoch = /^\d{1,16}$/.test(String(stated)) ? Number(stated) : Number.NaN;
  if (!Number.isSafeInteger(epoch))
    return refused('map', 'invalid_argument', `${MAP_EPOCH_HEADER}: expected a whole number below 2^53`);
  return whenMapHeard(epoch)?.then(() => undefined, toRefusal('map'));
}

/** What the caller wishes of the keys; undefined unless it cannot be read. */
function takeWish(operation: Operation, call: RpcCall, headers: IncomingHttpHeaders): Refusal | undefined {
  const positions = headers[POSITIONS_HEADER];
  const readFrom = headers[READ_FROM_HEADER];
  if ((positions === undefined && readFrom === undefined) || !isOfKeys(operation)) return undefined;
  try {
    call.wish = { ...call.wish, ...readWish(positions, readFrom) };
    return undefined;
  } catch (error) {
    return toRefusal('wish')(error);
  }
}

function isOfKeys({ access }: Operation): boolean {
  return access === 'read' || access === 'write' || access === 'either';
}

function toRefusal(by: Refusal['by']): (error: unknown) => Refusal {
  return (error) => {
    if (error instanceof WalnutError) return { by, error };
    throw error;
  };
}

/** Undefined unless the caller means another cluster, or the server drains. */
function lastRefusal(
  { isDraining, onNodeCall, leaderHint, clusterId }: AdmissionOptions,
  operation: Operation,
  { peer }: RpcCall,
  headers: IncomingHttpHeaders,
): Refusal | undefined {
  const meant = headers[CLUSTER_HEADER];
  const own = meant === undefined ? '' : (clusterId?.() ?? '');
  if (meant !== undefined && meant !== own)
    return refused('cluster', 'unavailable', otherCluster(String(meant), own));
  if (!operation.isServedDraining && isDraining())
    return refused('drain', 'unavailable', 'the server is stopping: try another node', leaderHint());
  if (operation.access === 'replicate') onNodeCall?.(peer.remoteAddress);
  return undefined;
}

/** What is noted when the call ends: every admin call, and a key that its caller may not touch. */
function auditOf(audit: AuditPort, operation: Operation, call: RpcCall): RpcCall['onEnd'] {
  const isAdmin = operation.access === 'admin';
  if (!isAdmin && call.keys === undefined) return undefined;
  return (outcome) => {
    const isRefusal = outcome === 'permission_denied';
    if (!isAdmin && !isRefusal) return;
    const by = isRefusal ? 'key' : undefined;
    audit.note({ ...callerOf(call), operation: operation.name, outcome, by, isRefusal, isAdmin });
  };
}

/** The caller as the audit log names it. */
export function callerOf({ principal, via, peer }: RpcCall): Pick<AuditEvent, 'user' | 'via' | 'from'> {
  return { user: principal.name, via, from: peer.remoteAddress };
}

/** The caller's map has the address of another node: the calls of one cluster must not reach the keys of another. */
function otherCluster(meant: string, own: string): string {
  const its = own === '' ? 'of no cluster' : `of cluster ${own}`;
  return `the call is for a node of cluster ${shown(meant)}, and this one is ${its}: see walnut cluster map`;
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
