/**
 * The inbound edge of a node: one port for Connect, gRPC, gRPC-Web, plain HTTP,
 * health and metrics. It knows the ports of the model and nothing behind them.
 *
 * Layers, outermost first: socket mux → HTTP servers → request listener (plain
 * routes, keys) → rpc adapter → services. `openServer` rejects with
 * `ServerAddressError` where the address cannot be bound.
 */

import type { Server } from 'node:net';
import type { DescMethod } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';
import { Health } from '#gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Replication } from '#gen/walnut/v1/replication_pb.ts';
import type { NodePorts } from '#model/ports.ts';
import type { NodeStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Metrics } from '#platform/metrics.ts';
import { routeAdmin } from '#server/admin-service.ts';
import { createBoundAnswer } from '#server/answer-pace.ts';
import { type BodyBudget, createBodyBudget } from '#server/body-budget.ts';
import { type BodyDeadlines, createBodyDeadlines } from '#server/body-deadlines.ts';
import { createBoundedMux } from '#server/bounded-mux.ts';
import { ConnectionRefusals, limitConnections } from '#server/connection-limit.ts';
import { type Connections, createConnections } from '#server/connections.ts';
import { createErrorMapper, type ErrorMapper } from '#server/error-mapping.ts';
import { createGzipCompression, NEVER_COMPRESS_BYTES } from '#server/gzip-compression.ts';
import { routeHealth } from '#server/health-service.ts';
import { createHostPolicy, type HostPolicy } from '#server/host-policy.ts';
import { createHttp1, createHttp2 } from '#server/http-servers.ts';
import { createKeysRoute } from '#server/keys-route.ts';
import { routeKeyValue } from '#server/kv-service.ts';
import { listen } from '#server/listen.ts';
import { createMessageLimits } from '#server/message-limits.ts';
import { createPlainRoutes } from '#server/plain-routes.ts';
import { isLoopbackAddress, isPrivateAddress, protectedModeMessage } from '#server/protected-mode.ts';
import { routeReflection } from '#server/reflection-service.ts';
import { routeReplication } from '#server/replication-service.ts';
import { BODY_TIMEOUT_MS, createRequestListener } from '#server/request-listener.ts';
import { createRpcAdapter, type RpcAdapter, STRICT_JSON } from '#server/rpc-adapter.ts';
import type { RpcCall } from '#server/rpc-call.ts';
import { createRpcInterceptor } from '#server/rpc-interceptor.ts';
import { createServerMetrics, type ServerMetrics } from '#server/server-metrics.ts';
import { NOTHING_DONE } from '#wire/error-codec.ts';

export interface ServerOptions {
  readonly ports: NodePorts;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** `server.address`: an IP address or host name to bind. */
  readonly host: string;
  /** `server.port`; 0: any free one. */
  readonly port: number;
  /** `server.max_value_bytes` */
  readonly valueBytesMax: number;
  /** `server.max_batch_bytes`: one Batch as sent, and the values in one Batch answer. */
  readonly batchBytesMax: number;
  /** Request bodies in memory at once, over all connections together. */
  readonly bodyBytesMax: number;
  /** Told the bytes of large request bodies as they are taken in. */
  readonly onBodyBytes?: ((bytes: number) => void) | undefined;
  /** Names by which callers may call this node, beside localhost: without a port. */
  readonly hostNames: readonly string[];
  readonly version: string;
  /** How many files and sockets the process may have open. */
  readonly openFilesMax: number;
}

export interface RunningServer {
  readonly port: number;
  /** What was bound, as `host:port`. */
  readonly address: string;
  /** Not ready from now on; new rpcs are UNAVAILABLE, those under way go on. Twice is fine. */
  beginDrain(): void;
  /** Drains, then ends what is left after `graceMs`. Never rejects. */
  close(graceMs: number): Promise<void>;
}

const SERVICES = [KVStore, Replication, Admin, Health, ServerReflection] as const;

/** A server's parts that its layers share. */
interface Edge {
  readonly options: ServerOptions;
  readonly errors: ErrorMapper;
  readonly metrics: ServerMetrics;
  readonly budget: BodyBudget;
  /** For all requests together: it bounds how many expand at once. */
  readonly compression: Compression;
  readonly deadlines: BodyDeadlines;
  readonly status: () => NodeStatus;
  readonly isDraining: () => boolean;
  readonly drainSignal: AbortSignal;
  readonly shutdownSignal: AbortSignal;
  readonly isProtected: boolean;
  readonly hosts: HostPolicy;
}

export async function openServer(options: ServerOptions): Promise<RunningServer> {
  const { ports, clock, logger } = options;
  const draining = new AbortController();
  const shutdown = new AbortController();
  const limit = limitConnections(options.openFilesMax);
  const connections = createConnections(limit.connectionsMax);
  const status = (): NodeStatus => shownStatus(ports.admin.status(), draining.signal.aborted);
  const mux = createBoundedMux(connections, {
    clock,
    limit,
    refusals: () => refusals,
    onHttp1: (socket) => http1.emit('connection', socket),
    onHttp2: (socket) => http2.emit('connection', socket),
  });
  logger.info({ ...limit }, 'connections are bounded by the limit of open files');
  const bound = await listen(mux, options);
  // Nothing is accepted before this turn of the event loop ends.
  const isLoopback = isLoopbackAddress(bound.address);
  const edge: Edge = {
    options,
    errors: createErrorMapper(logger, clock, clock.wallMs().toString(36)),
    metrics: createServerMetrics(options.metrics, status, connections.count, limit.connectionsMax),
    budget: createBodyBudget(options.bodyBytesMax, options.onBodyBytes),
    compression: createGzipCompression(),
    deadlines: createBodyDeadlines(clock, BODY_TIMEOUT_MS, shutdown.signal),
    status,
    isDraining: () => draining.signal.aborted,
    drainSignal: draining.signal,
    shutdownSignal: shutdown.signal,
    isProtected: !isLoopback,
    hosts: createHostPolicy({ isLoopback, names: [options.host, ...options.hostNames] }),
  };
  const listener = createListener(edge);
  const http1 = createHttp1(listener, clock, edge.metrics.noteStalled);
  const http2 = createHttp2(listener, connections, clock);
  const refusals = new ConnectionRefusals({ limit, clock, logger, onRefused: edge.metrics.refuseConnection });
  const closeHttp1 = (): void => {
    http1.close();
  };
  if (edge.isProtected) {
    logger.warn(
      { address: bound.address },
      'protected mode: there is no authentication, so only loopback and private addresses are served',
    );
  }
  const beginDrain = (): void => {
    if (draining.signal.aborted) return;
    draining.abort();
    connections.drain(http1);
  };
  let closed: Promise<void> | undefined;
  return {
    port: bound.port,
    address: bound.family === 'IPv6' ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`,
    beginDrain,
    close: (graceMs) => {
      beginDrain();
      closed ??= closeAll({ mux, connections, shutdown, clock, graceMs }).finally(closeHttp1);
      return closed;
    },
  };
}

function shownStatus(status: NodeStatus, isDraining: boolean): NodeStatus {
  if (!isDraining) return status;
  return {
    ...status,
    state: 'draining',
    isReady: false,
    reasons: ['the server is stopping', ...status.reasons],
  };
}

function createListener(edge: Edge): ReturnType<typeof createRequestListener> {
  const { options, metrics, errors, budget } = edge;
  return createRequestListener({
    deadlines: edge.deadlines,
    errors,
    plainRoutes: createPlainRoutes({
      metrics: options.metrics,
      status: edge.status,
      version: options.version,
    }),
    keysRoute: createKeysRoute({
      port: options.ports.keyValue,
      errors,
      budget,
      compression: edge.compression,
      boundAnswer: createBoundAnswer(options.clock, metrics.noteStalled),
      valueBytesMax: options.valueBytesMax,
      observe: metrics.observeKeys,
    }),
    rpcAdapter: createAdapter(edge),
    isDraining: edge.isDraining,
    isServed: (address) => !edge.isProtected || isPrivateAddress(address),
    onRefused: metrics.refuseProtected,
    hosts: edge.hosts,
    onHostRefused: metrics.refuseHost,
  });
}

function createAdapter(edge: Edge): RpcAdapter {
  const { options, errors } = edge;
  const { ports, valueBytesMax, batchBytesMax } = options;
  const messages = createMessageLimits(options);
  const describe = (error: unknown): { code: string; message: string } => errors.toHttpError(error);
  return createRpcAdapter({
    clock: options.clock,
    logger: options.logger,
    errors,
    budget: edge.budget,
    deadlines: edge.deadlines,
    compression: edge.compression,
    compressMinBytes: NEVER_COMPRESS_BYTES,
    jsonOptions: STRICT_JSON,
    interceptor: createRpcInterceptor(errors),
    gate: createGate(edge),
    shutdownSignal: edge.shutdownSignal,
    observe: edge.metrics.observeRpc,
    boundAnswer: createBoundAnswer(options.clock, edge.metrics.noteStalled),
    onStalled: edge.metrics.noteStalled,
    routes: (_router, routes) => {
      routeKeyValue(routes, {
        port: ports.keyValue,
        limits: { valueBytesMax, answerBytesMax: batchBytesMax },
        describe,
        messages: messages.keyValue,
      });
      routeReplication(routes, ports.replication, messages.replication);
      routeAdmin(routes, ports.admin, edge.status, { valueBytesMax, describe }, messages.admin);
      routeHealth(routes, {
        clock: options.clock,
        isReady: () => edge.status().isReady,
        services: SERVICES.slice(0, 3).map(({ typeName }) => typeName),
        drainSignal: edge.drainSignal,
        messages: messages.health,
      });
      routeReflection(routes, SERVICES, messages.reflection);
    },
  });
}

/** Runs before a body is read. Health and Status always answer. */
function createGate(edge: Edge): (method: DescMethod, call: RpcCall) => void {
  return (method, call) => {
    if (method.parent === Health) return;
    const { remoteAddress } = call;
    if (edge.isProtected && !isPrivateAddress(remoteAddress)) {
      edge.metrics.refuseProtected();
      call.code = 'unauthenticated';
      throw refusal(protectedModeMessage(remoteAddress), Code.Unauthenticated);
    }
    if (edge.isDraining() && method !== Admin.method.status) {
      call.code = 'unavailable';
      throw refusal('the server is stopping: try another node', Code.Unavailable);
    }
  };
}

function refusal(message: string, code: Code): ConnectError {
  return new ConnectError(message, code, undefined, [NOTHING_DONE]);
}

interface Closing {
  readonly mux: Server;
  readonly connections: Connections;
  readonly shutdown: AbortController;
  readonly clock: Clock;
  readonly graceMs: number;
}

async function closeAll({ mux, connections, shutdown, clock, graceMs }: Closing): Promise<void> {
  const stopped = new Promise<void>((resolve) => mux.close(() => resolve()));
  const done = new AbortController();
  await Promise.race([connections.empty(), clock.sleep(graceMs, done.signal)]);
  done.abort();
  shutdown.abort(new ConnectError('the server stopped', Code.Unavailable));
  connections.destroy();
  await stopped;
}
