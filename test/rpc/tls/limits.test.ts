/** Peers that are slow, many, old-fashioned or half gone, in handshakes and after them. */
import type { ConnectionOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { DRAINING_MS, FIRST_BYTES_MS } from '#rpc/socket-mux.ts';
import { HANDSHAKE_TIMEOUT_MS } from '#rpc/tls/handshakes.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { handshakes, https, startTls, tls } from '#test/rpc/tls/running-tls.ts';
import { type Running, start, tcp, until } from '#test/server/running.ts';

/** The first bytes of a handshake, and no more. */
const BEGUN = Buffer.of(0x16, 3, 1, 2, 0, 1);
const REQUEST = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';

async function gauge({ metrics }: Running, name: string): Promise<number> {
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(await metrics.render())?.[1]);
}

/** Turns of the event loop until the gauge is as wanted. */
async function untilGauge(
  running: Running,
  name: string,
  isWanted: (value: number) => boolean,
): Promise<void> {
  while (!isWanted(await gauge(running, name))) await new Promise((resolve) => setImmediate(resolve));
}

function untilUnderWay(running: Running, count: number): Promise<void> {
  return untilGauge(running, 'walnut_tls_handshakes_under_way', (value) => value === count);
}

async function begin(running: Running, underWay: number) {
  const peer = tcp(running);
  peer.socket.write(BEGUN);
  await untilUnderWay(running, underWay);
  return peer;
}

describe('a handshake', () => {
  it('has ten seconds from when its connection came, whatever the peer sends meanwhile', async () => {
    const clock = new VirtualClock();
    const running = await startTls({}, { clock });
    const peer = tcp(running);
    await untilGauge(running, 'walnut_connections', (count) => count === 1);
    await clock.advance(FIRST_BYTES_MS - 1);
    peer.socket.write(BEGUN);
    await untilUnderWay(running, 1);
    const leftMs = HANDSHAKE_TIMEOUT_MS - FIRST_BYTES_MS + 1;
    await clock.advance(leftMs - 1);
    peer.socket.write(Buffer.of(0));
    expect([await gauge(running, 'walnut_tls_handshakes_under_way'), await handshakes(running)]).toEqual([
      1,
      {},
    ]);
    await clock.advance(1);
    await peer.closed;
    expect(await handshakes(running)).toEqual({ timeout: 1 });
    expect(running.logged).toMatchObject([{ fields: { result: 'timeout', remoteAddress: '127.0.0.1' } }]);
  });

  it('that has lasted longest ends where there are too many, so others come in', async () => {
    const running = await startTls({ handshakesMax: 2 });
    const first = await begin(running, 1);
    const second = await begin(running, 2);
    expect((await https(running, 'GET', '/livez')).status).toBe(200);
    await first.closed;
    expect(await handshakes(running)).toEqual({ displaced: 1, ok: 1 });
    expect(second.socket.destroyed).toBe(false);
  });

  it('ends when the server drains', async () => {
    const running = await startTls();
    const { closed } = await begin(running, 1);
    running.server.beginDrain();
    await closed;
    await untilUnderWay(running, 0);
  });

  it('is counted where the peer goes away', async () => {
    const running = await startTls();
    const { socket, closed } = await begin(running, 1);
    socket.end();
    await closed;
    await untilUnderWay(running, 0);
    expect([await handshakes(running), running.logged]).toEqual([{ gone: 1 }, []]);
  });

  it.each([
    ['an old version', { maxVersion: 'TLSv1.2' } as const, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION'],
    [
      'another protocol by ALPN',
      { ALPNProtocols: ['spdy/3'] },
      'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    ],
  ])('with %s fails with its alert', async (_what, options, alert) => {
    const running = await startTls({ minVersion: '1.3' });
    expect(await tls(running, options).closed).toBe(alert);
    expect(await handshakes(running)).toEqual({ failed: 1 });
  });

  it('agrees on no cipher that others could change or read later', async () => {
    const running = await startTls();
    const by = (ciphers: string) => tls(running, { maxVersion: 'TLSv1.2', ciphers });
    expect(await by('ECDHE-ECDSA-AES128-SHA').closed).toBe('ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE');
    await by('ECDHE-ECDSA-AES128-GCM-SHA256').secure;
  });

  it('is not made again on a connection', async () => {
    const running = await startTls();
    const { socket, secure, closed } = tls(running, { maxVersion: 'TLSv1.2' });
    await secure;
    let answer: unknown = 'none';
    socket.renegotiate({}, (error) => {
      answer = error;
    });
    // The client sends its wish with the next bytes.
    socket.write(REQUEST);
    expect([await closed, answer]).toEqual(['EPROTO', 'none']);
  });
});

describe('a connection after its handshake', () => {
  it('that stays silent is dropped', async () => {
    const clock = new VirtualClock();
    const running = await startTls({}, { clock });
    const { secure, closed } = tls(running);
    await secure;
    await untilUnderWay(running, 0);
    await clock.advance(FIRST_BYTES_MS);
    await closed;
  });

  it.each(['own', 'node'] as const)(
    'whose peer sends no more is still answered, by the HTTP of %s',
    async (http1) => {
      const running = await startTls({}, { http1 });
      let finish = (): void => {};
      running.node.hold = () =>
        new Promise((resolve) => {
          finish = resolve;
        });
      const { socket, received, closed } = tls(running, { allowHalfOpen: true } as ConnectionOptions);
      socket.end('GET /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n');
      await until(() => running.node.calls.length === 1);
      finish();
      await until(() => received().includes('HTTP/1.1 404'));
      await closed;
    },
  );

  it('whose peer reads nothing is counted in what waits, and cut off', async () => {
    const clock = new VirtualClock();
    const running = await startTls({}, { clock, valueBytesMax: 32 << 20, batchBytesMax: 64 << 20 });
    await https(running, 'PUT', '/v1/keys/k', { body: Buffer.alloc(16 << 20) });
    const { socket, secure, closed } = tls(running);
    await secure;
    socket.pause();
    socket.write('GET /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n');
    await untilGauge(running, 'walnut_http2_waiting_bytes', (bytes) => bytes > 1 << 20);
    for (let i = 0; i < 40; i++) await clock.advance(30_000);
    await untilGauge(running, 'walnut_http2_waiting_bytes', (bytes) => bytes === 0);
    expect(await gauge(running, 'walnut_answers_stalled_total')).toBe(1);
    socket.resume();
    await closed;
  });

  it('is refused without a handshake where all connections are taken', async () => {
    const running = await startTls({}, { openFilesMax: 16 });
    const taken = Array.from({ length: 6 }, () => tls(running));
    for (const { socket, received } of taken) {
      socket.write(REQUEST);
      await until(() => received().startsWith('HTTP/1.1 200'));
    }
    expect(await tls(running).closed).toBe('ECONNRESET');
    expect([await gauge(running, 'walnut_connections_refused_total'), await handshakes(running)]).toEqual([
      1,
      { ok: 6 },
    ]);
  });
});

describe.each(['clear text', 'TLS'])(
  'a connection that has said nothing when the server drains: %s',
  (kind) => {
    const open = async () => {
      const clock = new VirtualClock();
      const running = kind === 'TLS' ? await startTls({}, { clock }) : await start({ clock });
      if (kind !== 'TLS') {
        const peer = tcp(running);
        await untilGauge(running, 'walnut_connections', (count) => count === 1);
        return { clock, running, ...peer };
      }
      const peer = tls(running);
      await peer.secure;
      await untilUnderWay(running, 0);
      return { clock, running, ...peer };
    };

    it('ends soon after', async () => {
      const { clock, running, closed } = await open();
      running.server.beginDrain();
      await clock.advance(DRAINING_MS);
      await closed;
    });

    it('is told to go elsewhere if it asks at once', async () => {
      const { running, socket, received } = await open();
      running.server.beginDrain();
      socket.write('GET /v1/keys/k HTTP/1.1\r\nHost: a\r\n\r\n');
      await until(() => received().includes('the server is stopping'));
      expect(received()).toMatch(/^HTTP\/1.1 503 /);
    });
  },
);

it('TLS on a port without it is answered in clear text, and the log says what is wrong', async () => {
  const running = await start();
  expect(await tls(running).closed).toMatch(/WRONG_VERSION_NUMBER|PACKET_LENGTH/);
  expect(running.logged).toMatchObject([
    { message: 'a peer began TLS, which server.tls.mode has switched off' },
  ]);
});
