/**
 * The cluster's map as the metadata store records it, and the one way to change it.
 * Changes are made one after the other. After a change whose outcome is unknown, or
 * that another coordinator came before, the store is read again before anything else.
 */
import {
  type ClusterNode,
  GROUPS_MAX,
  type Group,
  type ShardMap,
  type SlotRange,
} from '#cluster/shard-map.ts';
import type { MetadataStore, StoredEntry, StoreView, StoreWrite } from '#metadata/metadata-store.ts';
import { WalnutError } from '#model/errors.ts';
import {
  decodeEpoch,
  decodeGroup,
  decodeMeta,
  decodeNode,
  decodeSlots,
  encodeEpoch,
  encodeGroup,
  encodeMeta,
  encodeNode,
  encodeSlots,
} from '#wire/cluster-codec.ts';

/** How many keys a transaction may write: etcd takes 128 operations. */
const KEYS_MAX = 128;

export interface Recorded {
  readonly map: ShardMap;
  /** The modification revision of `epoch`; 0 before the cluster exists. */
  readonly epochRevision: number;
  /** Monotonic time at which the read, or the change, that this is from was begun. */
  readonly askedMs: number;
}

/** What a change puts in place of what is there. */
export interface MapWrites {
  readonly clusterId?: string;
  /** The epoch of the map that has it; the next one if undefined. Never one that is not above that of the map. */
  readonly epoch?: number;
  readonly groups?: readonly Group[];
  readonly slots?: readonly SlotRange[];
  readonly nodes?: readonly ClusterNode[];
}

export interface CatalogueOptions {
  readonly store: MetadataStore;
  /** `/walnut/<cluster>/`. */
  readonly prefix: string;
  readonly monotonicMs: () => number;
}

export class Catalogue {
  readonly #options: CatalogueOptions;
  #recorded: Recorded | undefined;
  #lastMap: ShardMap | undefined;
  /** Resolves when the last read or change that was asked for is over. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: CatalogueOptions) {
    this.#options = options;
  }

  /** What the store has, as far as nothing else is known; undefined until it was read, or if it has to be again. */
  get recorded(): Recorded | undefined {
    return this.#recorded;
  }

  /** The last map that was known, by which nodes are heard while the store is asked. Nothing is decided by it. */
  get lastMap(): ShardMap | undefined {
    return this.#lastMap;
  }

  get leaderKey(): string {
    return `${this.#options.prefix}leader`;
  }

  get epochKey(): string {
    return `${this.#options.prefix}epoch`;
  }

  /** Makes the next decision wait for a new read. */
  forget(): void {
    this.#recorded = undefined;
  }

  read(): Promise<Recorded> {
    return this.#inTurn(() => this.#read());
  }

  /**
   * Writes what `decide` makes of the newest map, under the `leader` key with this create
   * revision: in one transaction, but for nodes that do not fit, which earlier ones list. Resolves
   * with true if it is done, with false if `decide` returned undefined or this coordinator is not
   * the active one or somebody else changed the map. Rejects if the outcome is unknown.
   */
  change(leaderRevision: number, decide: (map: ShardMap) => MapWrites | undefined): Promise<boolean> {
    return this.#inTurn(async () => {
      let recorded: Recorded | undefined = this.#recorded ?? (await this.#read());
      const writes = decide(recorded.map);
      if (writes === undefined) return false;
      for (const part of inTransactions(writes)) {
        recorded = await this.#write(leaderRevision, recorded, part);
        if (recorded === undefined) return false;
      }
      return true;
    });
  }

  /** Undefined where nothing was written. */
  async #write(
    leaderRevision: number,
    { map: before, epochRevision }: Recorded,
    writes: MapWrites,
  ): Promise<Recorded | undefined> {
    const map = changed(before, writes);
    const askedMs = this.#options.monotonicMs();
    this.#recorded = undefined;
    const compare = [
      { key: this.leaderKey, createRevision: leaderRevision },
      { key: this.epochKey, modRevision: epochRevision },
    ];
    const { isDone, revision } = await this.#options.store.transact({
      compare,
      writes: this.#toStoreWrites(writes, map.epoch),
    });
    return isDone ? this.#take({ map, epochRevision: revision, askedMs }) : undefined;
  }

  #inTurn<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(job);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #read(): Promise<Recorded> {
    const { store, prefix, monotonicMs } = this.#options;
    const askedMs = monotonicMs();
    this.#recorded = undefined;
    return this.#take({ ...toMap(await store.read(prefix), prefix), askedMs });
  }

  #take(recorded: Recorded): Recorded {
    this.#recorded = recorded;
    this.#lastMap = recorded.map;
    return recorded;
  }

  #toStoreWrites({ clusterId, groups = [], slots, nodes = [] }: MapWrites, epoch: number): StoreWrite[] {
    const { prefix } = this.#options;
    return [
      { key: this.epochKey, value: encodeEpoch(epoch) },
      ...(clusterId === undefined ? [] : [{ key: `${prefix}meta`, value: encodeMeta(clusterId) }]),
      ...(slots === undefined ? [] : [{ key: `${prefix}slots`, value: encodeSlots(slots) }]),
      ...groups.map((group) => ({ key: `${prefix}groups/${group.id}`, value: encodeGroup(group) })),
      ...nodes.map((node) => ({ key: `${prefix}nodes/${node.name}`, value: encodeNode(node) })),
    ];
  }
}

/**
 * Nodes that do not fit come first, so that no map names a voter without its address; a node that
 * is listed, and of no group, is nothing yet. Pure. The last has everything else.
 */
function inTransactions({ nodes = [], ...others }: MapWrites): MapWrites[] {
  const { clusterId, slots, groups = [] } = others;
  const room =
    KEYS_MAX - 1 - groups.length - (clusterId === undefined ? 0 : 1) - (slots === undefined ? 0 : 1);
  if (room < 0)
    throw new WalnutError(
      'failed_precondition',
      `a change writes at most ${GROUPS_MAX} groups, and this one has ${groups.length}`,
    );
  const early = Math.max(0, nodes.length - room);
  const parts: MapWrites[] = [];
  for (let from = 0; from < early; from += KEYS_MAX - 1)
    parts.push({ nodes: nodes.slice(from, Math.min(early, from + KEYS_MAX - 1)) });
  return [...parts, { ...others, nodes: nodes.slice(early) }];
}

/** The map after a change. */
function changed(map: ShardMap, { clusterId, epoch, groups = [], slots, nodes = [] }: MapWrites): ShardMap {
  return {
    clusterId: clusterId ?? map.clusterId,
    epoch: Math.max(map.epoch + 1, epoch ?? 0),
    groups: new Map([...map.groups, ...groups.map((group) => [group.id, group] as const)]),
    slots: slots ?? map.slots,
    nodes: new Map([...map.nodes, ...nodes.map((node) => [node.name, node] as const)]),
  };
}

/** The map that the entries under the prefix record, and the modification revision of `epoch`. */
export function toMap({ entries }: StoreView, prefix: string): { map: ShardMap; epochRevision: number } {
  const byKey = new Map(entries.map((entry) => [entry.key.slice(prefix.length), entry]));
  const below = (folder: string): StoredEntry[] =>
    [...byKey].filter(([key]) => key.startsWith(folder)).map(([, entry]) => entry);
  const decode = <T>(key: string, decoded: (value: Uint8Array) => T, otherwise: T): T => {
    const entry = byKey.get(key);
    return entry === undefined ? otherwise : decoded(entry.value);
  };
  const map = {
    clusterId: decode('meta', decodeMeta, ''),
    epoch: decode('epoch', decodeEpoch, 0),
    groups: new Map(
      below('groups/')
        .map(({ value }) => decodeGroup(value))
        .map((group) => [group.id, group]),
    ),
    slots: decode('slots', decodeSlots, []),
    nodes: new Map(
      below('nodes/')
        .map(({ value }) => decodeNode(value))
        .map((node) => [node.name, node]),
    ),
  };
  return { map, epochRevision: byKey.get('epoch')?.modRevision ?? 0 };
}
