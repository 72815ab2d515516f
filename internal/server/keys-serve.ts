/** What the routes of keys share: how they are counted, and how their errors are answered. */

import { WalnutError } from '#model/errors.ts';
import type { ObserveCall } from '#rpc/call-observer.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import { type HttpRequest, type HttpResponse, isOver, methodNotAllowed, sendProblem } from '#rpc/http-io.ts';
import type { AskedRoute } from '#rpc/http-routes.ts';
import type { ApiParameter } from '#rpc/openapi/operation.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import type { SlowLog } from '#rpc/slow-log.ts';
import { HttpRefusal } from '#server/http-refusal.ts';
import type { KeysCallOptions } from '#server/keys-call.ts';
import { KEYS_PREFIX, keyOfPath } from '#server/keys-request.ts';
import type { KeysViews } from '#server/keys-views.ts';
import { POSITIONS_HEADER } from '#wire/call-headers.ts';
import type { HttpError } from '#wire/error-codec.ts';

export interface KeysRouteOptions extends KeysCallOptions {
  readonly views: KeysViews;
  readonly errors: ErrorMapper;
  readonly observe: ObserveCall;
  readonly slowLog: SlowLog;
  /** True on a gateway and on a node of a cluster. */
  readonly tellsPositions: () => boolean;
  /** For OpenAPI: see `wishHeaders`. */
  readonly headers: readonly ApiParameter[];
}

/** The options for this caller. It is told what the answer shows of each group of a cluster, whether or not it has a session. */
export function optionsFor(
  options: KeysRouteOptions,
  { keys, wish }: RpcCall,
  response: HttpResponse,
): KeysRouteOptions {
  const { views } = options;
  const own = options.tellsPositions() ? { ...wish, seen: wish?.seen ?? [] } : wish;
  if (keys === undefined && own === undefined) return options;
  const tellPositions = (text: string): void => {
    response.setHeader(POSITIONS_HEADER, text);
  };
  return { ...options, port: views({ keys, wish: own, tellPositions }).port };
}

/** Answers what `carryOut` throws. */
export async function serveKeys(
  { observe, errors, clock, slowLog }: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  { call, path, query, operation }: AskedRoute,
  carryOut: () => void | Promise<void>,
): Promise<void> {
  const startedMs = clock.monotonicMs();
  const end = (code: string): void => {
    const { method = '' } = request;
    const durationMs = clock.monotonicMs() - startedMs;
    observe(method, code, durationMs);
    call.onEnd?.(code);
    if (!slowLog.isSlow(operation, durationMs)) return;
    const shown = `${method} ${path.startsWith(KEYS_PREFIX) ? KEYS_PREFIX : path}`;
    slowLog.note({ call, operation: shown, code, durationMs, key: () => keyOf(path, query) });
  };
  try {
    await carryOut();
    end('ok');
  } catch (error) {
    if (isOver(response)) return;
    const problem = toHttpError(error, errors);
    const { httpStatus, headers } = problem;
    end(problem.code);
    const location = movedTo(error, request.method, path, query);
    if (location === undefined) sendProblem(request, response, httpStatus, problem, headers);
    else sendProblem(request, response, 307, problem, { ...headers, location });
  }
}

/**
 * Where a read of a key that another group owns goes on, without a scheme, so that it keeps
 * its own; undefined where that is not known. Writes are not sent on: clients would ask their
 * users first, or send the body anew.
 */
function movedTo(
  error: unknown,
  method: string | undefined,
  path: string,
  query: string,
): string | undefined {
  if (!(error instanceof WalnutError) || (method !== 'GET' && method !== 'HEAD')) return undefined;
  const address = error.details.shard?.address ?? '';
  return address === '' ? undefined : `//${address}${path}${query === '' ? '' : `?${query}`}`;
}

/** The key in the path, or the prefix that a page is of; as it was sent where it is refused. */
function keyOf(path: string, query: string): string | undefined {
  if (!path.startsWith(KEYS_PREFIX)) return new URLSearchParams(query).get('prefix') ?? undefined;
  try {
    return keyOfPath(path);
  } catch {
    return path.slice(KEYS_PREFIX.length);
  }
}

export function refuseMethod(method: string | undefined, allow: string): HttpRefusal {
  return new HttpRefusal(405, 'unimplemented', methodNotAllowed(method, allow), { allow });
}

function toHttpError(error: unknown, errors: ErrorMapper): HttpError {
  return error instanceof HttpRefusal ? error : errors.toHttpError(error);
}
