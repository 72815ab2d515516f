/** How connections of our own HTTP/1.1 are driven: order, writes, room, times, and their end. */
import { describe, expect, it } from 'vitest';
import { patienceMs } from '#rpc/answer-pace.ts';
import { type HttpResponse, send } from '#rpc/http-io.ts';
import { ANSWER_WAIT_MS, HEADERS_TIMEOUT_MS, KEEP_ALIVE_MS, REQUESTS_PER_TURN } from '#rpc/http1/bounds.ts';
import type { CodecResponse } from '#rpc/http2/codec-request.ts';
import { DRAINING_MS } from '#rpc/socket-mux.ts';
import { PARTING_MS } from '#rpc/turns.ts';
import { bodiesOf, get, post, startDriver } from '#test/rpc/http1/driven.ts';
import { type Call, ok } from '#test/rpc/http2/driven.ts';

const MIB = 1 << 20;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('answers', () => {
  it('go in the order of their requests, in one write where they are made at once', async () => {
    const driven = startDriver();
    const peer = driven.open();
    await peer.send(post('/call', 'a'), get('/page'), post('/call', ''), post('/call', 'b'));
    expect(peer.socket.writes).toHaveLength(1);
    expect(bodiesOf(peer.take())).toEqual(['<a>', '/page', '<>', '<b>']);
  });

  it('that are made later keep their order, and no request begins before the one before is answered', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = driven.open();
    await peer.send(post('/call/1', 'a'), post('/call/2', 'b'));
    await peer.send(post('/call/3', 'c'));
    // What waits behind a request is not read.
    expect([held.length, peer.socket.isPaused()]).toEqual([1, true]);
    for (let i = 0; i < 3; i++) {
      held[i]?.exchange.answer(ok(`${held[i]?.path}`));
      await driven.clock.settle();
    }
    expect(bodiesOf(peer.take())).toEqual(['/call/1', '/call/2', '/call/3']);
    expect([peer.socket.isPaused(), driven.calls.map(({ body }) => body)]).toEqual([false, ['a', 'b', 'c']]);
  });

  it('of a turn leave at its end, from all connections, and where the server drains before that, too', async () => {
    const driven = startDriver();
    const [first, second] = [driven.open(), driven.open()];
    const written: number[] = [];
    driven.onCall = ({ exchange, body }) => {
      exchange.answer(ok(body));
      written.push(first.socket.writes.length);
      if (body === 'b') driven.connections.drain();
    };
    await Promise.all([first.send(post('/call', 'a')), second.send(post('/call', 'b'))]);
    expect(written).toEqual([0, 0]);
    expect([bodiesOf(first.take()), bodiesOf(second.take())]).toEqual([['a'], ['b']]);
    expect([first.socket.writableEnded, second.socket.writableEnded]).toEqual([true, true]);
  });

  it('that the end of the turn makes known leave in the same turn', async () => {
    const driven = startDriver();
    const peer = driven.open();
    let written = -1;
    driven.onCall = ({ exchange }) => {
      // A log writes at the end of the turn, like this.
      setImmediate(() => {
        setImmediate(() => {
          written = peer.socket.writes.length;
        });
        exchange.answer(ok('x'));
      });
    };
    await peer.send(post('/call', 'a'));
    await driven.clock.settle();
    expect(written).toBe(1);
  });

  it('are made for so many requests in a turn', async () => {
    const driven = startDriver();
    const turns: number[] = [];
    const peer = driven.open();
    driven.onCall = ({ exchange }) => {
      exchange.answer(ok('x'));
      if (driven.calls.length === REQUESTS_PER_TURN) setImmediate(() => turns.push(driven.calls.length));
    };
    await peer.send(get('/call').repeat(REQUESTS_PER_TURN + 10));
    expect(turns[0]).toBe(REQUESTS_PER_TURN);
    expect(bodiesOf(peer.take())).toHaveLength(REQUESTS_PER_TURN + 10);
  });

  it('have the date of the second, their length, and what becomes of the connection', async () => {
    const driven = startDriver();
    const peer = driven.open();
    await peer.send(get('/call'));
    const kept = 'connection: keep-alive\r\nkeep-alive: timeout=75\r\n';
    const head = (second: number, tail: string): string =>
      `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\ndate: Thu, 01 Jan 2026 00:00:0${second} GMT\r\n${tail}\r\n<>`;
    expect(peer.take()).toBe(head(0, kept));
    await driven.clock.advance(2_000);
    await peer.send(get('/call', 'Connection: close\r\n'));
    expect(peer.take()).toBe(head(2, 'connection: close\r\n'));
    expect(peer.socket.writableEnded).toBe(true);
  });

  it('to HEAD, and without content, have no body', async () => {
    const driven = startDriver();
    const peer = driven.open();
    await peer.send(get('/page').replace('GET', 'HEAD'));
    expect(peer.take()).toMatch(/content-length: 5\r\n(.+\r\n)+\r\n$/);
    driven.onRequest = (_request, response) => {
      response.statusCode = 204;
      response.end();
    };
    await peer.send(get('/page'));
    expect(peer.take()).not.toContain('content-length');
    expect(peer.socket.writableEnded).toBe(false);
  });

  it('without a length come in chunks', async () => {
    const driven = startDriver();
    driven.onRequest = (_request, response) => {
      response.writeHead(200, {});
      (response as CodecResponse).write('one');
      response.end('and two');
    };
    const peer = driven.open();
    await peer.send(get('/page'), get('/call'));
    const [first, second] = bodiesOf(peer.take());
    expect([first, second]).toEqual(['3\r\none\r\n7\r\nand two\r\n0\r\n\r\n', '<>']);
  });

  it('with an ill-formed field are not begun', async () => {
    const driven = startDriver();
    let thrown: unknown;
    driven.onCall = ({ exchange }) => {
      try {
        exchange.answer({ ...ok(), headers: { 'x-a': 'a\r\nx-b: c' } });
      } catch (error) {
        thrown = error;
        exchange.answer(ok('after all'));
      }
    };
    const peer = driven.open();
    await peer.send(get('/call'));
    expect([bodiesOf(peer.take()), (thrown as { code?: string }).code]).toEqual([
      ['after all'],
      'ERR_INVALID_CHAR',
    ]);
  });
});

describe('answers that nobody reads', () => {
  it('keep the next request from beginning, and are written when there is room', async () => {
    const driven = startDriver();
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(2 * MIB)));
    const peer = driven.open();
    peer.socket.isStuck = true;
    await peer.send(get('/call'));
    await peer.send(get('/call').repeat(4));
    expect([driven.calls.length, driven.budget.heldBytes > 2 * MIB, peer.socket.isPaused()]).toEqual([
      1,
      true,
      true,
    ]);
    peer.socket.unstick();
    for (let i = 0; i < 10; i++) await driven.clock.settle();
    expect([driven.calls.length, driven.budget.heldBytes]).toEqual([5, 0]);
  });

  it('are dropped with the connection that made no progress for the longest, past the budget of all', async () => {
    const driven = startDriver(3 * MIB);
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(2 * MIB)));
    const [first, second] = [driven.open(), driven.open()];
    first.socket.isStuck = true;
    second.socket.isStuck = true;
    await first.send(get('/call'));
    expect(driven.sheds()).toBe(0);
    await second.send(get('/call'));
    await driven.clock.settle();
    expect([first.socket.destroyed, second.socket.destroyed, driven.sheds()]).toEqual([true, false, 1]);
    expect(driven.budget.heldBytes).toBeLessThan(3 * MIB);
    second.socket.destroy();
    await driven.clock.settle();
    expect([driven.budget.heldBytes, driven.clock.pendingTimers]).toEqual([0, 0]);
  });

  it('end their connection after the time that so many bytes may take', async () => {
    const driven = startDriver();
    driven.onCall = ({ exchange }) => exchange.answer(ok(Buffer.alloc(MIB)));
    const peer = driven.open();
    peer.socket.isStuck = true;
    await peer.send(get('/call'));
    await driven.clock.advance(patienceMs(MIB) - 1_000);
    expect(peer.socket.destroyed).toBe(false);
    await driven.clock.advance(3_000);
    expect([peer.socket.destroyed, driven.stalls()]).toEqual([true, 1]);
  });
});

describe('time', () => {
  it.each([
    ['for a head', 'GET /call HTTP/1.1\r\nHost:', HEADERS_TIMEOUT_MS],
    ['for a body', post('/call', 'abc').slice(0, -1), 120_000],
  ])('%s is over: 408, and the connection ends', async (_name, text, limitMs) => {
    const driven = startDriver();
    const peer = driven.open();
    await peer.send(get('/call'), text);
    peer.take();
    await driven.clock.advance(limitMs - 1_000);
    expect(peer.take()).toBe('');
    await driven.clock.advance(2_000);
    expect(peer.take()).toMatch(/^HTTP\/1\.1 408 (.+\r\n)+\r\n.*did not come whole in time/);
    await driven.clock.advance(2_000);
    expect([peer.socket.destroyed, driven.clock.pendingTimers, driven.late()]).toEqual([true, 0, 1]);
    expect(driven.calls.at(-1)?.closed).toEqual(text.startsWith('POST') ? [false] : [true]);
  });

  it('for a head runs from its first byte, whatever comes meanwhile', async () => {
    const driven = startDriver();
    const peer = driven.open();
    await peer.send(get('/call'), 'G');
    for (let i = 0; i < 9; i++) {
      await driven.clock.advance(1_000);
      await peer.send('E');
    }
    await driven.clock.advance(2_000);
    expect(peer.take()).toContain(' 408 ');
  });

  it('without a request is over after the keep-alive, and begins anew with each', async () => {
    const driven = startDriver();
    const peer = driven.open();
    for (let i = 0; i < 2; i++) {
      await peer.send(get('/call'));
      await driven.clock.advance(KEEP_ALIVE_MS - 1_000);
      expect(peer.socket.destroyed).toBe(false);
    }
    await driven.clock.advance(2_000);
    expect(peer.socket.destroyed).toBe(true);
  });

  it('for a request that waits behind an answer is bounded, for a call alone it is not', async () => {
    const driven = startDriver();
    driven.onCall = () => {};
    const [alone, piped] = [driven.open(), driven.open()];
    await alone.send(get('/call'));
    await piped.send(get('/call'), get('/call'));
    await driven.clock.advance(ANSWER_WAIT_MS + 1_000);
    expect([alone.socket.destroyed, piped.socket.destroyed]).toEqual([false, true]);
    expect(driven.calls.map(({ closed }) => closed)).toEqual([[], [false]]);
  });
});

describe('a body', () => {
  it('that comes in pieces, or is read late, is what was sent', async () => {
    const driven = startDriver();
    const peer = driven.open();
    await peer.send(post('/call', 'ab').slice(0, -1));
    await peer.send('b');
    expect(bodiesOf(peer.take())).toEqual(['<ab>']);
    driven.onRequest = async (request, response) => {
      await nextTurn();
      const chunks = await Array.fromAsync(request as AsyncIterable<Buffer>);
      send(request, response, 200, {}, Buffer.concat(chunks).toString());
    };
    await peer.send(post('/page', 'cd').slice(0, -1));
    await peer.send('d');
    expect(bodiesOf(peer.take())).toEqual(['cd']);
  });

  it('that nobody reads is not read from the socket, either', async () => {
    const driven = startDriver();
    let finish = (): void => {};
    driven.onRequest = (request, response) => {
      let text = '';
      finish = () =>
        void request
          .on('data', (chunk: Buffer) => {
            text += chunk.toString();
          })
          .on('end', () => send200(response, String(text.length)));
    };
    const peer = driven.open();
    const body = 'x'.repeat(300_000);
    await peer.send(post('/page', body).slice(0, -1));
    expect(peer.socket.isPaused()).toBe(true);
    finish();
    await driven.clock.settle();
    expect(peer.socket.isPaused()).toBe(false);
    await peer.send('x', get('/call'));
    await driven.clock.settle();
    expect(bodiesOf(peer.take())).toEqual(['300000', '<>']);
  });

  it('that comes after its answer is thrown away, and the next request is served', async () => {
    const driven = startDriver();
    driven.onRequest = (_request, response) => send200(response, 'early');
    const peer = driven.open();
    await peer.send(post('/page', 'abc').slice(0, -2));
    expect(bodiesOf(peer.take())).toEqual(['early']);
    await peer.send('bc', post('/call', 'd'));
    expect(bodiesOf(peer.take())).toEqual(['<d>']);
  });
});

describe('a peer', () => {
  it('that closes its side is answered, and its call goes on until then', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = driven.open();
    await peer.send(get('/call'));
    peer.socket.push(null);
    await driven.clock.settle();
    expect([peer.socket.destroyed, held[0]?.closed]).toEqual([false, []]);
    held[0]?.exchange.answer(ok('late'));
    await driven.clock.settle();
    expect(held[0]?.closed).toEqual([true]);
    expect([bodiesOf(peer.take()), peer.socket.writableEnded]).toEqual([['late'], true]);
  });

  it('that closes its side behind several requests is answered for each', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = driven.open();
    peer.socket.push(Buffer.from(post('/call/1', 'a') + get('/call/2') + get('/page')));
    peer.socket.push(null);
    for (const i of [0, 1]) {
      await driven.clock.settle();
      held[i]?.exchange.answer(ok(String(i)));
    }
    for (let turn = 0; turn < 4; turn++) await driven.clock.settle();
    expect([bodiesOf(peer.take()), peer.socket.writableEnded]).toEqual([['0', '1', '/page'], true]);
  });

  it('that closes its side and whose call takes long is let go', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    driven.onCall = (call) => held.push(call);
    const peer = driven.open();
    await peer.send(get('/call'));
    peer.socket.push(null);
    await driven.clock.advance(2_000);
    expect([peer.socket.destroyed, driven.clock.pendingTimers]).toEqual([true, 0]);
    expect(held[0]?.closed).toEqual([false]);
  });

  it.each([
    ['within a head', 'GET /call HT', /^HTTP\/1\.1 400 (.+\r\n)+\r\n.*ended early/],
    ['within a body', post('/call', 'abc').slice(0, -1), /cut$/],
    ['between requests', '', /^$/],
  ])('that closes its side %s is told so', async (_name, text, answer) => {
    const driven = startDriver();
    const peer = driven.open();
    await peer.send(get('/call'), text);
    peer.take();
    peer.socket.push(null);
    await driven.clock.settle();
    await driven.clock.settle();
    expect(peer.take()).toMatch(answer);
    expect(peer.socket.writableEnded).toBe(true);
  });

  it('that goes is told to its call, and gives everything back', async () => {
    const driven = startDriver();
    driven.onCall = () => {};
    const peer = driven.open();
    await peer.send(get('/call'));
    peer.socket.destroy();
    await driven.clock.settle();
    expect([driven.calls[0]?.closed, driven.clock.pendingTimers]).toEqual([[false], 0]);
    // Nobody is left to read it.
    driven.calls[0]?.exchange.answer(ok());
    await driven.clock.settle();
    expect(peer.take()).toBe('');
  });
});

describe('a server that drains', () => {
  it('ends idle connections, and busy ones behind the answer under way', async () => {
    const driven = startDriver();
    const held: Call[] = [];
    const [idle, busy, begun] = [driven.open(), driven.open(), driven.open()];
    await idle.send(get('/call'));
    await begun.send('GET /call');
    driven.onCall = (call) => held.push(call);
    await busy.send(get('/call'), get('/call'));
    driven.connections.drain();
    await driven.clock.advance(PARTING_MS);
    const ended = (): boolean[] => [idle, busy, begun].map(({ socket }) => socket.writableEnded);
    expect(ended()).toEqual([true, false, false]);
    held[0]?.exchange.answer(ok());
    await driven.clock.settle();
    driven.onCall = ({ exchange }) => exchange.answer(ok());
    await begun.send(' HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(ended()).toEqual([true, true, true]);
    for (const peer of [busy, begun]) expect(peer.take()).toContain('connection: close');
    // What came behind is sent again to another node.
    expect(held).toHaveLength(1);
    await driven.clock.advance(2_000);
    expect([idle, busy, begun].map(({ socket }) => socket.destroyed)).toEqual([true, true, true]);
  });

  it('answers what comes on new connections, and for a moment on idle ones', async () => {
    const driven = startDriver();
    const idle = driven.open();
    await idle.send(get('/call'));
    idle.take();
    driven.connections.drain();
    await driven.clock.advance(PARTING_MS - 1);
    for (const peer of [idle, driven.open()]) {
      expect(peer.socket.writableEnded).toBe(false);
      await peer.send(get('/call'));
      expect(peer.take()).toContain('connection: close');
      expect(peer.socket.writableEnded).toBe(true);
    }
  });

  it('waits for the rest of a head as for first bytes, whenever that began', async () => {
    const driven = startDriver();
    const [early, idle] = [driven.open(), driven.open()];
    await idle.send(get('/call'));
    idle.take();
    await early.send('GET /call');
    driven.connections.drain();
    const late = driven.open();
    for (const peer of [idle, late]) await peer.send('GET /call');
    await driven.clock.advance(DRAINING_MS - 1);
    expect([early, idle, late].map(({ socket }) => socket.writableEnded)).toEqual([false, false, false]);
    await driven.clock.advance(500);
    for (const peer of [early, idle, late]) expect(peer.take()).toContain('HTTP/1.1 408 ');
    expect([early, idle, late].map(({ socket }) => socket.writableEnded)).toEqual([true, true, true]);
  });

  it('ends a connection whose answer is still being read when it has been', async () => {
    const driven = startDriver();
    const peer = driven.open();
    peer.socket.isStuck = true;
    await peer.send(get('/call'));
    driven.connections.drain();
    expect(peer.socket.writableEnded).toBe(false);
    peer.socket.unstick();
    await driven.clock.settle();
    await driven.clock.settle();
    expect(peer.socket.writableEnded).toBe(true);
  });
});

function send200(response: HttpResponse, text: string): void {
  response.writeHead(200, { 'content-length': text.length });
  response.end(text);
}
