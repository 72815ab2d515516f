/**
 * What every method and page of a process needs of its caller: the one table that
 * admission and rights are decided by. A method that is missing here is refused to
 * everyone. A route that does what an rpc does is judged as that rpc.
 */
import type { Operation } from '#model/access.ts';

type Row = Omit<Operation, 'name' | 'isServedDraining'> & { readonly isServedDraining?: true };

const KEY_VALUE = service('/walnut.v1.KVStore/', {
  // A fill lease needs `write`, too.
  Get: { access: 'read', touches: 'both' },
  Scan: { access: 'read', touches: 'read' },
  // Frames need `read` on the whole key space; only the request says that it asks for them.
  GetUpdates: { access: 'read', touches: 'read' },
  // `previous` of an event needs `write` too.
  Watch: { access: 'read', touches: 'both' },
  Explain: { access: 'read', touches: 'read' },
  // Positions only.
  AwaitDurable: { access: 'either' },
  Set: { access: 'write', touches: 'both' },
  Delete: { access: 'write', touches: 'both' },
  Increment: { access: 'write', touches: 'both' },
  Touch: { access: 'write', touches: 'both' },
  DeletePrefix: { access: 'write', touches: 'both' },
  Batch: { access: 'either', touches: 'both' },
});

const REPLICATION = service('/walnut.v1.Replication/', {
  Register: { access: 'replicate' },
  Replicate: { access: 'replicate' },
  FetchSnapshot: { access: 'follow', wholeSpace: 'read' },
  Claim: { access: 'replicate' },
  Announce: { access: 'replicate' },
  TakeOver: { access: 'replicate' },
  RegisterObserver: { access: 'follow', wholeSpace: 'read' },
  Observe: { access: 'follow', wholeSpace: 'read', isHeld: true },
});

const ADMIN = service('/walnut.v1.Admin/', {
  Status: { access: 'observe', isServedDraining: true },
  // Equal digests tell equal contents.
  Digest: { access: 'observe', wholeSpace: 'read' },
  GetConfig: { access: 'observe' },
  QuarantineList: { access: 'observe' },
  DivergedList: { access: 'observe' },
  // Keys of entries, though no values.
  GetSlowLog: { access: 'observe', wholeSpace: 'read' },
  // A slot without entries tells that none of its keys exists.
  GetSlotSizes: { access: 'observe', wholeSpace: 'read' },
  HotKeys: { access: 'observe', wholeSpace: 'read' },
  // Records with their values.
  DivergedShow: { access: 'admin', wholeSpace: 'read' },
  DivergedSeen: { access: 'admin' },
  Restore: { access: 'admin', wholeSpace: 'write' },
  AddReplica: { access: 'admin' },
  RemoveReplica: { access: 'admin' },
  QuarantineRelease: { access: 'admin' },
  ControlDelay: { access: 'admin' },
  Promote: { access: 'admin' },
  Failover: { access: 'admin' },
  Checkpoint: { access: 'admin' },
  RotateWal: { access: 'admin' },
  Scrub: { access: 'admin' },
  MendClock: { access: 'admin' },
  SetConfig: { access: 'admin' },
});

/** What the active coordinator asks of a member. */
const MEMBER = service('/walnut.cluster.v1.Member/', {
  Claim: { access: 'coordinate' },
  TakeOver: { access: 'coordinate' },
  HandOver: { access: 'coordinate' },
});

const COORDINATOR = service('/walnut.v1.Coordinator/', {
  Heartbeat: { access: 'replicate' },
  GetShardMap: { access: 'observe' },
  WatchShardMap: { access: 'observe' },
  GetCluster: { access: 'observe', isServedDraining: true },
  ListNodes: { access: 'observe', isServedDraining: true },
  InitCluster: { access: 'admin' },
  AddGroup: { access: 'admin' },
  RecoverCluster: { access: 'admin' },
  FailoverGroup: { access: 'admin' },
  SetNodeStatus: { access: 'admin' },
});

const EDGE: Readonly<Record<string, Row>> = {
  '/grpc.health.v1.Health/Check': { access: 'health', isServedDraining: true },
  '/grpc.health.v1.Health/List': { access: 'health', isServedDraining: true },
  '/grpc.health.v1.Health/Watch': { access: 'health', isServedDraining: true },
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo': { access: 'known' },
  '/livez': { access: 'health', isServedDraining: true },
  '/readyz': { access: 'health', isServedDraining: true },
  '/metrics': { access: 'metrics', isServedDraining: true },
  '/openapi.json': { access: 'known' },
  '/': { access: 'observe', isServedDraining: true },
  '/page/{file}': { access: 'open', isServedDraining: true },
  '/page/live': { access: 'observe', isServedDraining: true, isHeld: true },
};

function service(path: string, rows: Readonly<Record<string, Row>>): Record<string, Row> {
  return Object.fromEntries(Object.entries(rows).map(([name, row]) => [path + name, row]));
}

const NODE = { ...KEY_VALUE, ...REPLICATION, ...ADMIN, ...EDGE };

/** The rows of each kind of server: a coordinator is no node, a member is one with a service more, and a gateway shows the cluster. */
const SERVED = {
  node: NODE,
  member: { ...NODE, ...MEMBER },
  coordinator: { ...COORDINATOR, ...EDGE },
  gateway: { ...KEY_VALUE, ...ADMIN, ...COORDINATOR, ...EDGE },
} as const;
export type ServerKind = keyof typeof SERVED;

const OPERATIONS: ReadonlyMap<string, Operation> = new Map(
  Object.entries({ ...SERVED.member, ...SERVED.coordinator }).map(([name, row]) => [
    name,
    { isServedDraining: false, ...row, name },
  ]),
);

/** Every operation there is, in the order of the table. */
export const ALL_OPERATIONS: readonly Operation[] = [...OPERATIONS.values()];

/** The operations that one kind of server has. */
export function operationsOf(kind: ServerKind): readonly Operation[] {
  return Object.keys(SERVED[kind]).map(operationOf);
}

/** `name`: see `Operation`. */
export function operationOf(name: string): Operation {
  return OPERATIONS.get(name) ?? { name, access: undefined, isServedDraining: false };
}

/** The operation that admission judges for a path without a route. */
export const NO_ROUTE: Operation = { name: 'nothing', access: 'known', isServedDraining: true };
