/** `/v1/map`: the map of the cluster as JSON, as GetShardMap answers it to a caller without a map. */
import { toJsonString } from '@bufbuild/protobuf';
import type { CoordinatorPort } from '#cluster/coordinator-port.ts';
import { ShardMapSchema } from '#gen/walnut/cluster/v1/map_pb.ts';
import { operationOf } from '#model/methods.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import { type HttpRequest, type HttpResponse, send, sendProblem } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { answer } from '#rpc/openapi/operation.ts';
import { createPlainRoute, pageApi } from '#rpc/plain-routes.ts';
import { fromShardMap } from '#wire/shard-map-codec.ts';

const OPERATION = operationOf('/walnut.v1.Coordinator/GetShardMap');
const JSON_HEADERS = { 'content-type': 'application/json', 'cache-control': 'no-store' };
const MAP_API = pageApi('The map of the cluster', {
  '200': answer('The map', { 'application/json': { type: 'object' } }),
  '503': answer('The metadata store was not read yet', { 'application/problem+json': { type: 'object' } }),
});

export function createMapRoute(port: CoordinatorPort, errors: ErrorMapper): HttpRoute {
  return createPlainRoute(
    '/v1/map',
    MAP_API,
    (request, response) => sendMap(port, errors, request, response),
    OPERATION,
  );
}

function sendMap(
  port: CoordinatorPort,
  errors: ErrorMapper,
  request: HttpRequest,
  response: HttpResponse,
): void {
  try {
    const map = port.map();
    const headers = { ...JSON_HEADERS, 'x-map-epoch': String(map.epoch) };
    send(request, response, 200, headers, `${toJsonString(ShardMapSchema, fromShardMap(map))}\n`);
  } catch (error) {
    const problem = errors.toHttpError(error);
    sendProblem(request, response, problem.httpStatus, problem, problem.headers);
  }
}
