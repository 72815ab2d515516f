/**
 * Which requests the stream path takes: what their headers ask for, or undefined where it
 * is more than the path does, or wrong in any way. Those go to the adapter, untouched.
 */
import { type HttpRequest, isNodeHttp1 } from '#rpc/http-io.ts';
import { isGzipAccepted } from '#rpc/unary/protocols.ts';
import { isPlainAuthority, type ProtocolName, timeoutOf } from '#rpc/unary/request-shape.ts';

export interface StreamShape {
  readonly protocol: ProtocolName;
  readonly timeoutMs: number | undefined;
  /** Large messages of the answer are compressed. */
  readonly acceptsGzip: boolean;
}

const PROTOCOLS_BY_TYPE: ReadonlyMap<string, ProtocolName> = new Map([
  ['application/connect+proto', 'connect'],
  ['application/grpc', 'grpc'],
  ['application/grpc+proto', 'grpc'],
  ['application/grpc-web', 'grpc-web'],
  ['application/grpc-web+proto', 'grpc-web'],
]);

export function streamShapeOf(request: HttpRequest): StreamShape | undefined {
  const { method, headers } = request;
  const protocol = PROTOCOLS_BY_TYPE.get(headers['content-type'] ?? '');
  if (method !== 'POST' || protocol === undefined) return undefined;
  if (protocol === 'grpc' && isNodeHttp1(request)) return undefined;
  if (!isPlainAuthority(headers[':authority'] ?? headers.host)) return undefined;
  const prefix = protocol === 'connect' ? 'connect-content' : 'grpc';
  const encoding = headers[`${prefix}-encoding`];
  if (encoding !== undefined && encoding !== 'identity') return undefined;
  const timeout = timeoutOf(protocol, headers);
  if (timeout === undefined) return undefined;
  const accepted = headers[protocol === 'connect' ? 'connect-accept-encoding' : 'grpc-accept-encoding'];
  return { protocol, timeoutMs: timeout.timeoutMs, acceptsGzip: isGzipAccepted(accepted, false) };
}
