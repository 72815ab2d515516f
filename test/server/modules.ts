/** Every service that a node serves, and the limits of its methods. */
import type { DescMethod } from '@bufbuild/protobuf';
import { expect } from 'vitest';
import { createNodeClock } from '#platform/node-clock.ts';
import { SliceQueue } from '#platform/slice-queue.ts';
import { createHealthModule } from '#rpc/health-service.ts';
import { createReflectionModule } from '#rpc/reflection-service.ts';
import type { RpcLimits, RpcModule } from '#rpc/rpc-routes.ts';
import { createAdminModule } from '#server/admin-service.ts';
import { createKeysViews } from '#server/keys-views.ts';
import { createKeyValueModule } from '#server/kv-service.ts';
import { createReplicationModule } from '#server/replication-service.ts';
import { FakeNode } from '#test/server/fake-node.ts';
import { BatchCounts } from '#wire/batch-counts.ts';

const none = (): never => expect.unreachable('nothing is served');

function modules(valueBytesMax: number, batchBytesMax: number): readonly RpcModule[] {
  const { keyValue, replication, admin } = new FakeNode().ports;
  const clock = createNodeClock();
  const slices = new SliceQueue(clock);
  const bounds = { valueBytesMax, batchBytesMax, describe: none };
  return [
    createKeyValueModule({
      ...bounds,
      port: keyValue,
      views: createKeysViews(keyValue, clock, slices),
      slices,
      bulk: undefined,
      relay: undefined,
      clock,
      headers: [],
      limits: { valueBytesMax, answerBytesMax: batchBytesMax },
      counts: new BatchCounts(),
    }),
    createReplicationModule(replication),
    createAdminModule({
      ...bounds,
      port: admin,
      clock,
      slices,
      slowLog: { read: none },
      settings: { list: none, change: none },
      status: none,
    }),
    createHealthModule({
      clock,
      isReady: none,
      services: [],
      drainSignal: AbortSignal.abort(),
    }),
    createReflectionModule([]),
  ];
}

/** Path, schema and limits. */
export type LimitedMethod = readonly [string, DescMethod, RpcLimits];

export function methodsWithin(valueBytesMax: number, batchBytesMax: number): LimitedMethod[] {
  return modules(valueBytesMax, batchBytesMax).flatMap(({ service, methods }) =>
    service.methods.map((method): LimitedMethod => {
      const unstated = { readMaxBytes: Number.NaN, fieldsMax: Number.NaN };
      return [`/${service.typeName}/${method.name}`, method, methods[method.localName]?.limits ?? unstated];
    }),
  );
}
