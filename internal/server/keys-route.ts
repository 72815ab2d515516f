/**
 * Keys for people with curl: `GET/HEAD/PUT/DELETE /v1/keys/{key}`.
 *
 * The value is the body without its Content-Encoding, the ETag the version. PUT answers 201 where the key
 * was missing and 204 where it was replaced; DELETE 204, and 404 where there was
 * nothing; a condition that is not met 412 with the ETag there is now; a write on
 * a replica 421 with `x-leader-hint`. Errors are JSON as in the Connect protocol.
 */
import { toJsonString } from '@bufbuild/protobuf';
import { ExplainResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Operation } from '#model/access.ts';
import type { GetAnswer, ReceiptOptions, WriteAnswer } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { formatPosition, type Position } from '#model/position.ts';
import type { BoundAnswer } from '#rpc/answer-pace.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import {
  type Headers,
  type HttpRequest,
  type HttpResponse,
  isNodeHttp2Response,
  isOver,
  send,
  sendError,
  sendMethodNotAllowed,
} from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { checkNamedOnce, writeWhere } from '#server/conditional-write.ts';
import { etagOf, isMatch, isNoneMatch, readPreconditions } from '#server/entity-tags.ts';
import { BodyRefusedError, type KeysBodyOptions, readValue } from '#server/keys-body.ts';
import { contentHeaders, readContentType, setAsKept } from '#server/keys-content.ts';
import {
  isExplain,
  KEYS_PREFIX,
  keyOfPath,
  toKeysDelete,
  toKeysGet,
  toKeysSet,
} from '#server/keys-request.ts';
import type { HttpError } from '#wire/error-codec.ts';
import { fromExplainAnswer } from '#wire/explain-codec.ts';

export interface KeysRouteOptions extends KeysBodyOptions {
  readonly port: KeyValuePort;
  readonly errors: ErrorMapper;
  readonly boundAnswer: BoundAnswer;
  /** Method, lower-case code, `ok` included. */
  readonly observe: (method: string, code: string) => void;
}

const METHODS = 'GET, HEAD, PUT, DELETE';
const READ: Operation = { name: KEYS_PREFIX, access: 'read', isServedDraining: false };
const WRITE: Operation = { name: KEYS_PREFIX, access: 'write', isServedDraining: false };

export function createKeysRoute(options: KeysRouteOptions): HttpRoute {
  return {
    path: KEYS_PREFIX,
    shown: `${KEYS_PREFIX}{key}`,
    operation: (verb) => (verb === 'PUT' || verb === 'DELETE' ? WRITE : READ),
    serve: createServe(options),
  };
}

function createServe(options: KeysRouteOptions): HttpRoute['serve'] {
  return async (request, response, path, query) => {
    const method = request.method ?? '';
    const caller = new Caller(response);
    try {
      if (!METHODS.split(', ').includes(method)) return sendMethodNotAllowed(request, response, METHODS);
      const key = keyOfPath(path);
      if (method === 'PUT') await put(options, request, response, key, query, caller);
      else if (method === 'DELETE') await remove(options, request, response, key, query, caller);
      else if (method === 'GET' && isExplain(query))
        await explain(options, request, response, key, caller.signal);
      else await read(options, request, response, key, query, caller);
      options.observe(method, 'ok');
    } catch (error) {
      if (isOver(response)) return;
      const { httpStatus, code, message, headers } = toHttpError(error, options.errors);
      options.observe(method, code);
      sendError(request, response, httpStatus, { code, message }, headers);
    }
  };
}

/** The caller of one request. */
class Caller {
  readonly #response: HttpResponse;
  #aborter: AbortController | undefined;

  constructor(response: HttpResponse) {
    this.#response = response;
  }

  /** Aborts if the caller goes away. Made when it is first asked for: it costs more than a small write. */
  get signal(): AbortSignal {
    this.#aborter ??= this.#watch(new AbortController());
    return this.#aborter.signal;
  }

  #watch(aborter: AbortController): AbortController {
    const response = this.#response;
    if (isOver(response)) aborter.abort();
    response.once('close', () => {
      if (!response.writableFinished) aborter.abort();
    });
    return aborter;
  }
}

/** Only a write that waits for more than being visible needs to know that its caller went away. */
function signalFor({ minAcks, durability }: ReceiptOptions, caller: Caller): AbortSignal | undefined {
  return minAcks > 0 || durability !== undefined ? caller.signal : undefined;
}

function toHttpError(error: unknown, errors: ErrorMapper): HttpError {
  if (!(error instanceof BodyRefusedError)) return errors.toHttpError(error);
  const { httpStatus, message, headers } = error;
  return { httpStatus, code: 'invalid_argument', message, headers };
}

/** `?explain`: what became of the key, as the JSON of Explain. */
async function explain(
  { port }: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  const answer = fromExplainAnswer(await port.explain({ key, changes: 0 }, signal));
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  send(request, response, 200, headers, `${toJsonString(ExplainResponseSchema, answer)}\n`);
}

async function read(
  { port, boundAnswer }: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  key: string,
  query: string,
  caller: Caller,
): Promise<void> {
  const preconditions = readPreconditions(request.headers);
  const command = toKeysGet(key, query);
  const answer = await port.get(command, command.waitMs > 0 ? caller.signal : undefined);
  const freshness = freshnessHeaders(answer);
  const { entry } = answer;
  if (entry === undefined) {
    sendError(request, response, 404, { code: 'not_found', message: 'there is no such key' }, freshness);
    return;
  }
  const { version } = entry;
  if (!isMatch(preconditions, version)) {
    return sendConditionNotMet(request, response, version, { ...freshness, etag: etagOf(version) });
  }
  const headers = { ...freshness, ...entryHeaders(entry) };
  send(request, response, isNoneMatch(preconditions, version) ? 200 : 304, headers, entry.value);
  if (isNodeHttp2Response(response)) boundAnswer(response.stream, entry.value.length);
}

async function put(
  options: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  key: string,
  query: string,
  caller: Caller,
): Promise<void> {
  const command = { ...toKeysSet(key, query), ...readContentType(request.headers['content-type']) };
  const preconditions = readPreconditions(request.headers);
  checkNamedOnce(preconditions, command.requestId);
  const value = await readValue(request, response, options);
  let notKept = {};
  const answer = await writeWhere(preconditions, async (condition) => {
    const set = await setAsKept(options.port, { ...command, condition, value }, signalFor(command, caller));
    notKept = set.isTypeKept ? {} : { 'x-walnut-not-kept': 'content-type' };
    return set.answer;
  });
  if (!answer.applied) return sendNotWritten(request, response, answer);
  const headers = { ...writeHeaders(answer), etag: etagOf(answer.position), ...notKept };
  send(request, response, answer.previous === undefined ? 201 : 204, headers, '');
}

async function remove(
  { port }: KeysRouteOptions,
  request: HttpRequest,
  response: HttpResponse,
  key: string,
  query: string,
  caller: Caller,
): Promise<void> {
  const command = toKeysDelete(key, query);
  const preconditions = readPreconditions(request.headers);
  if (preconditions.ifNoneMatch !== undefined) throw invalidArgument('If-None-Match does not go with DELETE');
  checkNamedOnce(preconditions, command.requestId);
  const answer = await writeWhere(preconditions, (condition) =>
    // A delete that finds nothing does nothing, so it needs no condition to be of what is present.
    port.delete(
      condition?.kind === 'version' ? { ...command, condition } : command,
      signalFor(command, caller),
    ),
  );
  if (answer.applied) return send(request, response, 204, writeHeaders(answer), '');
  if (preconditions.ifMatch !== undefined) return sendNotWritten(request, response, answer);
  sendError(
    request,
    response,
    404,
    { code: 'not_found', message: 'there is no such key' },
    writeHeaders(answer),
  );
}

function sendNotWritten(request: HttpRequest, response: HttpResponse, answer: WriteAnswer): void {
  const version = answer.current?.version;
  const headers = { ...writeHeaders(answer), ...(version === undefined ? {} : { etag: etagOf(version) }) };
  sendConditionNotMet(request, response, version, headers);
}

function sendConditionNotMet(
  request: HttpRequest,
  response: HttpResponse,
  version: Position | undefined,
  headers: Headers,
): void {
  const now = version === undefined ? 'the key is missing' : `the version is ${formatPosition(version)}`;
  const message = `the condition was not met: ${now}`;
  sendError(request, response, 412, { code: 'failed_precondition', message }, headers);
}

function entryHeaders(entry: Entry): Headers {
  const headers: Record<string, string> = {
    ...contentHeaders(entry.contentType),
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
