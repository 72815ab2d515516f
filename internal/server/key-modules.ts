/** What every server of keys has, of a node or a gateway: KVStore, `/v1/keys` and `/v1/watch`. */
import type { BulkPort } from '#model/bulk.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { RelayPort } from '#model/relay.ts';
import type { Clock } from '#platform/clock.ts';
import type { Metrics } from '#platform/metrics.ts';
import type { Edge, EdgeModules } from '#rpc/open-edge.ts';
import { createKeysListRoute } from '#server/keys-list-route.ts';
import { createKeysRoute } from '#server/keys-route.ts';
import type { KeysRouteOptions } from '#server/keys-serve.ts';
import { createKeysViews } from '#server/keys-views.ts';
import { createKeyValueModule } from '#server/kv-service.ts';
import { createKeysObserver, registerBatchMetrics } from '#server/node-metrics.ts';
import { createWatchRoute } from '#server/watch-route.ts';
import { wishHeaders } from '#server/wish-api.ts';
import { BatchCounts } from '#wire/batch-counts.ts';

export interface KeyModulesOptions {
  readonly keyValue: KeyValuePort;
  /** Undefined: everything goes through `keyValue`. */
  readonly bulk: BulkPort | undefined;
  /** On a member of a cluster: its group; empty while there is none. */
  readonly group?: (() => string) | undefined;
  /** True if this process belongs to a cluster, or waits to. */
  readonly isMember?: boolean | undefined;
  /** Undefined: this is no gateway. */
  readonly relay?: RelayPort | undefined;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** `server.max_value_bytes` */
  readonly valueBytesMax: number;
  /** `server.max_batch_bytes`: one Batch as sent, and the values in one Batch answer. */
  readonly batchBytesMax: number;
}

export function createKeyModules(options: KeyModulesOptions, edge: Edge): EdgeModules {
  const { keyValue: port, bulk, relay, clock, metrics, valueBytesMax, batchBytesMax } = options;
  const { errors, slices, budget, compression, boundAnswer, slowLog } = edge;
  const views = createKeysViews(port, clock, slices, options.group);
  const headers = wishHeaders(kindOf(options));
  const keys: KeysRouteOptions = {
    headers: headers.calls,
    ...{ port, views, errors, clock, budget, compression, boundAnswer, valueBytesMax, slowLog },
    observe: createKeysObserver(metrics),
    tellsPositions: () => port.withWish !== undefined || (options.group?.() ?? '') !== '',
  };
  const counts = new BatchCounts();
  registerBatchMetrics(metrics, counts);
  const kv = createKeyValueModule({
    ...{ port, views, slices, bulk, relay, clock, batchBytesMax, headers: headers.calls },
    group: options.group,
    limits: { valueBytesMax, answerBytesMax: batchBytesMax },
    describe: (error) => errors.toHttpError(error),
    counts,
  });
  return {
    services: [kv],
    routes: [
      createKeysRoute(keys),
      createKeysListRoute(keys),
      createWatchRoute({ ...edge, views, headers: headers.watches }),
    ],
  };
}

function kindOf({ keyValue, isMember }: KeyModulesOptions): Parameters<typeof wishHeaders>[0] {
  if (keyValue.withWish !== undefined) return 'gateway';
  return isMember === true ? 'member' : 'node';
}
