/** The table of methods has a row for every rpc and page that is served, and no other. */

import type { DescService } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { Health } from '#gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.ts';
import { Member } from '#gen/walnut/cluster/v1/member_pb.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { Coordinator } from '#gen/walnut/v1/coordinator_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Replication } from '#gen/walnut/v1/replication_pb.ts';
import { ALL_OPERATIONS, operationOf, operationsOf, type ServerKind } from '#model/methods.ts';
import { createAdmission } from '#rpc/admission.ts';
import { peerOf } from '#rpc/peer.ts';
import { anonymousCall } from '#rpc/rpc-call.ts';

const EDGE = [Health, ServerReflection];
const NODE = [KVStore, Replication, Admin, ...EDGE];
const SERVICES: Readonly<Record<ServerKind, readonly DescService[]>> = {
  node: NODE,
  member: [...NODE, Member],
  coordinator: [Coordinator, ...EDGE],
  gateway: [KVStore, Admin, Coordinator, ...EDGE],
};
const PAGES = ['/livez', '/readyz', '/metrics', '/openapi.json', '/', '/page/{file}', '/page/live'];

describe('the table of methods', () => {
  it.each(Object.entries(SERVICES))('has every method and page of a %s', (kind, services) => {
    const rpcs = services.flatMap(({ typeName, methods }) =>
      methods.map(({ name }) => `/${typeName}/${name}`),
    );
    const has = operationsOf(kind as ServerKind).map(({ name }) => name);
    expect(has.sort()).toEqual([...rpcs, ...PAGES].sort());
  });

  it('says of each what its caller needs', () => {
    expect(ALL_OPERATIONS.filter(({ access }) => access === undefined)).toEqual([]);
  });

  it('lets nobody call a method that it does not have', () => {
    const admission = createAdmission({
      hosts: { refusal: () => undefined },
      isProtected: false,
      isDraining: () => false,
      leaderHint: () => undefined,
    });
    const added = operationOf('/walnut.v1.KVStore/Added');
    const refusal = admission.refusal(
      added,
      anonymousCall(peerOf({ remoteAddress: '127.0.0.1' })),
      {},
      '/',
      {},
      'POST',
    );
    expect(refusal).toMatchObject({ by: 'table', error: { code: 'permission_denied' } });
  });
});
