/** Telling nodes to follow: what the log says of one that is told again and again. */
import { expect, it } from 'vitest';
import { Announcer } from '#node/announcer.ts';
import { silentLogger } from '#platform/logger.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

it('a node that leaves and joins is logged as told once a term', async () => {
  const clock = new VirtualClock();
  const logged: unknown[] = [];
  let term = 1;
  let told = 0;
  let absent: string[] = [];
  const link = {
    announce: async () => {
      told++;
      return { fencedBy: undefined };
    },
    close: () => {},
  } as unknown as PeerLink;
  const announcer = new Announcer({
    dialer: { dial: () => link },
    clock,
    logger: { ...silentLogger, info: (fields) => logged.push(fields) },
    announcement: () => ({ nodeId: 'a', logId: 'b', term, advertise: 'm:1' }),
    absent: () => absent,
    onFenced: () => {},
    onFollowed: () => {},
    onRival: () => {},
  });
  announcer.start();
  for (term = 1; term <= 2; term++) {
    for (let round = 0; round < 10; round++) {
      absent = round % 2 === 0 ? ['slow:1'] : [];
      await clock.advance(500);
    }
  }
  expect(told).toBe(10);
  expect(logged).toEqual([
    { node: 'slow:1', term: 1 },
    { node: 'slow:1', term: 2 },
  ]);
  const stopped = announcer.stop();
  await clock.advance(1_000);
  await stopped;
});
