/** The edge with any services, on both HTTPs of one loopback port: without a node, admission or metrics. */
import { type AddressInfo, createServer } from 'node:net';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { SliceQueue } from '#platform/slice-queue.ts';
import type { Admission } from '#rpc/admission.ts';
import { AnswerBudget } from '#rpc/answer-budget.ts';
import { createBodyBudget } from '#rpc/body-budget.ts';
import { createBodyDeadlines } from '#rpc/body-deadlines.ts';
import { createConnections } from '#rpc/connections.ts';
import { createErrorMapper } from '#rpc/error-mapping.ts';
import { createGzipCompression } from '#rpc/gzip-compression.ts';
import { createHttpRoutes } from '#rpc/http-routes.ts';
import { createHttp1, createHttp2 } from '#rpc/http-servers.ts';
import { Http1Driver } from '#rpc/http1/http1-driver.ts';
import { Http2Driver } from '#rpc/http2/http2-driver.ts';
import { createRequestListener } from '#rpc/request-listener.ts';
import { createRpcAdapter } from '#rpc/rpc-adapter.ts';
import { createRpcInterceptor } from '#rpc/rpc-interceptor.ts';
import type { RpcRoutes } from '#rpc/rpc-routes.ts';
import { NO_SLOW_LOG, SlowLog } from '#rpc/slow-log.ts';
import { FIRST_BYTES_MS, type Readers, sniff } from '#rpc/socket-mux.ts';
import { TlsGate, type TlsGateOptions } from '#rpc/tls/tls-gate.ts';
import { Turns } from '#rpc/turns.ts';
import type { JsonOptions } from '#rpc/unary/message-codec.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { checkTlsMaterial } from '#tls/tls-material.ts';

export interface RpcEdgeOptions {
  /** False: the adapter serves everything. */
  readonly isDirect: boolean;
  readonly compressMinBytes: number;
  readonly jsonOptions: JsonOptions;
  readonly observe: (code: string) => void;
  readonly routes: (routes: RpcRoutes) => void;
  /** Undefined: every call is admitted. */
  readonly admission?: Admission | undefined;
  /** Undefined: it speaks clear text. */
  readonly tls?: EdgeTls | undefined;
}

/** Certificates in PEM, and their key. */
export interface EdgeTls {
  readonly cert: string;
  readonly key: string;
  /** Signs the certificates that clients must have; undefined: they need none. */
  readonly ca: string | undefined;
}

const BODY_BYTES_MAX = 64_000_000;
const BODY_TIMEOUT_MS = 10_000;

export async function openRpcEdge(options: RpcEdgeOptions): Promise<{ port: number; close: () => void }> {
  const clock = createNodeClock();
  const errors = createErrorMapper(silentLogger, clock, 'test');
  const shutdown = new AbortController();
  const deadlines = createBodyDeadlines(clock, BODY_TIMEOUT_MS, shutdown.signal, () => {});
  const rpcAdapter = createRpcAdapter({
    clock,
    errors,
    deadlines,
    slices: new SliceQueue(clock),
    logger: silentLogger,
    budget: createBodyBudget(BODY_BYTES_MAX),
    compression: createGzipCompression(),
    compressMinBytes: options.compressMinBytes,
    jsonOptions: options.jsonOptions,
    interceptor: createRpcInterceptor(errors),
    shutdownSignal: shutdown.signal,
    observe: (_path, code) => options.observe(code),
    slowLog: new SlowLog(clock, NO_SLOW_LOG),
    onStalled: () => {},
    boundAnswer: () => {},
    isDirect: options.isDirect,
    register: options.routes,
  });
  const listener = createRequestListener({
    deadlines,
    rpcAdapter,
    errors,
    httpRoutes: createHttpRoutes([]),
    admission: options.admission ?? { refusal: () => undefined },
    origins: new Set(),
    isDraining: () => false,
    onRefused: () => {},
  });
  const connections = createConnections();
  const http1 = createHttp1(listener, createNodeClock(), { onStalled: () => {}, onLate: () => {} });
  const http2 = createHttp2(listener, connections, clock);
  const budget = new AnswerBudget(256 << 20, () => {});
  const parts = { clock, listener, connections, budget, turns: new Turns(clock) };
  const events = { onStalled: () => {}, onLate: () => {}, onLimit: () => {} };
  const own2 = new Http2Driver({ ...parts, events, bodyTimeoutMs: BODY_TIMEOUT_MS });
  const own1 = new Http1Driver({
    ...parts,
    requestTimeoutMs: BODY_TIMEOUT_MS,
    onStalled: () => {},
    onLate: () => {},
    handOver: (socket) => http1.emit('connection', socket),
  });
  const readers: Readers = {
    onHttp1: (socket) => (HTTP1 === 'own' ? own1.accept(socket) : void http1.emit('connection', socket)),
    onHttp2: (socket) => (HTTP2 === 'own' ? own2.accept(socket) : void http2.emit('connection', socket)),
  };
  const gate = options.tls && openGate(options.tls, { clock, connections, readers });
  const server = createServer({ noDelay: true }, (socket) => {
    connections.addSocket(socket);
    socket.on('error', () => {});
    if (gate === undefined) sniff(socket, { clock, connections, firstBytesMs: FIRST_BYTES_MS, ...readers });
    else gate.accept(socket, clock.monotonicMs());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): void => {
    shutdown.abort();
    connections.destroy();
    http1.close();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, close };
}

function openGate(parts: EdgeTls, rest: Pick<TlsGateOptions, 'clock' | 'connections' | 'readers'>): TlsGate {
  return new TlsGate({
    ...rest,
    logger: silentLogger,
    mode: 'required',
    minVersion: '1.2',
    clientAuth: parts.ca === undefined ? 'none' : 'require',
    handshakesMax: 512,
    takesCn: false,
    files: { current: checkTlsMaterial(parts, {}), onChange: () => {} },
    onHandshake: () => {},
  });
}
