/**
 * Changes for people with curl and for browsers: `GET /v1/watch`, as server-sent
 * events. One event is one message of Watch, as its JSON; its id is `resume`, from
 * which `Last-Event-ID` goes on. A message without `resume` has no id, so the
 * browser keeps the previous one. The last event has the type `end` and says why.
 */

import { create } from '@bufbuild/protobuf';
import { type WatchRequest, WatchRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { Op } from '#gen/walnut/v1/types_pb.ts';
import { type ErrorDetails, invalidArgument, WalnutError } from '#model/errors.ts';
import { operationOf } from '#model/methods.ts';
import { formatPosition } from '#model/position.ts';
import type { WatchCommand, WatchMessage } from '#model/watch.ts';
import type { SlicePace } from '#platform/slices.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import { type EventSource, sendEvents } from '#rpc/event-stream.ts';
import { type HttpRequest, type HttpResponse, send, sendMethodNotAllowed } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import type { ApiParameter } from '#rpc/openapi/operation.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import type { SendStream } from '#rpc/stream-answer.ts';
import { WATCH_API } from '#server/keys-api.ts';
import type { KeysViews } from '#server/keys-views.ts';
import { WATCH_PARAMETERS, WATCH_STARTS } from '#server/parameters.ts';
import { quote, readDuration, readFlag, readPosition, readQuery, readTime } from '#server/query.ts';
import { withHeaders } from '#server/wish-api.ts';
import { fromPosition } from '#wire/position-codec.ts';
import { endTextOf, resumeTextOf } from '#wire/resume-text.ts';
import { toWatchCommand } from '#wire/watch-codec.ts';
import { watchJsonPieces } from '#wire/watch-json.ts';

const WATCH_PATH = '/v1/watch';
const METHODS = 'GET, OPTIONS';

export interface WatchRouteOptions {
  readonly views: KeysViews;
  readonly errors: ErrorMapper;
  readonly sendStream: SendStream;
  readonly slices: SlicePace;
  /** For OpenAPI: see `wishHeaders`. */
  readonly headers: readonly ApiParameter[];
}

const OPERATION = operationOf('/walnut.v1.KVStore/Watch');
const OPS: ReadonlyMap<string, Op> = new Map([
  ['set', Op.SET],
  ['delete', Op.DELETE],
  ['touch', Op.TOUCH],
]);
const END_OF_EVENT = Buffer.from('\n\n');

export function createWatchRoute(options: WatchRouteOptions): HttpRoute {
  return {
    path: WATCH_PATH,
    api: withHeaders(WATCH_API, options.headers),
    isStream: true,
    operation: () => OPERATION,
    serve: (request, response, { query, call }) => serve(options, request, response, query, call),
  };
}

function serve(
  { views, errors, sendStream, slices }: WatchRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  query: string,
  call: RpcCall,
): void | Promise<void> {
  if (request.method === 'OPTIONS') return send(request, response, 204, { allow: METHODS }, '');
  if (request.method !== 'GET') return sendMethodNotAllowed(request, response, METHODS);
  const source: EventSource<WatchMessage> = {
    errors,
    sendStream,
    open: (signal) => views(call).port.watch(toCommand(query, request.headers['last-event-id']), signal),
    toEvent: (message) => toEvent(message, slices),
    endOf: (error) => (error instanceof WalnutError ? endOf(error.details) : {}),
  };
  return sendEvents(source, request, response, call);
}

/** What the rpc has in the details of its error: here as texts that a caller can use as they are. */
function endOf(details: ErrorDetails): object {
  const { leaderHint, earliest } = details;
  const earliestPosition = earliest && formatPosition(earliest);
  return { resume: endTextOf(details), leaderHint, earliestPosition };
}

/** Reads the parameters as the request of the rpc, so that both refuse the same things in the same words. */
function toCommand(query: string, lastEventId: string | string[] | undefined): WatchCommand {
  const parameters = readQuery(query, WATCH_PARAMETERS);
  const { key, prefix } = Object.fromEntries(parameters);
  if (key !== undefined && prefix !== undefined) throw invalidArgument('key and prefix exclude each other');
  const isAgain = typeof lastEventId === 'string' && lastEventId !== '';
  const progress = parameters.get('progress');
  const message = create(WatchRequestSchema, {
    what: key === undefined ? { case: 'prefix', value: prefix ?? '' } : { case: 'key', value: key },
    ops: readOps(parameters.get('ops')),
    withPrevious: readFlag(parameters.get('previous'), 'previous'),
    keysOnly: readFlag(parameters.get('keys_only'), 'keys_only'),
    // A browser that connects again sends the same URL: it has been told the entries already.
    initial: readFlag(parameters.get('initial'), 'initial') && !isAgain,
    progressEveryMs: progress === undefined ? 0 : readDuration(progress, 'progress'),
  });
  const from = readStart(parameters);
  message.from = isAgain ? { case: 'resume', value: lastEventId } : from;
  return toWatchCommand(message);
}

function readStart(parameters: ReadonlyMap<string, string>): WatchRequest['from'] {
  const [given, ...more] = WATCH_STARTS.filter((name) => parameters.has(name));
  if (more.length > 0) throw invalidArgument(`${given} and ${more[0]} exclude each other`);
  const text = parameters.get(given ?? '') ?? '';
  switch (given) {
    case 'after':
      return { case: 'after', value: fromPosition(readPosition(text, 'after')) };
    case 'resume':
      return { case: 'resume', value: text };
    case 'since':
      return { case: 'sinceMs', value: BigInt(readTime(text, 'since')) };
    default:
      return { case: undefined };
  }
}

function readOps(text: string | undefined): Op[] {
  if (text === undefined) return [];
  return text.split(',').map((name) => {
    const op = OPS.get(name);
    if (op === undefined)
      throw invalidArgument(
        `ops is ${quote(text)}: expected set, delete or touch, or several with commas between`,
      );
    return op;
  });
}

/** No line feed stands in a `resume`. */
function toEvent(message: WatchMessage, slices: SlicePace): AsyncGenerator<Uint8Array> {
  const id = message.canResume ? `id: ${resumeTextOf(message)}\n` : '';
  const before = Buffer.from(`${id}data: `);
  return watchJsonPieces(message, () => ({ before, after: END_OF_EVENT }), slices);
}
