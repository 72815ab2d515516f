/**
 * An inbound edge: one port for Connect, gRPC, gRPC-Web, plain HTTP, health and
 * metrics. What it serves is a list of modules; what it asks of the process behind
 * them is an `EdgeOwner`, a node or not.
 *
 * Layers, outermost first: listeners → request listener, which asks admission → rpc
 * adapter and HTTP routes → modules. `openEdge` rejects with `ServerAddressError`
 * where the address cannot be bound.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import { Health } from '#gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.ts';
import type { AuditPort, IdentityPort, Operation } from '#model/access.ts';
import type { EdgeOwner, Readiness } from '#model/edge.ts';
import type { Metrics } from '#platform/metrics.ts';
import { SliceQueue } from '#platform/slice-queue.ts';
import type { SlicePace } from '#platform/slices.ts';
import { type Admission, callerOf, createAdmission, type Refusal } from '#rpc/admission.ts';
import { type BoundAnswer, createBoundAnswer } from '#rpc/answer-pace.ts';
import { type BodyBudget, createBodyBudget } from '#rpc/body-budget.ts';
import { type BodyDeadlines, createBodyDeadlines } from '#rpc/body-deadlines.ts';
import type { CorsOrigins } from '#rpc/cors.ts';
import { createEdgeMetrics, type EdgeMetrics } from '#rpc/edge-metrics.ts';
import { createErrorMapper, type ErrorMapper } from '#rpc/error-mapping.ts';
import { createGzipCompression, type GzipCompression, NEVER_COMPRESS_BYTES } from '#rpc/gzip-compression.ts';
import { createHealthModule } from '#rpc/health-service.ts';
import { createHostPolicy } from '#rpc/host-policy.ts';
import { createHttpRoutes, type HttpRoute } from '#rpc/http-routes.ts';
import { type Listeners, type ListenersOptions, openListeners } from '#rpc/listeners.ts';
import { createOpenapiRoute } from '#rpc/openapi/openapi-route.ts';
import { createPlainRoutes } from '#rpc/plain-routes.ts';
import { createReflectionModule } from '#rpc/reflection-service.ts';
import { BODY_TIMEOUT_MS, createRequestListener, type Listener } from '#rpc/request-listener.ts';
import { createRpcAdapter, type RpcAdapter, STRICT_JSON } from '#rpc/rpc-adapter.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';
import { createRpcInterceptor } from '#rpc/rpc-interceptor.ts';
import type { RpcModule } from '#rpc/rpc-routes.ts';
import { NO_SLOW_LOG, SlowLog } from '#rpc/slow-log.ts';
import { type SendStream, sendStream } from '#rpc/stream-answer.ts';

export interface EdgeOptions extends ListenersOptions {
  readonly owner: EdgeOwner;
  readonly metrics: Metrics;
  /** Request bodies in memory at once, over all connections together. */
  readonly bodyBytesMax: number;
  /** Called with the number of bytes of large request bodies, as these are admitted. */
  readonly onBodyBytes?: ((bytes: number) => void) | undefined;
  /** Names by which callers may call this server, beside localhost: without a port. */
  readonly hostNames: readonly string[];
  /** Origins of the pages of other sites that may call this server. */
  readonly corsOrigins: CorsOrigins;
  /** Undefined: everybody may do everything. */
  readonly identities?: IdentityPort | undefined;
  /** Undefined: nobody asks who did what. */
  readonly audit?: AuditPort | undefined;
  /** True if nobody is served without a credential: that ends protected mode. */
  readonly isIdentityRequired?: boolean | undefined;
  /** Undefined: no call counts as slow. */
  readonly slowLog?: SlowLog | undefined;
  /** Called once, when the address is bound. */
  readonly modules: (edge: Edge) => EdgeModules;
}

export interface EdgeModules {
  readonly services: readonly RpcModule[];
  readonly routes: readonly HttpRoute[];
}

/** Parts that all modules of one edge use. */
export interface Edge {
  readonly errors: ErrorMapper;
  readonly budget: BodyBudget;
  /** One for all requests, because it bounds how many bodies expand at once. */
  readonly compression: GzipCompression;
  readonly boundAnswer: BoundAnswer;
  /** One for all calls: what is long takes turns. */
  readonly slices: SlicePace;
  readonly sendStream: SendStream;
  readonly slowLog: SlowLog;
  readonly isDraining: () => boolean;
}

export interface RunningServer {
  readonly port: number;
  /** The bound address, as `host:port`. */
  readonly address: string;
  /** Not ready from now on; new rpcs are UNAVAILABLE, those under way go on. Twice is fine. */
  beginDrain(): void;
  /** Drains, then ends what is left after `graceMs`. Never rejects. */
  close(graceMs: number): Promise<void>;
}

/** The readiness of an owner while its edge drains. */
export const DRAINING = { state: 'draining', isReady: false } as const;
export const DRAINING_REASON = 'the server is stopping';

export async function openEdge(options: EdgeOptions): Promise<RunningServer> {
  const { logger } = options;
  const listeners = await openListeners(options);
  const draining = new AbortController();
  const shutdown = new AbortController();
  const parts = createParts(options, listeners, draining.signal, shutdown.signal);
  listeners.serve(createListener(parts), {
    onConnectionRefused: parts.metrics.countConnectionRefused,
    onStalled: parts.metrics.countStalled,
    onLate: parts.metrics.countLate,
    onLimit: parts.metrics.countLimit,
    onHandshake: parts.metrics.countHandshake,
  });
  if (isProtected(options, listeners)) {
    logger.warn(
      { address: listeners.ip },
      'protected mode: no credential is required, so only loopback and private addresses are served',
    );
  }
  const beginDrain = (): void => {
    if (draining.signal.aborted) return;
    draining.abort();
    listeners.drain();
  };
  let closed: Promise<void> | undefined;
  return {
    port: listeners.port,
    address: listeners.address,
    beginDrain,
    close: (graceMs) => {
      beginDrain();
      closed ??= listeners.close(graceMs, () =>
        shutdown.abort(new ConnectError('the server stopped', Code.Unavailable)),
      );
      return closed;
    },
  };
}

/** A server that others reach and that asks nobody for a credential or a certificate. */
function isProtected({ isIdentityRequired, tls }: EdgeOptions, { isLoopback }: Listeners): boolean {
  const isCertificateRequired = tls?.mode === 'required' && tls.clientAuth === 'require';
  return !isLoopback && isIdentityRequired !== true && !isCertificateRequired;
}

interface Parts extends Edge {
  readonly options: EdgeOptions;
  readonly metrics: EdgeMetrics;
  readonly admission: Admission;
  readonly deadlines: BodyDeadlines;
  readonly readiness: () => Readiness;
  readonly drainSignal: AbortSignal;
  readonly shutdownSignal: AbortSignal;
}

function createParts(
  options: EdgeOptions,
  listeners: Listeners,
  drainSignal: AbortSignal,
  shutdownSignal: AbortSignal,
): Parts {
  const { owner, clock, logger } = options;
  const { isLoopback, connections, connectionsMax, waitingBytes } = listeners;
  const isDraining = (): boolean => drainSignal.aborted;
  const readiness = (): Readiness => {
    const shown = owner.readiness();
    if (!isDraining()) return shown;
    return { ...shown, ...DRAINING, reasons: [DRAINING_REASON, ...shown.reasons] };
  };
  const isReady = (): boolean => readiness().isReady;
  const slowLog = options.slowLog ?? new SlowLog(clock, NO_SLOW_LOG);
  const budget = createBodyBudget(options.bodyBytesMax, {
    onBytes: options.onBodyBytes,
    onRefused: (noRoom) => metrics.countBodyRefused(noRoom),
  });
  const metrics = createEdgeMetrics({
    metrics: options.metrics,
    isReady,
    slowCalls: () => slowLog.total,
    connections,
    connectionsMax,
    bodyBytes: budget.heldBytes,
    waitingBytes,
    handshakes: options.tls === undefined ? undefined : listeners.handshakes,
  });
  return {
    options,
    metrics,
    readiness,
    isDraining,
    drainSignal,
    shutdownSignal,
    admission: createAdmission({
      hosts: createHostPolicy({
        isLoopback,
        names: [options.host, ...options.hostNames],
        origins: options.corsOrigins,
      }),
      isProtected: isProtected(options, listeners),
      identities: options.identities,
      audit: options.audit,
      isDraining,
      onNodeCall: listeners.favour,
      leaderHint: () => owner.leaderHint(),
      whenMapHeard: owner.whenMapHeard?.bind(owner),
      clusterId: () => owner.clusterId?.() ?? '',
      tellsUsers: owner.tellsUsers,
    }),
    errors: createErrorMapper(logger, clock, clock.wallMs().toString(36)),
    budget,
    compression: createGzipCompression((noRoom) => metrics.countBodyRefused(noRoom)),
    deadlines: createBodyDeadlines(clock, BODY_TIMEOUT_MS, shutdownSignal, metrics.countLate),
    boundAnswer: createBoundAnswer(clock, metrics.countStalled),
    slices: new SliceQueue(clock),
    slowLog,
    sendStream: (answer, response) =>
      sendStream(answer, response, { clock, onStalled: metrics.countStalled }),
  };
}

function createListener(parts: Parts): Listener {
  const { options, readiness, metrics } = parts;
  const modules = options.modules(parts);
  const services = withStandardServices(parts, modules.services);
  const routes = [...createPlainRoutes({ metrics: options.metrics, readiness }), ...modules.routes];
  const openapi = createOpenapiRoute(routes, services);
  return createRequestListener({
    deadlines: parts.deadlines,
    errors: parts.errors,
    admission: parts.admission,
    onRefused: (refusal, operation, call) => {
      metrics.countRefused(refusal.by);
      noteRefusal(options.audit, refusal, operation, call);
    },
    rpcAdapter: createAdapter(parts, services),
    httpRoutes: createHttpRoutes([...routes, openapi]),
    isDraining: parts.isDraining,
    origins: options.corsOrigins,
  });
}

function noteRefusal(
  audit: AuditPort | undefined,
  { by, error }: Refusal,
  operation: Operation,
  call: RpcCall,
): void {
  if (audit === undefined || by === 'drain') return;
  const { name, access } = operation;
  const isAdmin = access === 'admin';
  audit.note({ ...callerOf(call), operation: name, outcome: error.code, by, isRefusal: true, isAdmin });
}

function withStandardServices(parts: Parts, modules: readonly RpcModule[]): RpcModule[] {
  const own = modules.map(({ service }) => service);
  const health = createHealthModule({
    clock: parts.options.clock,
    isReady: () => parts.readiness().isReady,
    services: own.map(({ typeName }) => typeName),
    drainSignal: parts.drainSignal,
  });
  return [...modules, health, createReflectionModule([...own, Health, ServerReflection])];
}

function createAdapter(parts: Parts, modules: readonly RpcModule[]): RpcAdapter {
  const { options, errors, metrics } = parts;
  return createRpcAdapter({
    clock: options.clock,
    logger: options.logger,
    errors,
    budget: parts.budget,
    deadlines: parts.deadlines,
    slices: parts.slices,
    compression: parts.compression,
    compressMinBytes: NEVER_COMPRESS_BYTES,
    jsonOptions: STRICT_JSON,
    interceptor: createRpcInterceptor(errors),
    shutdownSignal: parts.shutdownSignal,
    observe: metrics.observeRpc,
    slowLog: parts.slowLog,
    boundAnswer: parts.boundAnswer,
    onStalled: metrics.countStalled,
    register: (routes) => {
      for (const module of modules) module.register(routes);
    },
  });
}
