/**
 * Groups of two nodes whose replicas lag and whose failovers lose what the replica did not have, as
 * two gateways see them. Records have parents, so that a test can tell which states include which.
 */

import { ownerOf, type ShardMap } from '#cluster/shard-map.ts';
import { slotOfKey } from '#cluster/slot-hash.ts';
import type {
  BatchOperation,
  BatchResult,
  GetAnswer,
  GetCommand,
  SetCommand,
  WriteAnswer,
} from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { makeEpoch, type Position, termOf, toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { ClusterKeys } from '#routing/cluster-keys.ts';
import type { Failure, Told } from '#routing/failure.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import { Groups } from '#routing/groups.ts';
import type { NodeKeys, NodeLinks } from '#routing/node-keys.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';
import { namedApart } from '#test/routing/named-parts.ts';

export interface LogRecord {
  readonly position: Position;
  readonly parent: LogRecord | undefined;
  /** Undefined: the record begins an epoch. */
  readonly key: string | undefined;
  /** What a repeat of the write has, too. */
  readonly name: string | undefined;
}

interface LaggingNode {
  readonly address: string;
  head: LogRecord;
  isDead: boolean;
}

class Refused extends Error {
  readonly failure: Failure;
  readonly error: WalnutError;
  constructor(
    code: WalnutError['code'],
    remedy: Failure['remedy'],
    message: string = code,
    outcome: Failure['outcome'] = 'not_done',
  ) {
    super(message);
    this.failure = { outcome, remedy };
    this.error = new WalnutError(code, message, { nothingDone: true });
  }
}

/** The record and all before it. */
export function* chain(head: LogRecord | undefined): Generator<LogRecord> {
  for (let one = head; one !== undefined; one = one.parent) yield one;
}

export function includes(head: LogRecord | undefined, record: LogRecord): boolean {
  for (const one of chain(head)) {
    if (one === record) return true;
    if (one.position.lsn < record.position.lsn) return false;
  }
  return false;
}

const textOf = ({ epoch, lsn }: Position): string => `${epoch}-${lsn}`;

export class LaggingGroup {
  readonly id: string;
  readonly nodes: readonly [LaggingNode, LaggingNode];
  master: LaggingNode;
  readonly #records: Map<string, LogRecord>;
  #term = 1;
  readonly #nonce: number;

  constructor(id: string, nonce: number, records: Map<string, LogRecord>) {
    this.id = id;
    this.#nonce = nonce;
    this.#records = records;
    const first = this.#record(undefined, makeEpoch(1, nonce), undefined, undefined);
    const node = (n: number): LaggingNode => ({ address: `${id}-${n}:1`, head: first, isDead: false });
    this.nodes = [node(1), node(2)];
    this.master = this.nodes[0];
  }

  get replica(): LaggingNode {
    return this.nodes[0] === this.master ? this.nodes[1] : this.nodes[0];
  }

  /** The replica applies what the master has, but for the last `lag` records. */
  catchUp(lag: number): void {
    const { replica, master } = this;
    if (replica.isDead) return;
    const records = [...chain(master.head)];
    const head = records[Math.min(lag, records.length - 1)] as LogRecord;
    if (!includes(head, replica.head) && includes(master.head, replica.head)) return;
    replica.head = head;
  }

  /** The replica leads from now on, with what it has. The master before is dead until `revive`. */
  failOver(): void {
    const before = this.master;
    this.master = this.replica;
    before.isDead = true;
    const { head } = this.master;
    this.master.head = this.#record(head, makeEpoch(++this.#term, this.#nonce), undefined, undefined);
  }

  revive(): void {
    this.replica.isDead = false;
    // Its log continues that of the master from where both are the same.
    while (!includes(this.master.head, this.replica.head))
      this.replica.head = this.replica.head.parent as LogRecord;
  }

  at(address: string): LaggingNode {
    const node = this.nodes.find((one) => one.address === address) as LaggingNode;
    if (node.isDead) throw new Refused('unavailable', 'later');
    return node;
  }

  read(node: LaggingNode, { key, atLeast }: GetCommand): GetAnswer {
    if (atLeast !== undefined && !this.#hasReached(node, atLeast))
      throw new Refused('unavailable', 'not_yet', `${textOf(atLeast)} is not reached`);
    const last = [...chain(node.head)].find((one) => one.key === key);
    const entry = last && { key, value: new Uint8Array(), version: last.position, expireAtMs: 0 };
    return { entry, asOf: node.head.position, stalenessMs: 0 };
  }

  write(node: LaggingNode, { key, id }: SetCommand): WriteAnswer {
    if (node !== this.master) throw new Refused('not_master', 'elsewhere');
    const { name, since } = id ?? {};
    if (since !== undefined && !includes(node.head, this.#records.get(textOf(since)) as LogRecord))
      throw new Refused('aborted', 'none');
    const told =
      name?.kind === 'client' ? `${name.clientId}-${name.sequence}.${name.index}-${key}` : undefined;
    const before = told === undefined ? undefined : [...chain(node.head)].find((one) => one.name === told);
    if (before === undefined) node.head = this.#record(node.head, node.head.position.epoch, key, told);
    const { position } = before ?? node.head;
    const answer = { applied: true, position, previous: undefined, current: undefined };
    return { ...answer, durabilityReached: 'accepted', replicasAcked: 0 };
  }

  #hasReached(node: LaggingNode, position: Position): boolean {
    const record = this.#records.get(textOf(position));
    if (record !== undefined && includes(node.head, record)) return true;
    const isKnown = termOf(position.epoch) <= termOf(node.head.position.epoch);
    if (node === this.master && isKnown) throw new Refused('discarded_history', 'none');
    return false;
  }

  #record(
    parent: LogRecord | undefined,
    epoch: number,
    key: string | undefined,
    name: string | undefined,
  ): LogRecord {
    const position = { epoch, lsn: toLsn((parent?.position.lsn ?? 0) + 1) };
    const record = { position, parent, key, name };
    this.#records.set(textOf(position), record);
    return record;
  }
}

export class LaggingCluster {
  readonly clock = new VirtualClock();
  readonly groups: readonly LaggingGroup[];
  readonly gateways: readonly ClusterKeys[];
  readonly #records = new Map<string, LogRecord>();
  readonly #routed: readonly Groups[];
  #map: ShardMap;
  /** Decides how many answers are lost. */
  isLost: () => boolean = () => false;

  constructor(ids: readonly string[], gateways: number, readFrom: ReadPolicy) {
    this.groups = ids.map((id, i) => new LaggingGroup(id, i + 1, this.#records));
    this.#map = mapOf(ids, 1);
    const { clock } = this;
    const limits = { callsMax: 1_000, bytesMax: 10_000_000 };
    this.#routed = Array.from({ length: gateways }, (_, i) => {
      const groups: Groups = new Groups({
        ...{ links: this.#links(), clock, random: new SeededRandom(i + 1), limits, logger: silentLogger },
        ask: async () => void groups.cache.take({ kind: 'whole', map: this.#map, epoch: this.#map.epoch }),
        onMap: () => undefined,
      });
      return groups;
    });
    this.gateways = this.#routed.map((groups) => new ClusterKeys({ groups, clock, readFrom }));
    this.#publish();
  }

  groupOf(key: string): LaggingGroup {
    const id = ownerOf(this.#map.slots, slotOfKey(key));
    return this.groups.find((one) => one.id === id) as LaggingGroup;
  }

  recordAt(position: Position): LogRecord | undefined {
    return this.#records.get(textOf(position));
  }

  /** The maps of all gateways name the masters as they are now. */
  failOver(group: LaggingGroup): void {
    group.failOver();
    const leaders = this.groups.map(({ id, master }) => [id, master.address.slice(0, -2)] as const);
    const ids = this.groups.map(({ id }) => id);
    this.#map = mapOf(ids, this.#map.epoch + 1, Object.fromEntries(leaders));
    this.#publish();
  }

  #publish(): void {
    for (const { cache } of this.#routed)
      cache.take({ kind: 'whole', map: this.#map, epoch: this.#map.epoch });
  }

  #links(): NodeLinks {
    return {
      linkTo: (address) => this.#nodeAt(address),
      judge: (error) => (error instanceof Refused ? error.failure : { outcome: 'unknown', remedy: 'none' }),
      toError: (error, told) => toError(error, told),
      retain: () => undefined,
    };
  }

  #nodeAt(address: string): NodeKeys {
    const group = this.groups.find(({ id }) => address.startsWith(`${id}-`)) as LaggingGroup;
    const attempt = async <T>(work: (node: LaggingNode) => T): Promise<T> => {
      await this.clock.sleep(1);
      const answer = work(group.at(address));
      if (this.isLost()) throw new Refused('unavailable', 'later', 'the answer is lost', 'unknown');
      return answer;
    };
    const none = async (): Promise<never> => {
      throw new Error('not part of this double');
    };
    return {
      get: (command) => attempt((node) => group.read(node, command)),
      set: (command) => attempt((node) => group.write(node, command)),
      namedBatch: (writes, id) =>
        attempt((node) => namedApart(writes, id).map((one) => resultOf(group, node, one, true))),
      batch: (operations) => attempt((node) => operations.map((one) => resultOf(group, node, one))),
      awaitDurable: ({ position }) =>
        attempt((node) => {
          const record = this.recordAt(position);
          if (record === undefined || !includes(node.head, record))
            throw new Refused('discarded_history', 'none');
          return { durabilityReached: 'local', replicasAcked: 0, durable: node.head.position };
        }),
      ...{ scan: none, atomicBatch: none, deletePrefix: none, delete: none, increment: none },
      ...{ touch: none, explain: none, pass: none },
      // biome-ignore lint/correctness/useYield: no watch is opened.
      watch: async function* () {
        await none();
      },
    };
  }
}

/** `isWhole`: what refuses one refuses the whole. */
function resultOf(
  group: LaggingGroup,
  node: LaggingNode,
  { kind, command }: BatchOperation,
  isWhole = false,
): BatchResult {
  try {
    if (kind === 'get') return { kind, answer: group.read(node, command) };
    if (kind === 'set') return { kind, answer: group.write(node, command) };
  } catch (error) {
    // A write at a replica refuses the whole.
    if (error instanceof Refused && error.error.code !== 'not_master' && !isWhole)
      return { kind: 'error', error: error.error };
    throw error;
  }
  throw new Error('not part of this double');
}

function toError(error: unknown, { outcome }: Told): WalnutError {
  const known = error instanceof Refused ? error.error : error;
  if (!(known instanceof WalnutError)) return new WalnutError('internal', String(error));
  const nothingDone = outcome === 'not_done' ? (true as const) : undefined;
  return new WalnutError(known.code, known.message, { ...known.details, nothingDone });
}
