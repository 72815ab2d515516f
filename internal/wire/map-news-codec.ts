/** Converts news of the shard map from and to protobuf. Pure; bad input throws `invalid_argument`. */
import type { MapNews } from '#cluster/coordinator-port.ts';
import type { MapChange } from '#cluster/map-change.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import type {
  MapChange as MapChangeMessage,
  ShardMap as ShardMapMessage,
} from '#gen/walnut/cluster/v1/map_pb.ts';
import type { GetShardMapResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromMapChange, fromShardMap, toMapChange, toShardMap } from '#wire/shard-map-codec.ts';

/** The fields that the answers of GetShardMap and WatchShardMap share. */
export interface NewsMessage {
  readonly epoch: bigint;
  readonly map: ShardMapMessage | undefined;
  readonly changes: MapChangeMessage[];
}

export function fromMapNews(news: MapNews): NewsMessage {
  const map: ShardMap | undefined = news.kind === 'whole' ? news.map : undefined;
  const changes: readonly MapChange[] = news.kind === 'changes' ? news.changes : [];
  return {
    epoch: BigInt(news.epoch),
    map: map && fromShardMap(map),
    changes: changes.map(fromMapChange),
  };
}

/** Throws `invalid_argument` for a map that no coordinator makes. */
export function toMapNews({
  epoch,
  map,
  changes,
}: Pick<GetShardMapResponse, 'epoch' | 'map' | 'changes'>): MapNews {
  const newest = toSafeNumber(epoch, 'epoch');
  if (map !== undefined) return { kind: 'whole', map: toShardMap(map), epoch: newest };
  if (changes.length === 0) return { kind: 'unchanged', epoch: newest };
  return { kind: 'changes', changes: changes.map(toMapChange), epoch: newest };
}
