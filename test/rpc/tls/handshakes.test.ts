/** Handshakes on connections that were reset: they have no address, and are unlike each other all the same. */
import { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { createConnections } from '#rpc/connections.ts';
import { HANDSHAKE_TIMEOUT_MS, Handshakes } from '#rpc/tls/handshakes.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

function open() {
  const clock = new VirtualClock();
  const ended: string[] = [];
  const sessions = new Set<object>();
  const handshakes = new Handshakes({
    clock,
    countMax: 2,
    connections: {
      ...createConnections(),
      addSession: (session) => void sessions.add(session),
      removeSession: (session) => void sessions.delete(session),
    },
    onEnd: (result) => ended.push(result),
  });
  const begin = (): Socket => {
    const socket = new Socket();
    handshakes.begin(socket, clock.monotonicMs());
    return socket;
  };
  return { clock, ended, sessions, handshakes, begin };
}

const closed = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('each is counted, bounded, and let go of when its own connection closes', async () => {
  const { ended, sessions, handshakes, begin } = open();
  const sockets = [begin(), begin(), begin()];
  expect([handshakes.count, sessions.size, ended]).toEqual([2, 2, ['displaced']]);
  sockets[1]?.destroy();
  await closed();
  expect([handshakes.count, sessions.size, ended]).toEqual([1, 1, ['displaced', 'gone']]);
  expect(handshakes.end(sockets[2] as Socket)).toBe(true);
  expect([handshakes.count, sessions.size]).toEqual([0, 0]);
});

it('the time of one ends that one only', async () => {
  const { clock, ended, handshakes, begin } = open();
  const first = begin();
  await clock.advance(HANDSHAKE_TIMEOUT_MS - 1);
  const second = begin();
  await clock.advance(1);
  expect([first.destroyed, second.destroyed, handshakes.count, ended]).toEqual([true, false, 1, ['timeout']]);
});
