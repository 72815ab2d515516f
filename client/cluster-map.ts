/**
 * The map of a cluster for a client: who keeps it up to date, who owns a slot, and the calls
 * that wait for the first map. Nothing is asked before the first call.
 */
import { Code } from '@connectrpc/connect';
import type { ShardMap } from '#cluster/shard-map.ts';
import { afterPromises } from '#platform/after-promises.ts';
import type { Clock } from '#platform/clock.ts';
import { silentLogger } from '#platform/logger.ts';
import { MapCache } from '#routing/map-cache.ts';
import { MapFollower, type MapSource } from '#routing/map-follower.ts';
import { SlotOwners } from '#routing/slot-owners.ts';
import type { QueueLimits } from './batch-queue.ts';
import { type CallError, givenUp, refusedHere } from './failures.ts';

export interface ClusterMapOptions {
  readonly coordinators: readonly string[];
  readonly source: MapSource;
  readonly clock: Clock;
  /** How long a call waits for the first map, milliseconds. */
  readonly timeoutMs: number;
  /** How many calls, and how many bytes of them, may wait for it. */
  readonly limits: Pick<QueueLimits, 'queuedOperationsMax' | 'queuedBytesMax'>;
  readonly onMap: (map: ShardMap) => void;
}

export class ClusterMap {
  readonly owners: SlotOwners;
  readonly #options: ClusterMapOptions;
  readonly #cache: MapCache;
  readonly #follower: MapFollower;
  #isFollowing = false;
  /** What waits for the first map, in the order of the calls. */
  readonly #waiting = new Set<() => void>();
  /** The bytes that the waiting calls keep. */
  #bytes = 0;
  /** One for each call that waits: it settles when the call goes on or is refused. */
  readonly #arrivals = new Set<Promise<void>>();
  /** The map has come, and what waited for it has not gone on yet. */
  #isReleasing = false;

  constructor(options: ClusterMapOptions) {
    const { coordinators, source, clock } = options;
    this.#options = options;
    this.#follower = new MapFollower({
      ...{ coordinators, source, clock, logger: silentLogger, cache: () => this.#cache },
      advice: 'name coordinators of one cluster only',
    });
    this.#cache = new MapCache({
      clock,
      ask: () => this.#follower.ask(),
      onMap: (map) => this.#onMap(map),
    });
    this.owners = new SlotOwners(this.#cache);
  }

  /** The newest; undefined until there is one. */
  get newest(): ShardMap | undefined {
    return this.#cache.map;
  }

  /** Asks for a newer map, and waits for it at most so long. Never rejects. */
  refresh(limitMs: number): Promise<void> {
    return this.#cache.refreshWithin(limitMs);
  }

  /**
   * Undefined: the map is there. Else resolves once it is, in the order of the calls; rejects
   * with UNAVAILABLE where no coordinator tells it in time. `bytes`: what the call keeps meanwhile.
   */
  whenKnown(signal?: AbortSignal, bytes = 0): Promise<void> | undefined {
    if (!this.#isFollowing) {
      this.#isFollowing = true;
      this.#follower.start();
    }
    if (this.#cache.map === undefined) return this.#arrival(signal, bytes);
    // A call that finds the map goes after those that waited for it.
    return this.#isReleasing ? Promise.resolve() : undefined;
  }

  /** Resolves when no call that was made before waits for the map. */
  async whenSettled(): Promise<void> {
    // No call of its own: that would wait longer than those before.
    await Promise.allSettled(this.#arrivals);
  }

  /** Ends the stream of changes. */
  async close(): Promise<void> {
    if (this.#isFollowing) await this.#follower.stop();
  }

  #arrival(signal: AbortSignal | undefined, bytes: number): Promise<void> {
    const arrival = this.#wait(signal, bytes).finally(() => this.#arrivals.delete(arrival));
    this.#arrivals.add(arrival);
    return arrival;
  }

  #wait(signal: AbortSignal | undefined, bytes: number): Promise<void> {
    const { clock, timeoutMs, limits } = this.#options;
    return new Promise((resolve, reject) => {
      this.#checkRoom(bytes, limits);
      this.#bytes += bytes;
      const leave = (): void => {
        this.#bytes -= bytes;
        this.#waiting.delete(go);
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const go = (): void => {
        leave();
        resolve();
      };
      const fail = (error: CallError): void => {
        leave();
        reject(error);
      };
      const onAbort = (): void => fail(givenUp('not_done'));
      const timer = clock.after(timeoutMs, () => fail(this.#unknown()));
      this.#waiting.add(go);
      if (signal?.aborted === true) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The first call has room, whatever it is. Throws RESOURCE_EXHAUSTED. */
  #checkRoom(bytes: number, { queuedOperationsMax, queuedBytesMax }: ClusterMapOptions['limits']): void {
    const { size } = this.#waiting;
    if (size === 0 || (size < queuedOperationsMax && this.#bytes + bytes <= queuedBytesMax)) return;
    const why = `${size} calls of ${this.#bytes} bytes wait for the map of the cluster: expected at most ${queuedOperationsMax} (queuedOperationsMax) of ${queuedBytesMax} (queuedBytesMax)`;
    throw refusedHere(why, Code.ResourceExhausted);
  }

  #onMap(map: ShardMap): void {
    this.#options.onMap(map);
    if (this.#waiting.size === 0) return;
    this.#isReleasing = true;
    for (const go of this.#waiting) go();
    afterPromises(() => {
      this.#isReleasing = false;
    });
  }

  #unknown(): CallError {
    const whys = this.#follower.problems;
    const why = whys.length === 0 ? 'no coordinator has answered' : whys.join('; ');
    return refusedHere(`there is no map of the cluster yet: ${why}`, Code.Unavailable);
  }
}
