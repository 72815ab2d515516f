/** Who calls, and what a call needs a right to: what admission decides by. */

export interface Principal {
  readonly name: string;
}

/** The only principal there is: there is no authentication yet. */
export const ANONYMOUS: Principal = { name: 'anonymous' };

export type Access =
  /** Whether the process lives and is ready: for supervisors and load balancers. */
  | 'health'
  /** What the server is and how it is: status, metrics, the services it has. */
  | 'observe'
  | 'read'
  | 'write'
  /** What the nodes of a group ask of each other. */
  | 'replicate'
  /** What changes the node or its group, and what costs it much. */
  | 'admin'
  /** A path under which there is nothing. */
  | 'nothing';

/** One method or route as admission knows it: one object for all calls of it. */
export interface Operation {
  /** `/package.Service/Method`, or the path of a route. */
  readonly name: string;
  readonly access: Access;
  /** Whether it is answered while the server drains. */
  readonly isServedDraining: boolean;
}
