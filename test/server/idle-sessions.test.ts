import { EventEmitter } from 'node:events';
import type { ServerHttp2Session } from 'node:http2';
import { expect, it } from 'vitest';
import { createIdleSessions } from '#rpc/idle-sessions.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http2, session as openSession, start } from '#test/server/running.ts';

const LIMIT_MS = 1_000;

class FakeSession extends EventEmitter {
  readonly socket = { bytesRead: 0, bytesWritten: 0 };
  destroyed = false;
  closes = 0;

  close(): void {
    this.closes++;
  }
}

it('closes the sessions over which nothing went for as long as the limit, and no others', async () => {
  const clock = new VirtualClock();
  const idle = createIdleSessions(clock, LIMIT_MS);
  const [silent, reading, writing, gone] = Array.from({ length: 4 }, () => new FakeSession()) as [
    FakeSession,
    FakeSession,
    FakeSession,
    FakeSession,
  ];
  for (const each of [silent, reading, writing, gone]) idle.watch(each as unknown as ServerHttp2Session);
  gone.destroyed = true;
  Object.defineProperty(gone, 'socket', {
    get: () => {
      throw new Error('the socket is no longer the session’s');
    },
  });
  for (let passedMs = 0; passedMs < 3 * LIMIT_MS; passedMs += LIMIT_MS / 2) {
    reading.socket.bytesRead++;
    writing.socket.bytesWritten++;
    await clock.advance(LIMIT_MS / 2);
  }
  expect(silent.closes).toBeGreaterThan(0);
  expect([reading.closes, writing.closes, gone.closes]).toEqual([0, 0, 0]);
  for (const each of [silent, reading, writing, gone]) each.emit('close');
  const closes = silent.closes;
  await clock.advance(10 * LIMIT_MS);
  expect(silent.closes).toBe(closes);
});

it('is what a server does: a session that says nothing for ten minutes is told to go', async () => {
  const clock = new VirtualClock();
  const running = await start({ clock });
  const client = openSession(running);
  expect((await http2(client, { ':path': '/livez' })).text).toBe('ok\n');
  let isGone = false;
  client.once('goaway', () => {
    isGone = true;
  });
  client.once('close', () => {
    isGone = true;
  });
  for (let i = 0; i < 12 && !isGone; i++) {
    await clock.advance(60_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const closed = new Promise((resolve) => client.once('close', resolve));
  if (!client.closed) await closed;
  expect(client.closed).toBe(true);
});
