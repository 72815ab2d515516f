/** The caller, what a call needs, and what the caller may do: the input of admission. */

import type { Awaitable } from '#model/awaitable.ts';
import type { WalnutError } from '#model/errors.ts';

export type Access =
  /** Liveness and readiness, for supervisors and load balancers: open to everyone. */
  | 'health'
  /** The files of the page, which tell nothing of this server: open to everyone whose address is served. */
  | 'open'
  /** What every identified caller may see: reflection, and that a path has no route. */
  | 'known'
  /** Status, lists of quarantines and diverged tails, the page. */
  | 'observe'
  | 'metrics'
  | 'read'
  | 'write'
  /** A call that reads or writes, whichever its operations say. */
  | 'either'
  /** Calls between the nodes of a group. */
  | 'replicate'
  /** Calls of everything that copies the log, embedded replicas included, which are no nodes of the group. */
  | 'follow'
  /** Calls of the active coordinator to the members of a group. */
  | 'coordinate'
  /** To call for another user, whose rights count then: a gateway does so for its callers. */
  | 'vouch'
  /** Calls that change the node or its group, and expensive ones. */
  | 'admin';

/** One method or route as admission sees it. All calls of it share one object. */
export interface Operation {
  /** `/package.Service/Method`, or the path of a route that does what no rpc does. */
  readonly name: string;
  /** Undefined: the table of methods does not have it, so nobody may call it. */
  readonly access: Access | undefined;
  /** What the caller must be allowed on the whole key space, whatever the request says. */
  readonly wholeSpace?: 'read' | 'write' | undefined;
  /** What its calls do with single keys. */
  readonly touches?: 'read' | 'both' | undefined;
  /** True if it is still answered while the server drains. */
  readonly isServedDraining: boolean;
  /** True if its calls wait until something happens, so that how long they take says nothing. */
  readonly isHeld?: true | undefined;
}

/** The keys that the calls of one operation may read and write. */
export interface KeyRights {
  /** Prefixes of keys; the empty one is every key. */
  readonly read: readonly string[];
  readonly write: readonly string[];
}

export interface Principal {
  readonly name: string;
  /** True if the principal may call the operation for some key, or for all where that is needed. */
  mayCall(operation: Operation): boolean;
  /** Undefined: its calls may touch every key. */
  keysOf(operation: Operation): KeyRights | undefined;
  /** True if it may name another user for whom it calls. */
  readonly mayVouch: boolean;
  /** Aborts when the rights or the credential changed: streams end then. Undefined: they never do. */
  readonly retired: AbortSignal | undefined;
}

/** The principal of every call that brings no credential, where none is required. */
export const ANONYMOUS: Principal = {
  name: 'anonymous',
  mayCall: () => true,
  keysOf: () => undefined,
  mayVouch: false,
  retired: undefined,
};

/** The other end of a connection, as far as the connection tells. */
export interface Peer {
  /** The IP address; empty where it has gone. */
  readonly remoteAddress: string;
  /**
   * What a verified client certificate calls its owner, as `dns:NAME`, `uri:URI`, `email:ADDRESS` or
   * `cn:NAME`; undefined where there is none.
   */
  readonly certificateNames: readonly string[] | undefined;
}

/** Finds out who calls. Undefined where nobody needs to be known. */
export interface IdentityPort {
  /**
   * `authorization`: the header, as it came; undefined: there is none. `connection`: an
   * object that stands for the connection, for which a verified credential is remembered.
   * Gives an error instead of throwing it, and a promise where a password must be hashed.
   */
  identify(
    authorization: string | undefined,
    connection: object,
    peer: Peer,
  ): Awaitable<Principal | WalnutError>;
  /** The user of this name, for whom a gateway calls; undefined: there is none. */
  named(user: string): Principal | undefined;
}

export interface AuditEvent {
  /** The name of the user; `anonymous` where nobody is known. */
  readonly user: string;
  /** The user that called for it, as a gateway does; undefined: it called itself. */
  readonly via?: string | undefined;
  /** The IP address. */
  readonly from: string;
  /** See `Operation`. */
  readonly operation: string;
  /** `ok`, or the code of the error in lower case. */
  readonly outcome: string;
  /** True if the call was refused for its credential or its rights. */
  readonly isRefusal: boolean;
  /** What refused it, such as `name` (the host or page) or `key`; undefined where it was let in. */
  readonly by?: string | undefined;
  /** True if the operation needs the access `admin`. */
  readonly isAdmin: boolean;
}

/** Remembers who did what. */
export interface AuditPort {
  note(event: AuditEvent): void;
}
