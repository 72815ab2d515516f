/** The caller and the kind of access that a call needs: the input of admission. */

export interface Principal {
  readonly name: string;
}

/** The principal of every call, as there is no authentication yet. */
export const ANONYMOUS: Principal = { name: 'anonymous' };

export type Access =
  /** Liveness and readiness, for supervisors and load balancers. */
  | 'health'
  /** Status, metrics and the list of services. */
  | 'observe'
  | 'read'
  | 'write'
  /** Calls between the nodes of a group. */
  | 'replicate'
  /** Calls that change the node or its group, and expensive ones. */
  | 'admin'
  /** A path that no method or route has. */
  | 'nothing';

/** One method or route as admission sees it. All calls of it share one object. */
export interface Operation {
  /** `/package.Service/Method`, or the path of a route. */
  readonly name: string;
  readonly access: Access;
  /** True if it is still answered while the server drains. */
  readonly isServedDraining: boolean;
}
