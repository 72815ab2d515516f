/** The Connect protocol on our own HTTP/2: the head of a call, and what a call that failed is told as. */
import type { DescMethodUnary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { type Endpoint, pathOf, schemeOf, UNARY_HEADERS } from '#dial/endpoint.ts';
import type { CallFailure } from '#dial/http2/outgoing-call.ts';
import { clusterHeaders, type MeantCluster } from '#dial/meant-cluster.ts';
import type { FieldList } from '#http/hpack/hpack-encoder.ts';
import { ErrorCode } from '#http/http2/frame.ts';

/** A longer body is announced, so that its reader makes room for it once. */
const ANNOUNCED_BYTES_MIN = 16_384;

/** With what may differ from call to call, and seldom does. */
interface KnownList {
  readonly timeoutMs: number | undefined;
  readonly credential: string | undefined;
  readonly cluster: MeantCluster | undefined;
  readonly list: FieldList;
}

/** The last lists by endpoint and method: of the identical list the encoder has the bytes. */
const known = new WeakMap<Endpoint, Map<DescMethodUnary, KnownList>>();

/** The head of a unary call with a protobuf body of so many bytes; a time limit of 0 or less is none. */
export function unaryFields(
  endpoint: Endpoint,
  method: DescMethodUnary,
  bodyBytes: number,
  timeoutMs?: number,
): FieldList {
  let lists = known.get(endpoint);
  if (lists === undefined) {
    lists = new Map();
    known.set(endpoint, lists);
  }
  const credential = endpoint.authorization?.();
  const cluster = endpoint.cluster?.();
  let last = lists.get(method);
  if (
    last === undefined ||
    last.timeoutMs !== timeoutMs ||
    last.credential !== credential ||
    last.cluster !== cluster
  ) {
    const list = [...pseudoFields(endpoint, pathOf(method)), ...Object.entries(UNARY_HEADERS).flat()];
    if (timeoutMs !== undefined && timeoutMs > 0)
      list.push('connect-timeout-ms', String(Math.ceil(timeoutMs)));
    if (credential !== undefined) list.push('authorization', credential);
    if (cluster !== undefined) list.push(...clusterFields(cluster));
    last = { timeoutMs, credential, cluster, list };
    lists.set(method, last);
  }
  return bodyBytes < ANNOUNCED_BYTES_MIN ? last.list : [...last.list, 'content-length', String(bodyBytes)];
}

/** Headers of a caller as fields; the endpoint's credential, where it has one, stands for the caller's. */
export function callerFields({ authorization }: Endpoint, headers: Headers): FieldList {
  const own = [...headers];
  const kept = authorization === undefined ? own : own.filter(([name]) => name !== 'authorization');
  return kept.flat();
}

/** Says for which cluster a call is, and which map the caller knows. */
export function clusterFields(cluster: MeantCluster): FieldList {
  return clusterHeaders(cluster).flat();
}

/** What every request begins with. */
export function pseudoFields(endpoint: Endpoint, path: string): FieldList {
  return [':method', 'POST', ':scheme', schemeOf(endpoint), ':authority', endpoint.text, ':path', path];
}

/** With the codes that connect-node gives. `failureOf` finds the failure again. */
export function callError(failure: CallFailure): ConnectError {
  return new ConnectError(failure.why, codeOf(failure.code), undefined, undefined, failure);
}

function codeOf(code: number | undefined): Code {
  switch (code) {
    case undefined:
    case ErrorCode.refusedStream:
      return Code.Unavailable;
    case ErrorCode.cancel:
      return Code.Canceled;
    case ErrorCode.enhanceYourCalm:
      return Code.ResourceExhausted;
    case ErrorCode.inadequateSecurity:
      return Code.PermissionDenied;
    default:
      return Code.Internal;
  }
}
