/** Planted bugs of the feed: who gets which records, and when. */
import type { Mutant } from './mutant.ts';

const FEED = 'test/engine/feed.test.ts';

export const FEED_MUTANTS: readonly Mutant[] = [
  {
    name: 'feed that gives what is not applied to readers of applied records',
    file: 'internal/engine/feed/feed.ts',
    text: "return reach === 'durable' ? durableLsn : (Math.min(durableLsn, this.#source.appliedLsn) as Lsn);",
    replacement: "return reach === 'durable' ? durableLsn : (Math.max(durableLsn, 0) as Lsn);",
    tests: [FEED, 'test/node/feeds.test.ts'],
  },
  {
    name: 'feed that gives from memory what is not durable',
    file: 'internal/engine/feed/feed.ts',
    text: 'return this.#ring.read(fromLsn, throughLsn, bytesMax) ??',
    replacement: 'return this.#ring.read(fromLsn, (throughLsn + 99) as Lsn, bytesMax) ??',
    tests: [FEED],
  },
  {
    name: 'memory of a feed kept when nobody reads any more',
    file: 'internal/engine/feed/feed.ts',
    text: '    if (this.#bytesMax === 0) this.#ring.clear();',
    replacement: '',
    tests: [FEED],
  },
  {
    name: 'delayed replica that never tells readers of applied records',
    file: 'internal/engine/engine.ts',
    text: `    this.#appliedWaiters.advance(frame.lsn);
    this.feed.advance();`,
    replacement: '    this.#appliedWaiters.advance(frame.lsn);',
    tests: ['test/node/feeds.test.ts'],
  },
];
