/**
 * `GET /v1/keys`: a page of the rpc Scan as its JSON, or with one entry a line where the
 * caller accepts NDJSON. `x-walnut-next-cursor` asks for the next page, on the same node;
 * the last page has none.
 */
import { create, toJsonString } from '@bufbuild/protobuf';
import { ScanRequestSchema, ScanResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { EntrySchema } from '#gen/walnut/v1/types_pb.ts';
import type { ScanAnswer, ScanCommand } from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';
import { operationOf } from '#model/methods.ts';
import { weightOf } from '#rpc/accept.ts';
import { type HttpRequest, type HttpResponse, isNodeHttp2Response, send } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { LIST_API } from '#server/keys-api.ts';
import { freshnessHeaders } from '#server/keys-headers.ts';
import { type KeysRouteOptions, optionsFor, refuseMethod, serveKeys } from '#server/keys-serve.ts';
import { LIST_PARAMETERS } from '#server/parameters.ts';
import { quote, readFlag, readQuery } from '#server/query.ts';
import { withHeaders } from '#server/wish-api.ts';
import { fromScanAnswer, toScanCommand } from '#wire/scan-codec.ts';

const KEYS_LIST_PATH = '/v1/keys';
const LIST_METHODS = 'GET, HEAD, OPTIONS';

const OPERATION = operationOf('/walnut.v1.KVStore/Scan');
/** The names that NDJSON goes by; none is registered. */
const LINES = ['application/x-ndjson', 'application/ndjson', 'application/jsonl'];

export function createKeysListRoute(options: KeysRouteOptions): HttpRoute {
  return {
    path: KEYS_LIST_PATH,
    api: withHeaders(LIST_API, options.headers),
    operation: () => OPERATION,
    serve: (request, response, asked) =>
      serveKeys(options, request, response, asked, () =>
        carryOut(optionsFor(options, asked.call, response), request, response, asked.query),
      ),
  };
}

async function carryOut(
  { port, boundAnswer }: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  query: string,
): Promise<void> {
  const { method } = request;
  if (method === 'OPTIONS') {
    send(request, response, 204, { allow: LIST_METHODS }, '');
    return;
  }
  if (method !== 'GET' && method !== 'HEAD') throw refuseMethod(method, LIST_METHODS);
  const answer = await port.scan(toCommand(query));
  const lines = acceptedLines(request.headers.accept);
  const body = Buffer.from(lines === undefined ? toPage(answer) : toLines(answer));
  const headers = {
    ...freshnessHeaders(answer),
    ...(answer.nextCursor === '' ? {} : { 'x-walnut-next-cursor': answer.nextCursor }),
    'content-type': lines ?? 'application/json',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
    vary: 'accept',
  };
  send(request, response, 200, headers, body);
  if (isNodeHttp2Response(response)) boundAnswer(response.stream, body.length);
}

/** Undefined where the caller names no such type, or gives JSON a greater weight. */
function acceptedLines(accept: string | undefined): string | undefined {
  const least = weightOf(accept, 'application/json');
  return LINES.find((type) => weightOf(accept, type) > 0 && weightOf(accept, type) >= least);
}

/** Reads the parameters as the request of the rpc, so that both refuse the same things in the same words. */
function toCommand(query: string): ScanCommand {
  const parameters = readQuery(query, LIST_PARAMETERS);
  const limit = parameters.get('limit') ?? '0';
  if (!/^\d{1,9}$/.test(limit)) throw invalidArgument(`limit is ${quote(limit)}: expected a whole number`);
  return toScanCommand(
    create(ScanRequestSchema, {
      prefix: parameters.get('prefix') ?? '',
      cursor: parameters.get('cursor') ?? '',
      limit: Number(limit),
      keysOnly: readFlag(parameters.get('keys_only'), 'keys_only'),
      withModified: readFlag(parameters.get('with_modified'), 'with_modified'),
    }),
  );
}

function toPage(answer: ScanAnswer): string {
  return `${toJsonString(ScanResponseSchema, fromScanAnswer(answer))}\n`;
}

function toLines(answer: ScanAnswer): string {
  return fromScanAnswer(answer)
    .entries.map((entry) => `${toJsonString(EntrySchema, create(EntrySchema, entry))}\n`)
    .join('');
}
