/**
 * `/` and what stands behind `/page/`: the files of the page, which are open, and
 * `/page/live`, the figures, which need the right to observe. A browser that asks for `/`
 * gets the page, everyone else the text.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { operationOf } from '#model/methods.ts';
import { INDEX, type PageFile, type PageFiles } from '#page/page-files.ts';
import { weightOf } from '#rpc/accept.ts';
import {
  type Headers,
  type HttpRequest,
  type HttpResponse,
  send,
  sendProblem,
  sendText,
} from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { answer, problem, TEXT } from '#rpc/openapi/operation.ts';
import { pageApi, readOnly } from '#rpc/plain-routes.ts';

const TEXT_PAGE = operationOf('/');
const FILE = operationOf('/page/{file}');
const PREFIX = '/page/';

/** Nothing comes from elsewhere, nothing runs that is no file of the page, and nobody frames it. */
const SECURITY_HEADERS: Headers = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

const FILE_API = pageApi(
  'A file of the page',
  {
    '200': answer('The file', { '*/*': {} }),
    '304': answer('Not modified'),
    '404': problem('There is no such file'),
  },
  [
    { name: 'file', in: 'path', required: true, description: 'Its name, such as main.js', schema: TEXT },
    {
      name: 'if-none-match',
      in: 'header',
      description: 'The ETag of the copy that the browser has',
      schema: TEXT,
    },
  ],
);

/** `text`: what this process is, for those who do not ask for a page. */
export function createIndexRoute(files: PageFiles, text: () => string): HttpRoute {
  const index = files.get(INDEX);
  const types = { 'text/plain': TEXT, 'text/html': TEXT };
  return {
    path: '/',
    api: pageApi('What this process is: a page for browsers, else text', {
      '200': answer('Page or text', types),
    }),
    operation: (_verb, _query, headers) => (index !== undefined && wantsPage(headers) ? FILE : TEXT_PAGE),
    serve: readOnly((request, response, { operation }) => {
      response.setHeader('vary', 'accept');
      if (operation !== FILE) return sendText(request, response, 200, text());
      sendFile(request, response, index as PageFile);
    }),
  };
}

export function createFilesRoute(files: PageFiles): HttpRoute {
  return {
    path: PREFIX,
    shown: FILE.name,
    api: FILE_API,
    operation: () => FILE,
    serve: readOnly((request, response, { path }) => {
      const file = files.get(path.slice(PREFIX.length));
      if (file !== undefined) return sendFile(request, response, file);
      const message = 'the page has no such file: expected / in a browser';
      sendProblem(request, response, 404, { code: 'not_found', message });
    }),
  };
}

function sendFile(request: HttpRequest, response: HttpResponse, { type, bytes, etag }: PageFile): void {
  const headers = { ...SECURITY_HEADERS, 'content-type': type, 'cache-control': 'no-cache', etag };
  const isKept = request.headers['if-none-match']?.includes(etag) === true;
  send(request, response, isKept ? 304 : 200, headers, isKept ? '' : bytes);
}

function wantsPage({ accept }: IncomingHttpHeaders): boolean {
  return weightOf(accept, 'text/html') > weightOf(accept, 'text/plain');
}
