import { describe, expect, it } from 'vitest';
import { http1, http2, type PlainAnswer, type Running, session, start } from '#test/server/running.ts';

const post = (running: Running, query: string, headers = {}): Promise<PlainAnswer> =>
  http1(running, 'POST', `/v1/keys/n?${query}`, { headers });

describe('POST /v1/keys/{key}?increment', () => {
  it('adds, and answers the sum', async () => {
    const running = await start();
    const first = await post(running, 'increment');
    expect([first.status, first.text]).toEqual([200, '1']);
    expect(first.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      etag: '"4294967297-1"',
      'x-walnut-position': '4294967297-1',
      'x-walnut-durability': 'accepted',
      'x-walnut-replicas-acked': '0',
    });
    expect((await post(running, 'increment=-5')).text).toBe('-4');
    expect((await post(running, 'increment=0&initial=7')).text).toBe('-4');
    expect((await http1(running, 'GET', '/v1/keys/n')).text).toBe('-4');
    const over2 = await http2(session(running), { ':method': 'POST', ':path': '/v1/keys/n?increment=4' });
    expect([over2.headers[':status'], over2.text]).toEqual([200, '0']);
  });

  it('counts a missing key as initial, with the expiry that is given', async () => {
    const running = await start();
    const made = await post(running, 'increment=2&initial=40&ttl=30s&min_acks=1&timeout=2s&request_id=r');
    expect([made.text, made.headers['x-walnut-expire-at-ms']]).toEqual(['42', '1030000']);
    expect(running.node.calls[0]).toMatchObject({
      port: 'increment',
      argument: {
        key: 'n',
        delta: 2n,
        initial: 40n,
        expiry: { kind: 'ttl', ttlMs: 30_000 },
        minAcks: 1,
        timeoutMs: 2_000,
        id: { name: { kind: 'request', requestId: 'r' } },
      },
    });
    expect((await post(running, 'increment&ttl=never')).headers['x-walnut-expire-at-ms']).toBeUndefined();
  });

  it('keeps the conditions of HTTP', async () => {
    const running = await start();
    const missing = await post(running, 'increment', { 'if-match': '*' });
    expect([missing.status, missing.headers.etag]).toEqual([412, undefined]);
    expect((await post(running, 'increment', { 'if-none-match': '*' })).text).toBe('1');
    expect((await post(running, 'increment', { 'if-none-match': '*' })).status).toBe(412);
    expect((await post(running, 'increment', { 'if-match': '"x", "4294967297-1"' })).text).toBe('2');
    const late = await post(running, 'increment', { 'if-match': '"4294967297-1"' });
    expect([late.status, late.headers.etag]).toEqual([412, '"4294967297-2"']);
  });

  it.each([
    ['9223372036854775807', 'out_of_range', 'exceeds'],
    ['many', 'failed_precondition', 'is no number'],
  ])('answers 409 where the value is %s, and changes nothing', async (value, code, message) => {
    const running = await start();
    await http1(running, 'PUT', '/v1/keys/n', { body: value });
    const answer = await post(running, 'increment');
    expect([answer.status, answer.headers['x-leader-hint']]).toEqual([409, undefined]);
    expect(JSON.parse(answer.text)).toMatchObject({ code, detail: expect.stringContaining(message) });
    expect((await http1(running, 'GET', '/v1/keys/n')).text).toBe(value);
  });
});
