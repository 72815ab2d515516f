/** What a session that Scans is shown, and told, of what a failover has lost. */
import { expect, it } from 'vitest';
import type { ScanAnswer } from '#model/commands.ts';
import type { WalnutError } from '#model/errors.ts';
import { type Position, toLsn } from '#model/position.ts';
import type { Seen } from '#model/seen.ts';
import { SessionKeys } from '#server/session-keys.ts';
import { FakeCluster } from '#test/routing/fake-cluster.ts';

const SCAN = { prefix: '', cursor: '', limit: 1, keysOnly: false };

class Scanner {
  readonly cluster = new FakeCluster(['g1', 'g2']);
  seen: Seen;

  constructor(seenOf: (cluster: FakeCluster) => Seen) {
    this.seen = seenOf(this.cluster);
  }

  scan(cursor = ''): Promise<ScanAnswer | WalnutError> {
    const port = this.cluster.keys.withWish({ seen: this.seen });
    const note = (now: Seen): void => {
      this.seen = now;
    };
    const page = new SessionKeys(port, this.seen, note).scan({ ...SCAN, cursor });
    return this.cluster.settled(page);
  }
}

/** The newest position of the group, so many records on. */
function seenOf(cluster: FakeCluster, id: string, more = 0): Position {
  const { epoch, lsn } = cluster.group(id).position;
  return { epoch, lsn: toLsn(lsn + more), group: id };
}

it('is told once that a failover lost what it had seen', async () => {
  const scanner = new Scanner((cluster) => [seenOf(cluster, 'g1'), seenOf(cluster, 'g2')]);
  scanner.cluster.group('g1').loseAll();
  const error = (await scanner.scan()) as WalnutError;
  expect(error).toMatchObject({ code: 'discarded_history', details: { lostGroup: 'g1' } });
  scanner.seen = error.details.seen as Seen;
  expect(scanner.seen).toMatchObject([{ group: 'g2' }]);
  expect(await scanner.scan()).toMatchObject({ entries: [{ key: 'g1-1:1' }] });
});

it('is told that an earlier position is lost, although a newer one is not', async () => {
  const scanner = new Scanner((cluster) => [seenOf(cluster, 'g1')]);
  const group = scanner.cluster.group('g1');
  group.loseAll();
  scanner.seen = [...scanner.seen, seenOf(scanner.cluster, 'g1')];
  expect(await scanner.scan()).toMatchObject({ code: 'discarded_history', details: { lostGroup: 'g1' } });
});

it('is told DATA_LOSS of a position beyond the end of the epoch of the master', async () => {
  const scanner = new Scanner((cluster) => [seenOf(cluster, 'g1', 5)]);
  expect(await scanner.scan()).toMatchObject({ code: 'discarded_history', details: { lostGroup: 'g1' } });
});

it('keeps no earlier position that a page has shown, and those of other groups', async () => {
  const earlier = { epoch: 1, lsn: toLsn(1), group: 'g1' };
  const scanner = new Scanner((cluster) => [earlier, seenOf(cluster, 'g2'), seenOf(cluster, 'g1')]);
  await scanner.scan();
  expect(scanner.cluster.epochsAsked).toEqual([1]);
  expect(scanner.seen).toEqual([seenOf(scanner.cluster, 'g2'), seenOf(scanner.cluster, 'g1')]);
  await scanner.scan();
  expect(scanner.cluster.epochsAsked).toEqual([1]);
});
