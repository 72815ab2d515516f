/**
 * Decides whether a node may register here, as a replica or as an observer. An error names
 * both nodes and what to do. Pure.
 */
import { WalnutError } from '#model/errors.ts';
import { OBSERVERS_MAX, REPLICAS_MAX } from '#model/limits.ts';
import { termOf } from '#model/position.ts';
import type { RegisterRequest } from '#model/replication.ts';
import type { RegisteredReplicas } from '#replication/registered-replicas.ts';
import type { ReplicaBook } from '#replication/replica-book.ts';

export interface AdmissionContext {
  /** This node's own id. */
  readonly nodeId: string;
  readonly book: Pick<ReplicaBook, 'removedAs'>;
  readonly registered: RegisteredReplicas;
  /** The format level of a program that reads this log. */
  readonly formatLevel: number;
}

/** Throws `already_exists`, `failed_precondition` or `resource_exhausted` where the node is refused. */
export function admitReplica(
  request: Pick<RegisterRequest, 'nodeId' | 'incarnation' | 'upstreamPath' | 'formatLevel'>,
  address: string,
  context: AdmissionContext,
): void {
  checkGroup(request, address, context);
  checkFormats(request.formatLevel ?? 0, `replica ${address}`, context.formatLevel);
  checkIdentity(request, address, context.registered);
  const { registered } = context;
  // Without this limit a client with a new node id for each call would fill the memory.
  const isFull = registered.size >= REPLICAS_MAX && registered.oldestGone === undefined;
  if (isFull && registered.get(request.nodeId) === undefined)
    throw new WalnutError('resource_exhausted', `there are ${REPLICAS_MAX} live replicas already`);
}

export interface ObserverContext {
  /** The master's own id. */
  readonly nodeId: string;
  readonly identity: { readonly logId: string; readonly term: number };
  /** The format level of a program that reads this log. */
  readonly formatLevel: number;
  /** True if a live replica, or another live observer, has the node id. */
  readonly isTaken: boolean;
  /** True if there is no place for one more. */
  readonly isFull: boolean;
}

/** Decides whether an observer may register here; throws as `admitReplica` does. */
export function admitObserver(
  request: Pick<RegisterRequest, 'nodeId' | 'logId' | 'term' | 'tail' | 'formatLevel'>,
  { nodeId, identity, formatLevel, isTaken, isFull }: ObserverContext,
): void {
  if (request.nodeId === nodeId || isTaken) {
    throw new WalnutError(
      'already_exists',
      `node id ${request.nodeId} belongs to ${request.nodeId === nodeId ? 'this master' : 'another live node'}: ` +
        'was the directory of this observer copied? Give it an empty one',
    );
  }
  checkFormats(request.formatLevel ?? 0, `observer ${request.nodeId}`, formatLevel);
  const seenTerm = Math.max(request.term, termOf(request.tail.epoch));
  // A replica fences its master with the term that it has seen. An observer may belong to anybody who may read.
  if (request.logId === identity.logId && seenTerm > identity.term) {
    throw new WalnutError(
      'failed_precondition',
      `this observer has followed term ${seenTerm}, and this master leads term ${identity.term}: another one leads`,
    );
  }
  if (isFull) throw new WalnutError('resource_exhausted', `there are ${OBSERVERS_MAX} observers already`);
}

/** Refuses this node's own copy, a cycle, and a node that an operator removed. */
function checkGroup(
  request: Pick<RegisterRequest, 'nodeId' | 'upstreamPath'>,
  address: string,
  { nodeId, book }: AdmissionContext,
): void {
  if (request.nodeId === nodeId) {
    throw new WalnutError(
      'already_exists',
      `node id ${nodeId} is this master's own; was its data directory copied to ${address}?`,
    );
  }
  if (request.upstreamPath.includes(nodeId)) {
    throw new WalnutError(
      'failed_precondition',
      `node ${nodeId} is upstream of this replica already: a cycle`,
    );
  }
  const removed = book.removedAs({ nodeId: request.nodeId, address });
  if (removed !== undefined) {
    throw new WalnutError(
      'failed_precondition',
      `replica ${removed} was removed; take it back with: walnut add-replica ${removed}`,
    );
  }
}

/** Refuses a program that could not read what it is sent. It keeps its data. */
function checkFormats(read: number, who: string, needed: number): void {
  if (read >= needed) return;
  throw new WalnutError(
    'failed_precondition',
    `${who} reads formats up to level ${read}${read === 0 ? ', as Walnut 0.1.0 does' : ''}, ` +
      `and this log needs level ${needed}: install the version of this master there. Its data stays`,
  );
}

/** Refuses a node id or an address that another live replica has. */
function checkIdentity(
  request: Pick<RegisterRequest, 'nodeId' | 'incarnation'>,
  address: string,
  registered: RegisteredReplicas,
): void {
  const replica = registered.get(request.nodeId);
  if (
    replica !== undefined &&
    replica.incarnation !== request.incarnation &&
    replica.pusher.progress.isLive
  ) {
    throw new WalnutError(
      'already_exists',
      `node id ${request.nodeId} belongs to the live replica ${replica.pusher.address}; ` +
        `was the data directory of ${address} copied?`,
    );
  }
  const other = registered.idsAt(address).find((id) => id !== request.nodeId && registered.isLive(id));
  if (other !== undefined) {
    throw new WalnutError(
      'already_exists',
      `address ${address} belongs to the live replica with node id ${other}, not to ${request.nodeId}: ` +
        'give each replica a server.advertise of its own',
    );
  }
}
