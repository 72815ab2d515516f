/** This node as the others would see it. */
import type { ShardMap } from '#cluster/shard-map.ts';
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { NO_POSITION, type Position } from '#model/position.ts';
import type { Quarantine } from '#model/status.ts';

export interface Self {
  readonly nodeId: string;
  /** `host:port` at which an operator reaches it. */
  readonly address: string;
  /** Empty on a node without a log. */
  readonly logId: string;
  /** The last record in its log. */
  readonly tail: Position;
  /** The highest term that it has persisted. */
  readonly term: number;
  /** The address that it follows; empty on a master. */
  readonly upstream: string;
  readonly quarantine?: Quarantine | undefined;
  /** It is a member of a cluster, where only coordinators make leaders. */
  readonly isMember?: boolean;
  /** In a cluster: the names of the nodes of its group by address; undefined before a map was heard. */
  readonly voters?: ReadonlyMap<string, string> | undefined;
}

/** `map`: the newest that was heard. */
export function selfOf({ manifest, engine }: EngineHost, address: string, map?: ShardMap): Self {
  const { nodeId, logId, term, role, upstream, quarantine, member } = manifest;
  return {
    nodeId,
    address,
    logId,
    tail: engine?.log.tail ?? NO_POSITION,
    term,
    upstream: role === 'replica' ? upstream : '',
    quarantine: (quarantine as Quarantine | null) ?? undefined,
    isMember: member !== undefined,
    voters: map && votersOf(map, member?.group ?? ''),
  };
}

function votersOf({ groups, nodes }: ShardMap, id: string): ReadonlyMap<string, string> | undefined {
  const names = groups.get(id)?.voters.map(({ node }) => node);
  return names && new Map(names.map((name) => [nodes.get(name)?.address ?? '', name]));
}

/** True if the state is that of a master which has never taken a write: an epoch for each start, and the limits. */
export function isBlank(engine: Engine): boolean {
  return engine.store.entries === 0 && engine.log.tail.lsn <= engine.epochs.starts().length + 1;
}
