/**
 * The map for those who read it, on every coordinator, active or not: it follows the
 * metadata store and keeps the last changes, so that a reader who is not far behind
 * gets what changed. While the store does not answer, the map is the last that was read.
 */
import { diffMaps, type MapChange } from '#cluster/map-diff.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import { toMap } from '#coordinator/catalogue.ts';
import type { MetadataStore } from '#metadata/metadata-store.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';

/** How many changes are kept. */
const CHANGES_MAX = 1_024;
/** The wait before the store is read again after a watch ended, milliseconds. */
const AGAIN_MS = 1_000;

/** What a reader needs to have the newest map. */
export type MapNews =
  | { readonly kind: 'unchanged' }
  /** In order; the first begins at the epoch that the reader has. */
  | { readonly kind: 'changes'; readonly changes: readonly MapChange[] }
  | { readonly kind: 'whole'; readonly map: ShardMap };

export interface MapFeedOptions {
  readonly store: MetadataStore;
  /** `/walnut/<cluster>/`. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class MapFeed {
  readonly #options: MapFeedOptions;
  readonly #stop = new AbortController();
  readonly #kept: MapChange[] = [];
  #map: ShardMap | undefined;
  #running: Promise<void> | undefined;
  /** Resolved at the next change, or when the feed stops. */
  #changed = Promise.withResolvers<void>();

  constructor(options: MapFeedOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#changed.resolve();
    await this.#running;
  }

  /** Undefined until the store was read. */
  get map(): ShardMap | undefined {
    return this.#map;
  }

  /**
   * What became of the map that a reader has: undefined until the store was read. A
   * reader of another cluster, or of an epoch that is not in what is kept, gets the whole.
   */
  newsFor(clusterId: string, epoch: number): MapNews | undefined {
    const map = this.#map;
    if (map === undefined) return undefined;
    if (clusterId !== map.clusterId) return { kind: 'whole', map };
    if (epoch === map.epoch) return { kind: 'unchanged' };
    const from = this.#kept.findIndex(({ fromEpoch }) => fromEpoch === epoch);
    return from < 0 ? { kind: 'whole', map } : { kind: 'changes', changes: this.#kept.slice(from) };
  }

  /** Resolves at the next change, or when the feed stops. */
  nextChange(): Promise<void> {
    return this.#stop.signal.aborted ? Promise.resolve() : this.#changed.promise;
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (error) {
        logger.warn({ why: messageOf(error) }, 'the metadata store gives no map');
      }
      await clock.sleep(AGAIN_MS, signal);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { store, prefix } = this.#options;
    const revision = await this.#read();
    // What changed is read again as a whole: it is small, and parts of it belong together.
    for await (const _ of store.watch(prefix, revision, signal)) await this.#read();
  }

  /** The revision of the store that was read. */
  async #read(): Promise<number> {
    const { store, prefix } = this.#options;
    const view = await store.read(prefix);
    this.#take(toMap(view, prefix).map);
    return view.revision;
  }

  #take(map: ShardMap): void {
    const before = this.#map;
    if (before?.clusterId === map.clusterId && before.epoch === map.epoch) return;
    this.#map = map;
    const isNext = before?.clusterId === map.clusterId && before.epoch < map.epoch;
    if (isNext) this.#kept.push(diffMaps(before, map));
    // The cluster is another one, or its store was restored: what is kept leads nowhere.
    else this.#kept.length = 0;
    if (this.#kept.length > CHANGES_MAX) this.#kept.shift();
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
