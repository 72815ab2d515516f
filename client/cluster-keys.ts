/**
 * The keys of a whole cluster. Each call goes straight to the group that owns its key, and each
 * group has an order, a session and a near cache of its own, so that a slow group delays
 * nothing of the others. Where a group says that it does not own a key any more, the call goes
 * to its next owner.
 */
import { Code } from '@connectrpc/connect';
import type { ShardMap } from '#cluster/shard-map.ts';
import { isOfOneSlot, slotOfKey } from '#cluster/slot-hash.ts';
import { writtenAddress } from '#dial/endpoint.ts';
import type { MeantCluster } from '#dial/meant-cluster.ts';
import type {
  AwaitDurableResponse,
  BatchRequest,
  BatchResponse,
  ExplainResponse,
  GetResponse,
  GetUpdatesResponse,
  WatchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { Entry } from '#gen/walnut/v1/types_pb.ts';
import type { ShardOwner } from '#model/shard-owner.ts';
import { membersOf } from '#routing/group-members.ts';
import type { MapSource } from '#routing/map-follower.ts';
import { awaitAll, awaitOf } from './await-all.ts';
import { ClusterGroup } from './cluster-group.ts';
import { ClusterMap } from './cluster-map.ts';
import { CallError, invalid, ofPart, refusedHere } from './failures.ts';
import type { GroupKeys } from './group-keys.ts';
import { ownerNamedBy } from './judge.ts';
import type { Keys, KeysOptions, Value } from './keys.ts';
import { mergedWatch } from './merged-watch.ts';
import { NEAR_BYTES_MAX, type NearOptions, type NearStats } from './near-cache.ts';
import type { NodeLinks } from './node-links.ts';
import {
  type AwaitDurableOptions,
  type CallOptions,
  type GetOptions,
  keyOf,
  type Operation,
  sizeOf,
} from './operations.ts';
import type { DeletePrefixOptions, ScanOptions } from './paged-calls.ts';
import { Session } from './session.ts';
import { checkWatch, type WatchOptions, type WatchTarget } from './watch.ts';

export interface ClusterParts {
  readonly coordinators: readonly string[];
  readonly source: MapSource & { close(): void };
  /** The links to the nodes of one group; `cluster`: what each of their calls says that it is for. */
  readonly openLinks: (cluster: () => MeantCluster | undefined) => NodeLinks;
  /** True if nodes are called by TLS, as coordinators are. */
  readonly isTls: boolean;
  /** What was seen before, of groups. */
  readonly session: Session;
}

export class ClusterKeys implements Keys {
  readonly #options: KeysOptions;
  readonly #parts: ClusterParts;
  readonly #map: ClusterMap;
  /** By id. Those that the map no longer has stay until this client is closed: calls of them go on until they end. */
  readonly #groups = new Map<string, ClusterGroup>();
  /** Calls on their way from a group to the next owner. */
  readonly #moving = new Set<Promise<void>>();

  constructor(options: KeysOptions, parts: ClusterParts) {
    const { clock, timeoutMs, limits } = options;
    const { coordinators, source } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#map = new ClusterMap({
      ...{ coordinators, source, clock, timeoutMs, limits },
      onMap: (map) => this.#onMap(map),
    });
  }

  get session(): Session {
    const before = this.#parts.session.positions.filter(({ group }) => !this.#groups.has(group));
    const seen = [...this.#groups].flatMap(([id, { keys }]) => keys.session.positionsAs(id));
    return Session.ofGroups([...before, ...seen]);
  }

  get nearStats(): NearStats | undefined {
    if (this.#options.near === undefined) return undefined;
    const sum = { hits: 0, misses: 0, entries: 0, bytes: 0, invalidations: 0 };
    for (const { keys } of this.#groups.values()) {
      const { nearStats } = keys;
      for (const name of Object.keys(sum) as (keyof NearStats)[]) sum[name] += nearStats?.[name] ?? 0;
    }
    return sum;
  }

  sessionOf(key: string): Session | undefined {
    const id = this.#map.owners.ownerOf(slotOfKey(key));
    return id === undefined ? undefined : this.#groups.get(id)?.keys.session;
  }

  get(key: string, options: GetOptions & CallOptions): Promise<GetResponse> {
    return this.#atKey(key, options.signal, (keys) => keys.get(key, options));
  }

  call(operation: Operation, signal: AbortSignal | undefined): Promise<Value> {
    const bytes = this.#map.newest === undefined ? sizeOf(operation) : 0;
    return this.#atKey(keyOf(operation), signal, (keys) => keys.call(operation, signal), bytes);
  }

  async atomic(request: BatchRequest, signal: AbortSignal | undefined): Promise<BatchResponse> {
    const keys = request.operations.map(({ operation }) => keyOf(operation));
    checkOneSlot(keys);
    const bytes = request.operations.reduce((sum, { operation }) => sum + sizeOf(operation), 0);
    return this.#atKey(keys[0] ?? '', signal, (group) => group.atomic(request, signal), bytes);
  }

  async deletePrefix(prefix: string, options: DeletePrefixOptions & CallOptions): Promise<number> {
    const [first, ...others] = await this.#ofPrefix(prefix, options.signal);
    let deleted = (await first?.keys.deletePrefix(prefix, options)) ?? 0;
    try {
      for (const { keys } of others) deleted += await keys.deletePrefix(prefix, options);
    } catch (error) {
      throw ofPart(error as CallError);
    }
    return deleted;
  }

  async count(prefix: string, options: CallOptions): Promise<number> {
    const groups = await this.#ofPrefix(prefix, options.signal);
    const counts = await Promise.all(groups.map(({ keys }) => keys.count(prefix, options)));
    return counts.reduce((sum, one) => sum + one, 0);
  }

  async *scan(prefix: string, options: ScanOptions & CallOptions): AsyncGenerator<Entry, void, undefined> {
    for (const { keys } of await this.#ofPrefix(prefix, options.signal)) yield* keys.scan(prefix, options);
  }

  async awaitDurable(options: AwaitDurableOptions & CallOptions): Promise<AwaitDurableResponse> {
    const groups = (await this.#all(options.signal)).map(({ keys }) => keys);
    return options.position === undefined ? awaitAll(groups, options) : awaitOf(groups, options);
  }

  async getUpdates(): Promise<GetUpdatesResponse> {
    const why =
      'getUpdates is of one log, and a cluster has one for each group: use watch, or a client with addresses of one group';
    throw refusedHere(why, Code.FailedPrecondition);
  }

  explain(key: string, changes: number, signal: AbortSignal | undefined): Promise<ExplainResponse> {
    return this.#atKey(key, signal, (keys) => keys.explain(key, changes, signal));
  }

  watch(what: WatchTarget, options: WatchOptions): AsyncIterable<WatchResponse> {
    checkWatch(what, options);
    const { signal } = options;
    const { closed } = this.#options;
    const ends = signal === undefined ? closed : AbortSignal.any([signal, closed]);
    // Nobody would hear of its error where the watch is not iterated, or only later.
    const groups = () => ('key' in what ? this.#ownersOf(what.key, ends) : this.#ofPrefix(what.prefix, ends));
    return mergedWatch(groups, what, { ...options, signal: ends });
  }

  async settled(): Promise<void> {
    // What waits for the map was called before, and goes on first.
    await this.#map.whenSettled();
    do {
      await Promise.all(this.#moving);
      await Promise.all([...this.#groups.values()].map(({ keys }) => keys.settled()));
    } while (this.#moving.size > 0);
  }

  async close(): Promise<void> {
    for (const { keys } of this.#groups.values()) await keys.close();
    await this.#map.close();
    this.#parts.source.close();
  }

  /** The groups of the map, in the order of their ids. */
  async #all(signal: AbortSignal | undefined): Promise<readonly ClusterGroup[]> {
    await this.#map.whenKnown(signal);
    const ids = [...(this.#map.newest?.groups.keys() ?? [])].sort();
    return ids.map((id) => this.#groups.get(id) as ClusterGroup);
  }

  /**
   * The groups that may have keys with the prefix. A node shows what its group has of any prefix, and
   * refuses none, so the owner of the one slot is first asked for a key of it: that it refuses where
   * the map here is wrong. One who may only write cannot ask so, and calls all groups.
   */
  async #ofPrefix(prefix: string, signal: AbortSignal | undefined): Promise<readonly ClusterGroup[]> {
    if (!isOfOneSlot(prefix)) return this.#all(signal);
    try {
      return [
        await this.#atKey(prefix, signal, async (keys, group) => {
          await keys.checkOwned(prefix, signal);
          return group;
        }),
      ];
    } catch (error) {
      if (error instanceof CallError && error.code === Code.PermissionDenied) return this.#all(signal);
      throw error;
    }
  }

  async #ownersOf(key: string, signal: AbortSignal | undefined): Promise<readonly ClusterGroup[]> {
    await this.#map.whenKnown(signal);
    return [this.#ownerOf(key)];
  }

  /** Runs `work` at the group that owns the key. Where that group refuses because it has lost the key, runs it at the next owner. */
  async #atKey<T>(
    key: string,
    signal: AbortSignal | undefined,
    work: (keys: GroupKeys, group: ClusterGroup) => Promise<T>,
    bytes = 0,
  ): Promise<T> {
    const known = this.#map.whenKnown(signal, bytes);
    if (known !== undefined) await known;
    const { clock, timeoutMs } = this.#options;
    let endMs: number | undefined;
    for (;;) {
      const group = this.#ownerOf(key);
      try {
        return await work(group.keys, group);
      } catch (error) {
        const refusal = ownerNamedBy(error);
        if (refusal === undefined) throw error;
        const nowMs = clock.monotonicMs();
        endMs ??= nowMs + timeoutMs;
        if (nowMs >= endMs) throw unowned(error as CallError);
        await this.#moved(group.id, refusal);
      }
    }
  }

  /** Resolves once it is known, as well as it can be, who owns the slot that the group refused. Never rejects. */
  async #moved(group: string, refusal: ShardOwner): Promise<void> {
    const learned = this.#map.owners.learn(refusal, group);
    this.#moving.add(learned);
    await learned;
    this.#moving.delete(learned);
  }

  /** Throws UNAVAILABLE where no group owns the key's slot, as far as is known. */
  #ownerOf(key: string): ClusterGroup {
    const slot = slotOfKey(key);
    const id = this.#map.owners.ownerOf(slot);
    const group = id === undefined ? undefined : this.#groups.get(id);
    if (group === undefined)
      throw unavailable(`slot ${slot} has no owner in the map of epoch ${this.#map.newest?.epoch}`);
    if (!group.hasMembers) throw unavailable(`the map names no address of a member of group ${group.id}`);
    return group;
  }

  #onMap(map: ShardMap): void {
    const { isTls } = this.#parts;
    const near = this.#nearOf(map.groups.size);
    for (const [id, group] of map.groups) {
      const known = this.#groups.get(id) ?? this.#openGroup(id, near);
      this.#groups.set(id, known);
      const { addresses, leader, leaderAddress } = membersOf(group, map);
      known.update({
        addresses: addresses.map((address) => writtenAddress(address, isTls)),
        leader,
        leaderAddress: leaderAddress && writtenAddress(leaderAddress, isTls),
      });
    }
  }

  #openGroup(id: string, near: NearOptions | undefined): ClusterGroup {
    const { openLinks, session } = this.#parts;
    return new ClusterGroup(
      id,
      { ...this.#options, near },
      {
        links: openLinks(() => this.#map.newest),
        session: session.partOf(id),
        ownership: {
          learn: (refusal) => this.#map.owners.learn(refusal, id),
          owns: (key) => this.#map.owners.ownerOf(slotOfKey(key)) === id,
        },
        refresh: (limitMs) => this.#map.refresh(limitMs),
      },
    );
  }

  /** Each group has its part of the memory. */
  #nearOf(groups: number): NearOptions | undefined {
    const { near } = this.#options;
    if (near === undefined) return undefined;
    return { ...near, bytesMax: Math.max(1, Math.floor((near.bytesMax ?? NEAR_BYTES_MAX) / groups)) };
  }
}

/** Throws INVALID_ARGUMENT unless all keys are of one slot. */
function checkOneSlot(keys: readonly string[]): void {
  const [first, ...others] = keys.map(slotOfKey);
  const at = others.findIndex((slot) => slot !== first);
  if (at < 0) return;
  throw invalid(
    `operations[${at + 1}]: its key is of slot ${others[at]}, and that of operations[0] of slot ${first}: expected keys of one slot, as those with the same {tag} are`,
  );
}

function unavailable(message: string): CallError {
  return refusedHere(message, Code.Unavailable);
}

function unowned({ rawMessage }: CallError): CallError {
  return unavailable(`no group says that it owns the slot: ${rawMessage}`);
}
