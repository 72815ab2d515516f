/**
 * `/openapi.json`: the routes and unary rpcs of this server as OpenAPI 3.1. It is made of
 * the routes and descriptors that are served, so it contains no others. Streams and the
 * binary formats are left out: the proto files, which reflection gives, have them.
 */
import type { DescMethod } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { send } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { methodComment, ProtoComments, schemaRef, schemasOf } from '#rpc/openapi/message-schemas.ts';
import {
  type ApiOperation,
  type ApiParameter,
  answer,
  type JsonSchema,
  type PathApi,
} from '#rpc/openapi/operation.ts';
import { createPlainRoute, pageApi } from '#rpc/plain-routes.ts';
import type { RpcModule } from '#rpc/rpc-routes.ts';

const OPENAPI_PATH = '/openapi.json';
const JSON_TYPE = 'application/json';

/** A problem (RFC 9457), with the code and message of the rpcs beside. */
const PROBLEM_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', description: 'The code of the rpcs in lower case, such as not_found' },
    message: { type: 'string' },
    nothingDone: {
      type: 'boolean',
      description: 'True: the request did nothing and never will. Absent: a write may have been carried out',
    },
  },
  required: ['code', 'message'],
};

/** An error of the Connect protocol. */
const ERROR_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    code: { type: 'string', description: 'Such as invalid_argument' },
    message: { type: 'string' },
    details: { type: 'array', items: { type: 'object' } },
  },
  required: ['code'],
};

type DescribedService = Pick<RpcModule, 'service' | 'headers'>;

/** `routes`: all others of the server. */
export function createOpenapiRoute(
  routes: readonly HttpRoute[],
  services: readonly DescribedService[],
): HttpRoute {
  const api = pageApi('This document', { '200': answer('OpenAPI 3.1', { [JSON_TYPE]: { type: 'object' } }) });
  let body: Buffer | undefined;
  const route = createPlainRoute(OPENAPI_PATH, api, (request, response) => {
    body ??= Buffer.from(`${JSON.stringify(openapiOf([...routes, route], services))}\n`);
    send(request, response, 200, { 'content-type': JSON_TYPE, 'cache-control': 'no-cache' }, body);
  });
  return route;
}

/** Pure. */
function openapiOf(routes: readonly HttpRoute[], services: readonly DescribedService[]): JsonSchema {
  const methods = services.flatMap(({ service }) => service.methods.filter(isUnary));
  const comments = new ProtoComments();
  const plain = routes.map(({ shown, path, api }) => [shown ?? path, withTag(api, 'plain HTTP')] as const);
  const rpcs = services.flatMap(({ service, headers = [] }) =>
    service.methods
      .filter(isUnary)
      .map((method) => [
        `/${service.typeName}/${method.name}`,
        withTag(toPathApi(method, comments, headers), service.typeName),
      ]),
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'Walnut',
      version: 'v1',
      description:
        'A replicated in-memory cache. An rpc is a POST of its request as JSON; the same paths take ' +
        'Connect, gRPC and gRPC-Web. In JSON, bytes are base64 and 64-bit numbers are strings.',
    },
    // The configuration of a server says whether a credential is needed, and its roles for what.
    security: [{}, { token: [] }, { password: [] }],
    paths: Object.fromEntries([...plain, ...rpcs]),
    components: {
      schemas: {
        ...schemasOf(
          methods.flatMap(({ input, output }) => [input, output]),
          comments,
        ),
        Problem: PROBLEM_SCHEMA,
        Error: ERROR_SCHEMA,
      },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'A token of walnut auth new-token' },
        password: { type: 'http', scheme: 'basic' },
      },
    },
  };
}

function isUnary({ methodKind }: DescMethod): boolean {
  return methodKind === 'unary';
}

function withTag(api: PathApi, tag: string): Record<string, JsonSchema> {
  return Object.fromEntries(
    Object.entries(api).map(([method, operation]) => [method, { tags: [tag], ...operation }]),
  );
}

/** An rpc without side effects is a GET too, with its request as a parameter. */
function toPathApi(method: DescMethod, comments: ProtoComments, headers: readonly ApiParameter[]): PathApi {
  const post = { ...toOperation(method, comments), parameters: headers };
  if (method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) return { post };
  const { requestBody: _, ...same } = post;
  const content = { [JSON_TYPE]: { schema: schemaRef(method.input) } };
  const parameters: ApiParameter[] = [
    ...headers,
    {
      name: 'encoding',
      in: 'query',
      required: true,
      description: 'Of the message',
      schema: { const: 'json' },
    },
    { name: 'message', in: 'query', required: true, description: 'The request as JSON', content },
  ];
  return { get: { ...same, parameters }, post };
}

function toOperation(method: DescMethod, comments: ProtoComments): ApiOperation {
  const { name, input, output } = method;
  const description = methodComment(method, comments);
  return {
    summary: name,
    ...(description === undefined ? {} : { description }),
    requestBody: { required: true, content: { [JSON_TYPE]: { schema: schemaRef(input) } } },
    responses: {
      '200': answer(output.name, { [JSON_TYPE]: schemaRef(output) }),
      '415': answer('The content type is none of an rpc'),
      default: answer('An error', { [JSON_TYPE]: { $ref: '#/components/schemas/Error' } }),
    },
  };
}
