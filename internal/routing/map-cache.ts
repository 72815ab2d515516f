/**
 * The newest shard map that this process has heard of. It only moves forward, within one
 * cluster: the first map decides which. Who changes it is `MapFollower`; who needs a newer one
 * asks by `refresh`.
 */
import type { MapNews } from '#cluster/coordinator-port.ts';
import { applyChange } from '#cluster/map-change.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import type { Clock } from '#platform/clock.ts';

/** What became of news. `foreign`: they are of another cluster. `gap`: changes are missing, so that the whole map is needed. */
export type Taken = 'new' | 'known' | 'foreign' | 'gap';

export interface MapCacheOptions {
  readonly clock: Clock;
  /** Asks for news since the map that is there. Rejects where nobody answers. */
  readonly ask: () => Promise<void>;
  /** Called with each map that is newer than the one before. */
  readonly onMap: (map: ShardMap) => void;
}

/** Maps are asked for at most so often. */
const REFRESH_MS = 100;

export class MapCache {
  readonly #options: MapCacheOptions;
  #map: ShardMap | undefined;
  #heardMs: number | undefined;
  #refreshing: Promise<void> | undefined;
  #askedMs = -Infinity;

  constructor(options: MapCacheOptions) {
    this.#options = options;
  }

  /** Undefined until one was heard of. */
  get map(): ShardMap | undefined {
    return this.#map;
  }

  /** Milliseconds since a coordinator said that this map is the newest, or since it was kept; undefined: there is none. */
  get ageMs(): number | undefined {
    return this.#heardMs === undefined ? undefined : this.#options.clock.monotonicMs() - this.#heardMs;
  }

  /** The map that was kept on disk: it counts until a coordinator says more. */
  start(map: ShardMap, ageMs: number): void {
    if (this.#map !== undefined) return;
    this.#heardMs = this.#options.clock.monotonicMs() - ageMs;
    this.#set(map);
  }

  /** News that a coordinator gave just now. */
  take(news: MapNews): Taken {
    const taken = this.#take(news);
    const isHeard = taken === 'new' || taken === 'known';
    if (isHeard && this.#map !== undefined) this.#heardMs = this.#options.clock.monotonicMs();
    return taken;
  }

  /** Asks for a newer map. Callers at one time share one question. Never rejects. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#ask().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
  }

  /** The same, but waits for it at most so long: a coordinator that hangs may take longer than a caller has. */
  async refreshWithin(limitMs: number): Promise<void> {
    const over = new AbortController();
    await Promise.race([this.refresh(), this.#options.clock.sleep(limitMs, over.signal)]);
    over.abort();
  }

  async #ask(): Promise<void> {
    const { clock, ask } = this.#options;
    const restMs = this.#askedMs + REFRESH_MS - clock.monotonicMs();
    if (restMs > 0) await clock.sleep(restMs);
    this.#askedMs = clock.monotonicMs();
    await ask().catch(() => undefined);
  }

  #take(news: MapNews): Taken {
    const map = this.#map;
    // Epoch 0 is that of a cluster that is not made yet.
    if (news.kind === 'unchanged') return news.epoch > (map?.epoch ?? 0) ? 'gap' : 'known';
    if (news.kind === 'whole') {
      if (news.map.clusterId === '') return map === undefined ? 'known' : 'foreign';
      if (map !== undefined && news.map.clusterId !== map.clusterId) return 'foreign';
      if (map !== undefined && news.map.epoch <= map.epoch) return 'known';
      this.#set(news.map);
      return 'new';
    }
    return this.#applyAll(news);
  }

  #applyAll({ changes }: Extract<MapNews, { kind: 'changes' }>): Taken {
    let map = this.#map;
    for (const change of changes) {
      if (map === undefined || change.fromEpoch > map.epoch) return 'gap';
      if (change.epoch > map.epoch && change.fromEpoch < map.epoch) return 'gap';
      if (change.epoch > map.epoch) map = applyChange(map, change);
    }
    if (map === undefined || map === this.#map) return 'known';
    this.#set(map);
    return 'new';
  }

  #set(map: ShardMap): void {
    this.#map = map;
    this.#options.onMap(map);
  }
}
