/**
 * Keys for people with curl: `GET/HEAD/PUT/DELETE /v1/keys/{key}`.
 *
 * The value is the raw body, the ETag the version. PUT answers 201 where the key
 * was missing and 204 where it was replaced; DELETE 204, and 404 where there was
 * nothing; a condition that is not met 412 with the ETag there is now; a write on
 * a replica 421 with `x-leader-hint`. Errors are JSON as in the Connect protocol.
 */
import type { GetAnswer, WriteAnswer } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { formatPosition, type Position } from '#model/position.ts';
import type { BodyBudget } from '#server/body-budget.ts';
import type { ErrorMapper } from '#server/error-mapping.ts';
import {
  bodyOf,
  type Headers,
  type HttpRequest,
  type HttpResponse,
  isOver,
  send,
  sendError,
  sendMethodNotAllowed,
} from '#server/http-io.ts';
import {
  type ConditionHeaders,
  isNoneMatch,
  keyOfPath,
  toKeysDelete,
  toKeysGet,
  toKeysSet,
} from '#server/keys-request.ts';

export interface KeysRouteOptions {
  readonly port: KeyValuePort;
  readonly errors: ErrorMapper;
  readonly budget: BodyBudget;
  readonly valueBytesMax: number;
  /** Method, lower-case code, `ok` included. */
  readonly observe: (method: string, code: string) => void;
}

export type KeysRoute = (
  request: HttpRequest,
  response: HttpResponse,
  path: string,
  query: string,
) => Promise<void>;

const METHODS = 'GET, HEAD, PUT, DELETE';
const BODY_TOO_LARGE = 413;

export function createKeysRoute(options: KeysRouteOptions): KeysRoute {
  return async (request, response, path, query) => {
    const method = request.method ?? '';
    const aborter = new AbortController();
    // Only where the caller went away: aborting makes an error with a stack, which costs more than the write.
    response.once('close', () => {
      if (!response.writableFinished) aborter.abort();
    });
    try {
      if (!METHODS.split(', ').includes(method)) return sendMethodNotAllowed(request, response, METHODS);
      const key = keyOfPath(path);
      if (method === 'PUT') await put(options, request, response, key, query, aborter.signal);
      else if (method === 'DELETE') await remove(options, request, response, key, query, aborter.signal);
      else await read(options, request, response, key, query, aborter.signal);
      options.observe(method, 'ok');
    } catch (error) {
      if (isOver(response)) return;
      const { httpStatus, code, message, headers } =
        error instanceof BodyTooLargeError
          ? {
              httpStatus: BODY_TOO_LARGE,
              code: 'invalid_argument',
              message: error.message,
              headers: {},
            }
          : options.errors.toHttpError(error);
      options.observe(method, code);
      sendError(request, response, httpStatus, { code, message }, headers);
    }
  };
}

async function read(
  { port }: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  key: string,
  query: string,
  signal: AbortSignal,
): Promise<void> {
  const answer = await port.get(toKeysGet(key, query), signal);
  const freshness = freshnessHeaders(answer);
  const { entry } = answer;
  if (entry === undefined) {
    sendError(request, response, 404, { code: 'not_found', message: 'there is no such key' }, freshness);
    return;
  }
  const etag = etagOf(entry.version);
  const headers = { ...freshness, ...entryHeaders(entry) };
  const isWanted = isNoneMatch(request.headers['if-none-match'], etag);
  send(request, response, isWanted ? 200 : 304, headers, entry.value);
}

async function put(
  options: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  key: string,
  query: string,
  signal: AbortSignal,
): Promise<void> {
  const command = toKeysSet(key, query, request.headers as ConditionHeaders);
  const value = await readBody(request, response, options);
  const answer = await options.port.set({ ...command, value }, signal);
  if (!answer.applied) return sendConditionNotMet(request, response, answer);
  const headers = { ...writeHeaders(answer), etag: etagOf(answer.position) };
  send(request, response, answer.previous === undefined ? 201 : 204, headers, '');
}

async function remove(
  { port }: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  key: string,
  query: string,
  signal: AbortSignal,
): Promise<void> {
  const command = toKeysDelete(key, query, request.headers as ConditionHeaders);
  const answer = await port.delete(command, signal);
  if (answer.applied) return send(request, response, 204, writeHeaders(answer), '');
  if (command.condition !== undefined) return sendConditionNotMet(request, response, answer);
  sendError(
    request,
    response,
    404,
    { code: 'not_found', message: 'there is no such key' },
    writeHeaders(answer),
  );
}

function sendConditionNotMet(request: HttpRequest, response: HttpResponse, answer: WriteAnswer): void {
  const { current } = answer;
  const headers = {
    ...writeHeaders(answer),
    ...(current === undefined ? {} : { etag: etagOf(current.version) }),
  };
  const now =
    current === undefined ? 'the key is missing' : `the version is ${formatPosition(current.version)}`;
  const message = `the condition was not met: ${now}`;
  sendError(request, response, 412, { code: 'failed_precondition', message }, headers);
}

/** A body that is too large, or that the caller announces to be. */
class BodyTooLargeError extends Error {}

async function readBody(
  request: HttpRequest,
  response: HttpResponse,
  { budget, valueBytesMax }: KeysRouteOptions,
): Promise<Uint8Array> {
  const tooLarge = (bytes: string): BodyTooLargeError =>
    new BodyTooLargeError(
      `value has ${bytes} bytes: expected at most ${valueBytesMax} (server.max_value_bytes)`,
    );
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > valueBytesMax) throw tooLarge(String(announced));
  const reservation = budget.reserve();
  response.once('close', reservation.release);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of bodyOf(request)) {
      bytes += chunk.length;
      if (bytes > valueBytesMax) throw tooLarge(`more than ${valueBytesMax}`);
      reservation.add(chunk.length);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof BodyTooLargeError || error instanceof WalnutError) throw error;
    throw new WalnutError('cancelled', 'the request body ended early', { cause: error });
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks, bytes);
}

function etagOf(version: Position): string {
  return `"${formatPosition(version)}"`;
}

function entryHeaders(entry: Entry): Headers {
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-cache',
    etag: etagOf(entry.version),
  };
  if (entry.expireAtMs !== 0) headers['x-walnut-expire-at-ms'] = String(entry.expireAtMs);
  return headers;
}

function freshnessHeaders({ asOf, stalenessMs }: GetAnswer): Headers {
  return {
    'x-walnut-position': formatPosition(asOf),
    'x-walnut-as-of': formatPosition(asOf),
    'x-walnut-staleness-ms': String(Math.max(0, Math.floor(stalenessMs))),
  };
}

function writeHeaders(answer: WriteAnswer): Headers {
  return {
    'x-walnut-position': formatPosition(answer.position),
    'x-walnut-durability': answer.durabilityReached,
    'x-walnut-replicas-acked': String(answer.replicasAcked),
  };
}
