/** The answer to an rpc that does not exist: it names those that do, in the caller's protocol. */
import { type HttpRequest, type HttpResponse, sendRpcError } from '#rpc/http-io.ts';

export function sendUnknownRpc(
  request: HttpRequest,
  response: HttpResponse,
  path: string,
  knownPaths: readonly string[],
): void {
  const message = unknownRpcMessage(path, knownPaths);
  sendRpcError(request, response, { httpStatus: 404, code: 'unimplemented', message, headers: {} });
}

/** Names the service's rpcs where the service exists, else all services. */
function unknownRpcMessage(path: string, knownPaths: readonly string[]): string {
  const shown = JSON.stringify(path.slice(0, 120).toWellFormed());
  const service = path.slice(1, path.indexOf('/', 1));
  const methods = knownPaths
    .filter((known) => known.startsWith(`/${service}/`))
    .map((known) => known.slice(service.length + 2));
  if (methods.length > 0) return `unknown rpc ${shown}; known: ${methods.join(', ')}`;
  const services = new Set(knownPaths.map((known) => known.slice(1, known.indexOf('/', 1))));
  return `unknown rpc ${shown}; known: services ${[...services].join(', ')}`;
}
