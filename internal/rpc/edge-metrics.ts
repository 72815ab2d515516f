/** The metrics of any edge: rpcs by method and code, connections, refusals, readiness. */
import type { Metrics } from '#platform/metrics.ts';
import type { Refusal } from '#rpc/admission.ts';
import type { NoRoom } from '#rpc/body-budget.ts';
import { createCallObserver, type ObserveCall } from '#rpc/call-observer.ts';
import type { Full } from '#rpc/connection-places.ts';
import type { TlsResult } from '#rpc/tls/doors.ts';

export interface EdgeMetrics {
  /** `method`: `/walnut.v1.KVStore/Get`, or `unknown`. */
  readonly observeRpc: ObserveCall;
  countRefused(by: Refusal['by']): void;
  countConnectionRefused(full: Full): void;
  countStalled(): void;
  /** A request took too long to come. */
  countLate(): void;
  /** A body was refused for want of room. */
  countBodyRefused(noRoom: NoRoom): void;
  /** A peer passed a limit of HTTP/2, or that of answers. */
  countLimit(limit: string): void;
  /** A handshake ended, or clear text was refused. */
  countHandshake(result: TlsResult): void;
}

export interface EdgeMetricsOptions {
  readonly metrics: Metrics;
  readonly isReady: () => boolean;
  /** Calls that counted as slow since the process started. */
  readonly slowCalls: () => number;
  readonly connections: () => number;
  readonly connectionsMax: number;
  /** Bytes of request bodies in memory. */
  readonly bodyBytes: () => number;
  /** Bytes of answers that wait for their peers, on connections of our own codecs. */
  readonly waitingBytes: () => number;
  /** Handshakes of TLS under way; undefined where there is no TLS. */
  readonly handshakes: (() => number) | undefined;
}

export function createEdgeMetrics(options: EdgeMetricsOptions): EdgeMetrics {
  const { metrics } = options;
  const observeRpc = createRpcObserver(metrics);
  const stalled = metrics.counter(
    'walnut_answers_stalled_total',
    'Answers cut off because the peer read nothing for a minute.',
  );
  const late = metrics.counter(
    'walnut_requests_late_total',
    'Requests cut off because their head or their body took too long to come.',
  );
  const limits = metrics.counterFamily(
    'walnut_http2_limits_total',
    'Connections ended, or streams refused, because a peer passed a limit, by limit.',
    ['limit'],
  );
  const refused = metrics.counter(
    'walnut_connections_refused_total',
    'Connections refused because all were taken, or all of one address.',
  );
  const refusedByAddress = metrics.counter(
    'walnut_connections_refused_by_address_total',
    'Connections refused because their address had as many as one may have.',
  );
  registerGauges(options);
  return {
    observeRpc,
    countRefused: createRefusalCounter(metrics),
    countConnectionRefused: (full) => {
      refused.inc();
      if (full === 'address') refusedByAddress.inc();
    },
    countStalled: () => stalled.inc(),
    countLate: () => late.inc(),
    countBodyRefused: createBodyCounter(metrics),
    countLimit: (limit) => limits.with({ limit: limit.replace(' ', '_') }).inc(),
    countHandshake:
      options.handshakes === undefined ? () => {} : createHandshakeCounter(metrics, options.handshakes),
  };
}

/** What the edge knows anyway, read at each scrape. */
function registerGauges({ metrics, ...read }: EdgeMetricsOptions): void {
  metrics.gaugeFrom('walnut_connections', 'Open connections.', read.connections);
  metrics.gaugeFrom(
    'walnut_connections_max',
    'Most connections that this node accepts, by ulimit -n and its memory.',
    () => read.connectionsMax,
  );
  metrics.gaugeFrom('walnut_request_body_bytes', 'Bytes of request bodies in memory.', read.bodyBytes);
  metrics.gaugeFrom(
    'walnut_http2_waiting_bytes',
    'Bytes of answers that wait for their peers to read them, over HTTP/1.1 and HTTP/2.',
    read.waitingBytes,
  );
  metrics.counterFrom(
    'walnut_slow_calls_total',
    'Calls that took server.slow_log.threshold or longer.',
    read.slowCalls,
  );
  metrics.gaugeFrom('walnut_ready', '1 when /readyz answers 200.', () => (read.isReady() ? 1 : 0));
}

function createRefusalCounter(metrics: Metrics): EdgeMetrics['countRefused'] {
  const strangers = metrics.counter(
    'walnut_protected_mode_refused_total',
    'Requests refused because the peer was not on a private address.',
  );
  const names = metrics.counter(
    'walnut_hosts_refused_total',
    'Requests refused because they named a host that is no name of this node.',
  );
  const credentials = metrics.counter(
    'walnut_auth_unauthenticated_total',
    'Requests refused because their credential was missing or wrong.',
  );
  const rights = metrics.counter(
    'walnut_auth_denied_total',
    'Requests refused because no role of their user grants the method.',
  );
  return (by) => {
    if (by === 'name') names.inc();
    else if (by === 'address') strangers.inc();
    else if (by === 'credential') credentials.inc();
    else if (by === 'rights') rights.inc();
  };
}

function createBodyCounter(metrics: Metrics): EdgeMetrics['countBodyRefused'] {
  const bodies = metrics.counterFamily(
    'walnut_bodies_refused_total',
    'Requests refused because there was no room for their body: in the room of all, or in that of their caller.',
    ['room'],
  );
  return (room) => bodies.with({ room }).inc();
}

function createHandshakeCounter(metrics: Metrics, underWay: () => number): EdgeMetrics['countHandshake'] {
  const ended = metrics.counterFamily(
    'walnut_tls_handshakes_total',
    'Handshakes that ended, by result; clear_text: a peer spoke without TLS where that is required.',
    ['result'],
  );
  metrics.gaugeFrom('walnut_tls_handshakes_under_way', 'Handshakes under way.', underWay);
  return (result) => ended.with({ result }).inc();
}

function createRpcObserver(metrics: Metrics): ObserveCall {
  const names = {
    total: ['walnut_rpc_handled_total', 'Rpcs answered, by method and Connect code (ok included).'],
    seconds: ['walnut_rpc_duration_seconds', 'Time from the headers of an rpc to its answer.'],
  } as const;
  return createCallObserver(metrics, names, (path) => (path.startsWith('/') ? path.slice(1) : path));
}
