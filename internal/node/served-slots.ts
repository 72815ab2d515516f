/**
 * Which keys this node serves: those of slots that its log says its group owns, and that
 * no map it has heard of gives to another group (ADR 20). A plain group owns every key,
 * and no slot of a key is worked out there.
 */
import { ownerOf, type ShardMap } from '#cluster/shard-map.ts';
import { slotOf, slotOfKey } from '#cluster/slot-hash.ts';
import { asRefusal, notYet, unavailable, WalnutError } from '#model/errors.ts';
import { SLOTS } from '#model/slots.ts';
import type { LoggedOwnership } from '#storage/logged-ownership.ts';
import type { MemberPlace } from '#wal/manifest.ts';

export interface ServedSlotsParts {
  /** What the log says; undefined: nothing yet. */
  readonly logged: () => LoggedOwnership | undefined;
  /** Where the node belongs in a cluster; undefined: it is a node of a plain group. */
  readonly place: () => MemberPlace | undefined;
}

export class ServedSlots {
  readonly #parts: ServedSlotsParts;
  #map: ShardMap | undefined;
  /** From what the fields below were made: equal references, equal answers. */
  #logged: LoggedOwnership | undefined;
  #group: string | undefined;
  #judgedMap: ShardMap | undefined;
  #isWhole = true;
  /** 1 for each slot that is served. */
  #served = new Uint8Array(0);

  constructor(parts: ServedSlotsParts) {
    this.#parts = parts;
  }

  /** The newest map that this process has heard; undefined: none. */
  get map(): ShardMap | undefined {
    return this.#map;
  }

  /** Keeps the map, unless it is older than what the node knows, or of another cluster. */
  hear(map: ShardMap): void {
    const { clusterId = '', mapEpoch = 0 } = this.#parts.place() ?? {};
    if (clusterId !== '' && map.clusterId !== clusterId) return;
    if (map.epoch >= Math.max(mapEpoch, this.#map?.epoch ?? 0)) this.#map = map;
  }

  /** True if the node serves every key. */
  get isWhole(): boolean {
    const logged = this.#parts.logged();
    const group = this.#parts.place()?.group;
    if (logged !== this.#logged || group !== this.#group || this.#map !== this.#judgedMap)
      this.#judge(logged, group);
    return this.#isWhole;
  }

  /** Where `isWhole` is false: true if the node serves the key in `bytes[from, to)`. */
  readonly serves = (bytes: Uint8Array, from: number, to: number): boolean =>
    this.#served[slotOf(bytes, from, to)] === 1;

  /** Throws `shard_moved`, or `unavailable`, with nothing done, for a key that the node does not serve. */
  check(key: string): void {
    if (this.isWhole) return;
    const slot = slotOfKey(key);
    if (this.#served[slot] !== 1) throw this.#refusal(slot);
  }

  #judge(logged: LoggedOwnership | undefined, group: string | undefined): void {
    this.#logged = logged;
    this.#group = group;
    this.#judgedMap = this.#map;
    const isPlain = logged === undefined && (group === undefined || group === '');
    const served = new Uint8Array(SLOTS).fill(isPlain ? 1 : 0);
    for (const { first, last } of logged?.owned ?? []) served.fill(1, first, last + 1);
    const others = isPlain || group === undefined ? [] : (this.#map?.slots ?? []);
    for (const { first, last, group: owner } of others) if (owner !== group) served.fill(0, first, last + 1);
    this.#isWhole = !served.includes(0);
    this.#served = served;
  }

  #refusal(slot: number): unknown {
    const group = this.#group ?? '';
    if (this.#logged === undefined)
      return asRefusal(unavailable(`the log here does not say yet which slots ${group} owns: try again`));
    const map = this.#map;
    const owner = (map && ownerOf(map.slots, slot)) ?? '';
    if (owner !== '' && owner === group)
      return asRefusal(
        notYet(
          `map epoch ${map?.epoch} gives slot ${slot} to ${group}, whose log does not own it: see walnut cluster status`,
        ),
      );
    const address = (map && addressOfLeader(map, owner)) ?? '';
    const mapEpoch = Math.max(map?.epoch ?? 0, this.#logged.mapEpoch);
    return new WalnutError('shard_moved', whyMoved(slot, group, owner, address), {
      shard: { slot, group: owner, address, mapEpoch },
      nothingDone: true,
    });
  }
}

function addressOfLeader({ groups, nodes }: ShardMap, group: string): string | undefined {
  const leader = groups.get(group)?.leader;
  return leader && nodes.get(leader.node)?.address;
}

function whyMoved(slot: number, group: string, owner: string, address: string): string {
  const here = group === '' ? 'the group of this node' : group;
  if (owner === '') return `slot ${slot} of the key does not belong to ${here}: see walnut cluster map`;
  const where = address === '' ? 'which has no master now' : `whose master is at ${address}`;
  return `slot ${slot} of the key belongs to ${owner}, ${where}, and not to ${here}`;
}
