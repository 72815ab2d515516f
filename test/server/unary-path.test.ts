import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { silentLogger } from '#platform/logger.ts';
import { createBodyBudget } from '#server/body-budget.ts';
import { createErrorMapper } from '#server/error-mapping.ts';
import type { HttpRequest, HttpResponse } from '#server/http-io.ts';
import { createUnaryPath } from '#server/unary-path.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const PATH = '/walnut.v1.KVStore/Get';

class FakeResponse extends EventEmitter {
  statusCode = 0;
  readonly headers = new Map<string, unknown>();
  body = '';
  headersSent = false;
  destroyed = false;
  setHeader(name: string, value: unknown): void {
    this.headers.set(name, value);
  }
  end(body: string | Uint8Array): void {
    this.headersSent = true;
    this.body = typeof body === 'string' ? body : Buffer.from(body).toString();
  }
}

function open(bytesMax: number) {
  const budget = createBodyBudget(bytesMax);
  const take = createUnaryPath({
    clock: new VirtualClock(),
    errors: createErrorMapper(silentLogger, 'test'),
    budget,
    routes: new Map([
      [PATH, { method: KVStore.method.get, impl: () => ({ found: false }), readMaxBytes: 1_000_000 }],
    ]),
    gate: () => undefined,
    strictJson: { ignoreUnknownFields: false },
    observe: () => undefined,
  });
  return { budget, take };
}

function call(length: number, headers: Record<string, string> = {}) {
  const request = Object.assign(new EventEmitter(), {
    method: 'POST',
    headers: {
      host: 'localhost',
      'content-type': 'application/json',
      'content-length': String(length),
      ...headers,
    },
    socket: { remoteAddress: '127.0.0.1' },
    resume: () => undefined,
  });
  const response = new FakeResponse();
  return {
    request,
    response,
    http: [request as unknown as HttpRequest, response as unknown as HttpResponse] as const,
  };
}

describe('a small body that stalls', () => {
  it('counts against the budget of all connections until it is answered or gone', () => {
    const { budget, take } = open(100);
    const slow = call(60);
    expect(take(...slow.http, PATH)).toBe(true);
    expect(budget.heldBytes()).toBe(0);
    slow.request.emit('data', Buffer.from('{'));
    expect(budget.heldBytes()).toBe(60);

    const tooMany = call(60);
    take(...tooMany.http, PATH);
    tooMany.request.emit('data', Buffer.from('{'));
    expect(tooMany.response.body).toContain('resource_exhausted');
    tooMany.request.emit('data', Buffer.from('"key":"a"}'));
    tooMany.request.emit('end');
    tooMany.response.emit('close');
    expect(budget.heldBytes()).toBe(60);

    slow.response.emit('close');
    expect(budget.heldBytes()).toBe(0);
  });

  it('costs nothing where it comes in one piece', () => {
    const { budget, take } = open(1);
    const whole = call(11);
    take(...whole.http, PATH);
    whole.request.emit('data', Buffer.from('{"key":"a"}'));
    whole.request.emit('end');
    expect(whole.response.statusCode).toBe(200);
    expect(budget.heldBytes()).toBe(0);
  });
});

describe('what is not of the common kind', () => {
  it.each([
    [{ host: 'localhost:99999' }],
    [{ host: '' }],
    [{ 'content-encoding': 'gzip' }],
    [{ 'connect-timeout-ms': '10' }],
    [{ 'connect-protocol-version': '2' }],
    [{ 'content-type': 'application/grpc' }],
    [{ 'content-length': 'x' }],
    [{ 'content-length': '65537' }],
  ])('%o is left to the adapter', (headers) => {
    const { take } = open(100);
    const { http } = call(11, headers);
    expect(take(...http, PATH)).toBe(false);
  });
});
