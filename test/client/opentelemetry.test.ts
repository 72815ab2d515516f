/** Spans and metrics by the API of OpenTelemetry, with doubles for its SDK. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Code } from '@connectrpc/connect';
import {
  type Attributes,
  type Context,
  type ContextManager,
  context,
  type Meter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { expect, it, onTestFinished } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { tellOutage, tellRetry } from '../../client/diagnostics.ts';
import { instrument } from '../../client/opentelemetry.ts';
import { WalnutClient } from '../../client/walnut-client.ts';
import { SimulatedGroup } from './simulated-group.ts';

/** Keeps the context over promises, as an SDK for Node does. */
function useContexts(): void {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (given, fn, thisArg, ...args) => storage.run(given, () => fn.call(thisArg, ...args)),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  context.setGlobalContextManager(manager);
  onTestFinished(() => context.disable());
}

interface Recorded {
  readonly name: string;
  readonly options: SpanOptions;
  readonly parent: string | undefined;
  status?: unknown;
  endedAtMs?: unknown;
}

/** Records what is asked of it. */
function record() {
  const spans: Recorded[] = [];
  const measured: [string, number, Attributes | undefined][] = [];
  const startSpan = (name: string, options: SpanOptions = {}, parent = context.active()): Span => {
    const span: Recorded = { name, options, parent: trace.getSpanContext(parent)?.spanId };
    spans.push(span);
    return {
      setStatus: (status: unknown) => Object.assign(span, { status }),
      end: (endedAtMs: unknown) => Object.assign(span, { endedAtMs }),
    } as unknown as Span;
  };
  const note = (name: string) => (value: number, attributes?: Attributes) =>
    void measured.push([name, value, attributes]);
  const meter = {
    createHistogram: (name: string) => ({ record: note(name) }),
    createCounter: (name: string) => ({ add: note(name) }),
  };
  return { spans, measured, tracer: { startSpan } as Tracer, meter: meter as unknown as Meter };
}

it('makes a span of each call, under that of its caller, and measures it', async () => {
  useContexts();
  const { spans, measured, tracer, meter } = record();
  const stop = instrument({ tracer, meter });
  onTestFinished(stop);
  const group = new SimulatedGroup(['m:1']);
  const open = (address: string) => ({ transport: group.transportTo(address), close: () => undefined });
  const seams = { clock: new VirtualClock(), random: new SeededRandom(1), open };
  const client = new WalnutClient({ addresses: ['m:1'] }, seams);
  const under = <T>(spanId: string, call: () => Promise<T>): Promise<T> => {
    const parent = trace.setSpanContext(ROOT_CONTEXT, { traceId: '1'.repeat(32), spanId, traceFlags: 1 });
    return context.with(parent, call);
  };
  // All three go in one Batch, and each belongs to its own caller.
  await Promise.all([
    under('a', () => client.set('secret', Buffer.from('1'))),
    under('b', () => client.get('secret')),
    under('c', () => client.get('\ud800').catch(() => undefined)),
  ]);
  expect(spans.map(({ name, parent }) => [name, parent]).sort()).toEqual([
    ['get walnut', 'b'],
    ['get walnut', 'c'],
    ['set walnut', 'a'],
  ]);
  const failed = spans.find(({ parent }) => parent === 'c');
  expect(failed).toMatchObject({
    status: { code: SpanStatusCode.ERROR, message: 'InvalidArgument' },
    options: {
      kind: SpanKind.CLIENT,
      attributes: { 'error.type': 'InvalidArgument', 'walnut.outcome': 'not_done' },
    },
  });
  for (const { options, endedAtMs } of spans) expect(endedAtMs).toBe(options.startTime);
  const set = { 'db.system.name': 'walnut', 'db.operation.name': 'set' };
  expect(measured).toContainEqual(['db.client.operation.duration', 0, set]);
  tellRetry({ address: 'm:1', attempts: 1, outcome: 'unknown' }, new Error('lost'));
  const retry = { 'db.system.name': 'walnut', 'server.address': 'm:1', 'error.type': Code[Code.Unknown] };
  expect(measured.at(-1)).toEqual(['walnut.client.retries', 1, retry]);
  for (const phase of ['begin', 'load', 'load', 'end'] as const) tellOutage({ phase, silentMs: 1 });
  const system = { 'db.system.name': 'walnut' };
  expect(measured.slice(-3)).toEqual([
    ['walnut.client.outages', 1, system],
    ['walnut.client.uncached_loads', 1, system],
    ['walnut.client.uncached_loads', 1, system],
  ]);
  expect(JSON.stringify([spans, measured])).not.toContain('secret');
  stop();
  await client.get('secret');
  expect(spans).toHaveLength(3);
});

it('does nothing without an SDK', async () => {
  const stop = instrument();
  tellRetry({ address: 'm:1', attempts: 1, outcome: 'unknown' }, new Error('lost'));
  stop();
});
