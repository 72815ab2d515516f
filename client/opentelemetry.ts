/**
 * Spans and metrics by OpenTelemetry, made of what the client tells on its channels. The
 * API is an optional peer, which only this file imports; without an SDK it does nothing.
 * Spans and metrics have no keys and no values.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Code } from '@connectrpc/connect';
import {
  type Attributes,
  type Meter,
  metrics,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { checkNames, namesOf } from './call-options.ts';
import type { OperationEnd, OutageEvent, RetryBegin } from './diagnostics.ts';

export interface InstrumentOptions {
  /** Default: the tracer `walnut` of the global provider. */
  readonly tracer?: Tracer;
  /** Default: the meter `walnut` of the global provider. */
  readonly meter?: Meter;
}

const OPTIONS = namesOf({ tracer: true, meter: true } satisfies Record<keyof InstrumentOptions, true>);
const NAME = 'walnut';
const SYSTEM = { 'db.system.name': 'walnut' } as const;
/** Bounds that the conventions for databases name, seconds. */
const BUCKETS_S = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
const SECOND_MS = 1_000;

/**
 * Begins to make spans and metrics of all clients of this process; the returned function
 * ends it. A span of kind CLIENT stands for one call of a method, as a child of the span
 * that is active where it is called. The metrics are `db.client.operation.duration`
 * (seconds), `walnut.client.retries`, `walnut.client.outages` and `walnut.client.uncached_loads`.
 */
export function instrument(options: InstrumentOptions = {}): () => void {
  checkNames(options, OPTIONS);
  const { tracer = trace.getTracer(NAME), meter = metrics.getMeter(NAME) } = options;
  const durations = meter.createHistogram('db.client.operation.duration', {
    description: 'How long calls of methods of the client took',
    unit: 's',
    advice: { explicitBucketBoundaries: BUCKETS_S },
  });
  const retries = meter.createCounter('walnut.client.retries', {
    description: 'Attempts that failed and were followed by another',
    unit: '{attempt}',
  });
  const outages = meter.createCounter('walnut.client.outages', {
    description: 'Times that getOrSet began to load without the cache, which did not answer',
    unit: '{outage}',
  });
  const uncached = meter.createCounter('walnut.client.uncached_loads', {
    description: 'Values that getOrSet loaded without the cache and did not store',
    unit: '{load}',
  });
  const onOperation = (message: unknown): void => {
    const end = message as OperationEnd;
    durations.record(end.tookMs / SECOND_MS, labelsOf(end));
    recordSpan(tracer, end);
  };
  const onRetry = (message: unknown): void => {
    const { address, code } = message as RetryBegin;
    retries.add(1, { ...SYSTEM, 'server.address': address, 'error.type': nameOf(code) });
  };
  const onOutage = (message: unknown): void => {
    const { phase } = message as OutageEvent;
    if (phase === 'begin') outages.add(1, SYSTEM);
    if (phase === 'load') uncached.add(1, SYSTEM);
  };
  subscribe('walnut:operation', onOperation);
  subscribe('walnut:retry', onRetry);
  subscribe('walnut:outage', onOutage);
  return () => {
    unsubscribe('walnut:operation', onOperation);
    unsubscribe('walnut:retry', onRetry);
    unsubscribe('walnut:outage', onOutage);
  };
}

function recordSpan(tracer: Tracer, end: OperationEnd): void {
  const { operation, calledAtMs, tookMs, error } = end;
  const attributes = { ...labelsOf(end), ...(error?.outcome && { 'walnut.outcome': error.outcome }) };
  // The message comes in the context of the caller, whose span is the parent.
  const span = tracer.startSpan(`${operation} ${NAME}`, {
    kind: SpanKind.CLIENT,
    startTime: calledAtMs,
    attributes,
  });
  if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: nameOf(error.code) });
  span.end(calledAtMs + tookMs);
}

function labelsOf({ operation, error }: OperationEnd): Attributes {
  const failed = error === undefined ? {} : { 'error.type': nameOf(error.code) };
  return { ...SYSTEM, 'db.operation.name': operation, ...failed };
}

function nameOf(code: number): string {
  return Code[code] ?? String(code);
}
