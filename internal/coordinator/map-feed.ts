/**
 * The map for those who read it, on every coordinator, active or not: it follows the
 * metadata store and keeps the last changes, so that a reader who is not far behind
 * gets what changed. While the store does not answer, the map is the last that was read.
 */
import type { MapNews } from '#cluster/coordinator-port.ts';
import type { MapChange } from '#cluster/map-change.ts';
import { diffMaps } from '#cluster/map-diff.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import { toMap } from '#coordinator/catalogue.ts';
import { ToldReasons } from '#coordinator/told-reasons.ts';
import type { MetadataStore } from '#metadata/metadata-store.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';

/** How many changes are kept. */
const CHANGES_MAX = 1_024;
/** The wait before the store is read again after a watch ended, milliseconds. */
const AGAIN_MS = 1_000;

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
  #isFollowing = false;
  /** Those who wait for the next change. */
  readonly #waiting = new Set<() => void>();

  constructor(options: MapFeedOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
  }

  /** True while changes of the store arrive. */
  get isFollowing(): boolean {
    return this.#isFollowing;
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
    const whole = { kind: 'whole', map, epoch: map.epoch } as const;
    if (clusterId !== map.clusterId) return whole;
    if (epoch === map.epoch) return { kind: 'unchanged', epoch };
    const from = this.#kept.findIndex(({ fromEpoch }) => fromEpoch === epoch);
    return from < 0 ? whole : { kind: 'changes', changes: this.#kept.slice(from), epoch: map.epoch };
  }

  /** Resolves at the next change, after `limitMs`, or when the signal aborts or the feed stops. */
  nextChange(limitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#stop.signal.aborted || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#waiting.delete(finish);
        limit.cancel();
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const limit = this.#options.clock.after(limitMs, finish);
      signal.addEventListener('abort', finish, { once: true });
      this.#waiting.add(finish);
    });
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options;
    const told = new ToldReasons(logger, 'map');
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#follow(signal, told);
      } catch (error) {
        told.failed(error);
      }
      this.#isFollowing = false;
      await clock.sleep(AGAIN_MS, signal);
    }
  }

  async #follow(signal: AbortSignal, told: ToldReasons): Promise<void> {
    const { store, prefix } = this.#options;
    const revision = await this.#read();
    told.succeeded();
    this.#isFollowing = true;
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
    this.#wake();
  }

  #wake(): void {
    for (const finish of [...this.#waiting]) finish();
  }
}
