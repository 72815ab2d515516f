/** What becomes of requests that the driver of HTTP/1.1 does not serve: nothing of them is lost, and nothing read twice. */
import { describe, expect, it } from 'vitest';
import { bodiesOf, CHUNKED, type Driven, get, post, startDriver } from '#test/rpc/http1/driven.ts';
import { type Call, ok } from '#test/rpc/http2/driven.ts';

/** Drivers of connections that are open. */
const timers = ({ clock }: Driven): number => clock.pendingTimers;

describe('a request that Node is to serve', () => {
  it.each([
    ['by its head', CHUNKED],
    ['because of its path', post('/node', 'ab')],
    ['because of a field twice', get('/call', 'X-A: 1\r\nx-a: 2\r\n')],
    ['by its first byte', '\r\nGET /call HTTP/1.1\r\n\r\n'],
  ])(
    '%s is handed over with every byte, behind the answers before it, wherever it is cut',
    async (_name, odd) => {
      const before = post('/call', 'a') + get('/page');
      const text = `${before}${odd}${get('/call')}more`;
      for (let cut = 1; cut < text.length; cut += 7) {
        const driven = startDriver();
        const peer = driven.open();
        await peer.send(text.slice(0, cut));
        await peer.send(text.slice(cut));
        expect([cut, bodiesOf(peer.take())]).toEqual([cut, ['<a>', '/page']]);
        expect([cut, driven.handedOver[0]?.rest]).toEqual([cut, text.slice(before.length)]);
        expect([driven.calls.length, driven.handedOver.length, driven.requests.length]).toEqual([1, 1, 1]);
      }
    },
  );

  it('waits until the answers before it are made and written, and nothing is read meanwhile', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = driven.open();
    peer.socket.isStuck = true;
    await peer.send(get('/call'), CHUNKED);
    expect([driven.handedOver.length, peer.socket.isPaused()]).toEqual([0, true]);
    held[0]?.exchange.answer(ok());
    await driven.clock.settle();
    expect([driven.handedOver.length, peer.socket.isPaused()]).toEqual([0, true]);
    peer.socket.unstick();
    await driven.clock.settle();
    await driven.clock.settle();
    expect(driven.handedOver).toEqual([{ socket: peer.socket, rest: CHUNKED, hasEnded: false }]);
  });

  it('comes to Node whole where the peer has closed its side, too', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = driven.open();
    peer.socket.push(Buffer.from(get('/call') + CHUNKED));
    peer.socket.push(null);
    await driven.clock.settle();
    held[0]?.exchange.answer(ok());
    for (let turn = 0; turn < 3; turn++) await driven.clock.settle();
    expect([driven.handedOver[0]?.rest, driven.handedOver[0]?.hasEnded]).toEqual([CHUNKED, true]);
  });

  it('leaves nothing of the driver at the socket, which stays counted until it closes', async () => {
    const driven = startDriver();
    const peer = driven.open();
    const before = peer.socket.listenerCount('close');
    await peer.send(CHUNKED);
    const counts = ['data', 'end', 'error'].map((event) => peer.socket.listenerCount(event));
    // Those for data and the end are the other side's.
    expect(counts).toEqual([1, 1, 0]);
    expect([peer.socket.listenerCount('close'), peer.socket.allowHalfOpen]).toEqual([before - 1, false]);
    expect([driven.connections.count(), timers(driven)]).toEqual([1, 0]);
    // Its end is Node's affair: the driver says nothing when the server drains.
    driven.connections.drain();
    expect(peer.socket.writableEnded).toBe(false);
    peer.socket.destroy();
    await driven.clock.settle();
    expect(driven.connections.count()).toBe(0);
  });
});

describe('what is no request', () => {
  it.each([
    ['two Hosts', get('/call', 'Host: b\r\n'), 400, 'more than one Host header'],
    ['no Host', 'GET /call HTTP/1.1\r\n\r\n', 400, 'the Host header is missing'],
    [
      'a length and chunks',
      CHUNKED.replace('Host: a', 'Host: a\r\nContent-Length: 2'),
      400,
      'Transfer-Encoding',
    ],
    ['LF alone', 'GET /call HTTP/1.1\nHost: a\r\n\r\n', 400, 'without CR'],
    ['a head without end', `GET /call HTTP/1.1\r\nX: ${'x'.repeat(17_000)}`, 431, 'at most 16384 bytes'],
  ])(
    '%s is refused behind the answers before it, and the connection ends',
    async (_name, text, status, message) => {
      const driven = startDriver();
      const held: Call[] = [];
      driven.onCall = (call) => held.push(call);
      const peer = driven.open();
      await peer.send(get('/call'), text, get('/call'));
      expect(peer.take()).toBe('');
      held[0]?.exchange.answer(ok('first'));
      await driven.clock.settle();
      await driven.clock.settle();
      const [first, second] = peer.take().split(/(?=HTTP\/1\.1 \d)/);
      expect(first).toMatch(/first$/);
      expect(second).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(second).toContain(message);
      expect([driven.calls.length, driven.handedOver.length, peer.socket.writableEnded]).toEqual([
        1,
        0,
        true,
      ]);
      await driven.clock.advance(2_000);
      expect([peer.socket.destroyed, timers(driven)]).toEqual([true, 0]);
    },
  );
});
