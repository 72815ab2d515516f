/**
 * Keys for people with curl: `GET/HEAD/PUT/POST/DELETE/OPTIONS /v1/keys/{key}`.
 *
 * The value is the body without its Content-Encoding, the ETag the version. PUT answers
 * 201 where the key was missing and 204 where it was replaced; POST `?increment` 200
 * with the sum; DELETE 204, and 404 where there was nothing; a condition that is not met
 * 412 with the ETag there is now; a write on a replica 421 with `x-leader-hint`. Errors
 * are problems of RFC 9457, with Connect's code beside.
 */
import { operationOf } from '#model/methods.ts';
import { type HttpRequest, type HttpResponse, send } from '#rpc/http-io.ts';
import type { AskedRoute, HttpRoute } from '#rpc/http-routes.ts';
import { KEY_API } from '#server/keys-api.ts';
import { KeysCall } from '#server/keys-call.ts';
import { explainKey, getKey } from '#server/keys-read.ts';
import { asksExplain, KEYS_PREFIX, keyOfPath } from '#server/keys-request.ts';
import { type KeysRouteOptions, optionsFor, refuseMethod, serveKeys } from '#server/keys-serve.ts';
import { deleteKey, postKey, putKey } from '#server/keys-write.ts';
import { withHeaders } from '#server/wish-api.ts';

const METHODS = 'GET, HEAD, PUT, POST, DELETE, OPTIONS';
const GET = operationOf('/walnut.v1.KVStore/Get');
const EXPLAIN = operationOf('/walnut.v1.KVStore/Explain');
const WRITES = new Map([
  ['PUT', operationOf('/walnut.v1.KVStore/Set')],
  ['POST', operationOf('/walnut.v1.KVStore/Increment')],
  ['DELETE', operationOf('/walnut.v1.KVStore/Delete')],
]);

export function createKeysRoute(options: KeysRouteOptions): HttpRoute {
  return {
    path: KEYS_PREFIX,
    shown: `${KEYS_PREFIX}{key}`,
    api: withHeaders(KEY_API, options.headers),
    operation: (verb, query) => WRITES.get(verb) ?? (asksExplain(query) ? EXPLAIN : GET),
    serve: (request, response, asked) =>
      serveKeys(options, request, response, asked, () => carryOut(options, request, response, asked)),
  };
}

function carryOut(
  all: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  { path, query, operation, call: caller }: AskedRoute,
): void | Promise<void> {
  const { method } = request;
  if (method === 'OPTIONS') {
    keyOfPath(path);
    return send(request, response, 204, { allow: METHODS }, '');
  }
  const options = optionsFor(all, caller, response);
  const call = (): KeysCall => new KeysCall(request, response, keyOfPath(path), query, caller);
  switch (method) {
    case 'GET':
    case 'HEAD':
      return operation === EXPLAIN ? explainKey(options, call()) : getKey(options, call());
    case 'PUT':
      return putKey(options, call());
    case 'POST':
      return postKey(options, call());
    case 'DELETE':
      return deleteKey(options, call());
    default:
      throw refuseMethod(method, METHODS);
  }
}
