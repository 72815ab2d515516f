/**
 * A head that differs from the one before in the values of one call is planned in part. Its
 * plan must be the one that is made without the head before.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { type CallPlan, createRequestListener } from '#rpc/request-listener.ts';
import { createUnaryPath } from '#rpc/unary/unary-path.ts';

const rpc = { operation: { name: 'Get', access: 'read' }, unary: { method: KVStore.method.get } };
const listener = createRequestListener({
  origins: new Set(),
  httpRoutes: { find: (path: string) => (path.startsWith('/v1') ? { isStream: false } : undefined) },
  rpcAdapter: { find: () => rpc, unaryPath: createUnaryPath({} as never) },
} as never);

const QUERY = '?connect=v1&encoding=json&message=%7B%22key%22%3A%22a%22%7D';
const HEADS: readonly (readonly [string, string, string, IncomingHttpHeaders])[] = [
  ['Connect', 'POST', '/Get', { 'content-type': 'application/proto' }],
  ['Connect, compressed', 'POST', '/Get', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
  ['gRPC-Web', 'POST', '/Get', { 'content-type': 'application/grpc-web+proto' }],
  ['Connect GET', 'GET', `/Get${QUERY}`, {}],
];
/** Some of them no call may have. */
const VALUES = {
  'content-length': [undefined, '', '0', '1x', '00', '20'],
  'connect-timeout-ms': [undefined, '-1', '5', '5s', '5000', '1'.repeat(11)],
  'grpc-timeout': [undefined, '5', '5S', '5X', '7m', '1'.repeat(11)],
  traceparent: [undefined, '00-a-b-01'],
} as const;

function* callValues(): Generator<IncomingHttpHeaders> {
  for (const length of VALUES['content-length'])
    for (const connect of VALUES['connect-timeout-ms'])
      for (const grpc of VALUES['grpc-timeout'])
        for (const trace of VALUES.traceparent) {
          const values = {
            'content-length': length,
            'connect-timeout-ms': connect,
            'grpc-timeout': grpc,
            traceparent: trace,
          };
          yield Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
        }
}

describe('a plan made from the one before', () => {
  it.each(HEADS)('is the plan of its head: %s', (_name, verb, target, shared) => {
    const heads = [...callValues()].map((values) => ({ host: 'a', ...shared, ...values }));
    const plans = heads.map((headers) => listener.planHttp1(verb, target, headers));
    const firsts = plans.filter((plan) => plan !== undefined).filter((_plan, i) => i % 7 === 0);
    expect(firsts.length).toBeGreaterThan(1);
    for (const before of firsts)
      expect(heads.map((headers) => listener.replanHttp1(before, headers))).toEqual(plans);
  });

  it('remembers whom the connection proved to be, and nothing of the headers before', () => {
    const headers = { host: 'a', 'content-type': 'application/proto', 'content-length': '3' };
    const before = listener.planHttp1('POST', '/Get', headers) as CallPlan;
    const later = { ...headers, 'content-length': '5' };
    const plan = listener.replanHttp1(before, later) as CallPlan;
    expect(plan.caller).toBe(before.caller);
    expect(plan.headers).toBe(later);
    expect((listener.planHttp1('POST', '/Get', headers) as CallPlan).caller).not.toBe(before.caller);
  });

  it('is a request where the one before was', () => {
    expect(listener.planHttp1('GET', '/v1/keys/a', { host: 'a' })).toBe('request');
    expect(listener.replanHttp1('request', { host: 'a', traceparent: 'x' })).toBe('request');
  });
});
