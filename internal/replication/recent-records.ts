/**
 * Keeps the newest records in memory for pushes: the registry's subscription to
 * the feed. While there are replicas it also wakes their pushers; without any
 * it keeps only a little, for a replica that registers next.
 */
import type { Feed } from '#engine/feed/feed.ts';

const RING_BYTES_ALONE_MAX = 1_024 * 1_024;

export class RecentRecords {
  readonly #feed: Pick<Feed, 'subscribe'>;
  readonly #ringBytesMax: number;
  readonly #onMore: () => void;
  #reading: { readonly hasReplicas: boolean; readonly end: () => void } | undefined;
  #isEnded = false;

  /** `onMore` is called when there are more records to push. */
  constructor(feed: Pick<Feed, 'subscribe'>, ringBytesMax: number, onMore: () => void) {
    this.#feed = feed;
    this.#ringBytesMax = ringBytesMax;
    this.#onMore = onMore;
  }

  /** Subscribes as the number of replicas requires. The new subscription begins before the old one ends, so that no record is dropped between. */
  keepFor(hasReplicas: boolean): void {
    const before = this.#reading;
    if (before?.hasReplicas === hasReplicas || this.#isEnded) return;
    const bytesMax = hasReplicas ? this.#ringBytesMax : RING_BYTES_ALONE_MAX;
    const onMore = hasReplicas ? this.#onMore : undefined;
    this.#reading = { hasReplicas, end: this.#feed.subscribe({ reach: 'durable', bytesMax, onMore }) };
    before?.end();
  }

  end(): void {
    this.#isEnded = true;
    this.#reading?.end();
    this.#reading = undefined;
  }
}
