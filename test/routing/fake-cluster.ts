/**
 * Groups of a cluster as routing sees them: a log of increments each, which carries a named write
 * out once, and members of which one leads. A test decides what becomes of each attempt.
 */
import { type Group, ownerOf, type ShardMap } from '#cluster/shard-map.ts';
import { slotOfKey } from '#cluster/slot-hash.ts';
import type {
  BatchOperation,
  BatchResult,
  DurableAnswer,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  ScanAnswer,
} from '#model/commands.ts';
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import { ATOMIC_BYTES_MAX } from '#model/limits.ts';
import { makeEpoch, type Position, toLsn } from '#model/position.ts';
import { SLOTS } from '#model/slots.ts';
import type { WatchMessage } from '#model/watch.ts';
import type { WriteId } from '#model/write-id.ts';
import { type Logger, silentLogger } from '#platform/logger.ts';
import { ClusterKeys } from '#routing/cluster-keys.ts';
import type { Failure, Told } from '#routing/failure.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import { Groups } from '#routing/groups.ts';
import type { HoldLimits } from '#routing/hold.ts';
import type { NodeKeys, NodeLinks } from '#routing/node-keys.ts';
import type { Limits } from '#routing/router.ts';
import { bytesOfAll } from '#routing/split-batch.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { missing } from '#test/routing/fake-bytes.ts';
import { namedApart } from '#test/routing/named-parts.ts';

/** What becomes of an attempt: `lost` does it and loses the answer, `dead` and `hung` do nothing, which `hung` shows late. */
export type Fate =
  | 'answer'
  | 'lost'
  | 'dead'
  | 'moved'
  | 'forgotten'
  | 'not_yet'
  | 'replica'
  | 'hung'
  | 'discarded';

export class FakeGroup {
  readonly id: string;
  epoch: number;
  readonly sums = new Map<string, bigint>();
  /** By client id, sequence and key: what a repeat is answered with. */
  readonly #done = new Map<string, bigint>();
  lsn = 1;
  /** Its epochs, those before the one that goes on included. */
  readonly history = new Set<number>();
  /** Watches have no place at its nodes, and wait. */
  isSilent = false;
  /** Watches go on without a word once they told what they had, instead of breaking. */
  isQuietAfter = false;
  /** What is told to watchers, one array for each watch that is opened. */
  readonly watched: WatchMessage[][] = [];
  readonly ids: (WriteId | undefined)[] = [];
  /** Epochs of which a failover lost everything. */
  readonly #lost = new Set<number>();

  constructor(id: string, nonce: number) {
    this.id = id;
    this.epoch = makeEpoch(1, nonce);
    this.history.add(this.epoch);
  }

  get position(): Position {
    return { epoch: this.epoch, lsn: toLsn(this.lsn) };
  }

  /** A failover loses all that was done. */
  loseAll(): void {
    this.#lost.add(this.epoch);
    this.epoch = makeEpoch(1 + this.#lost.size, this.epoch % 1_000);
    this.sums.clear();
    this.#done.clear();
    this.lsn = 1;
  }

  read({ atLeast }: GetCommand): GetAnswer {
    const isBeyond = atLeast?.epoch === this.epoch && atLeast.lsn > this.lsn;
    if (isBeyond || (atLeast !== undefined && this.#lost.has(atLeast.epoch))) throw new Broken('discarded');
    return { entry: undefined, asOf: this.position, stalenessMs: 0 };
  }

  /** Throws where it cannot be told whether a write is new. */
  checkNew(id: WriteId | undefined): void {
    if (id?.since !== undefined && this.#lost.has(id.since.epoch)) throw new Broken('forgotten');
  }

  increment({ key, delta, id }: IncrementCommand): IncrementAnswer {
    this.ids.push(id);
    this.checkNew(id);
    const name =
      id?.name.kind === 'client'
        ? `${id.name.clientId}-${id.name.sequence}.${id.name.index}-${key}`
        : undefined;
    const before = name === undefined ? undefined : this.#done.get(name);
    const value = before ?? (this.sums.get(key) ?? 0n) + delta;
    if (before === undefined) {
      this.lsn++;
      this.sums.set(key, value);
      if (name !== undefined) this.#done.set(name, value);
    }
    const answer = { applied: true, value, position: this.position, previous: undefined, current: undefined };
    return { ...answer, durabilityReached: 'accepted', replicasAcked: 0, expireAtMs: 0 };
  }
}

class Broken extends Error {
  readonly fate: Fate;
  constructor(fate: Fate) {
    super(fate);
    this.fate = fate;
  }
}

const FAILURES: Readonly<Record<string, Failure>> = {
  lost: { outcome: 'unknown', remedy: 'later' },
  dead: { outcome: 'not_done', remedy: 'later' },
  moved: { outcome: 'not_done', remedy: 'moved' },
  forgotten: { outcome: 'unknown', remedy: 'none' },
  discarded: { outcome: 'unknown', remedy: 'none' },
  not_yet: { outcome: 'unknown', remedy: 'not_yet' },
  hung: { outcome: 'unknown', remedy: 'later', isLate: true },
  replica: { outcome: 'not_done', remedy: 'elsewhere' },
};

const CODES: Readonly<Partial<Record<Fate, ErrorCode>>> = {
  moved: 'shard_moved',
  forgotten: 'aborted',
  discarded: 'discarded_history',
};

export class FakeCluster {
  readonly clock = new VirtualClock();
  readonly groups: readonly FakeGroup[];
  readonly asked: string[] = [];
  /** Lines of the log. */
  readonly logged: string[] = [];
  readonly #logger: Logger = {
    ...silentLogger,
    info: (fields, message) => this.logged.push(`${JSON.stringify(fields)} ${message}`),
    warn: (fields, message) => this.logged.push(`${JSON.stringify(fields)} ${message}`),
    child: () => this.#logger,
  };
  readonly epochsAsked: number[] = [];
  /** For whom reads were made. */
  readonly users: (string | undefined)[] = [];
  /** What came as bytes. */
  readonly passed: string[] = [];
  /** Groups that were asked whether an epoch is theirs. */
  readonly owned: string[] = [];
  /** How long each AwaitDurable may wait, milliseconds. */
  readonly waits: number[] = [];
  /** Decides what becomes of an attempt at an address; `key`: the first one of it, empty where there is none. */
  fate: (address: string, key: string) => Fate = () => 'answer';
  /** What an operation of a Batch comes to at a node; undefined: as it is carried out. */
  result: (address: string, operation: BatchOperation) => BatchResult | undefined = () => undefined;
  /** A coordinator takes questions and answers none. */
  isHung = false;
  /** What a coordinator answers; undefined: none does. */
  map: ShardMap | undefined;
  /** Who owns what by the logs of the groups: the newest map that there was. */
  get #slots(): ShardMap['slots'] {
    return (this.map ?? this.routed.cache.map)?.slots ?? [];
  }
  readonly routed: Groups;
  readonly keys: ClusterKeys;

  constructor(
    ids: readonly string[],
    limits: HoldLimits = { callsMax: 100, bytesMax: 1_000_000 },
    readFrom: ReadPolicy = 'master',
  ) {
    this.groups = ids.map((id, i) => new FakeGroup(id, i + 1));
    this.map = mapOf(ids, 1);
    const { clock } = this;
    this.routed = new Groups({
      links: this.#links(),
      clock,
      random: new SeededRandom(1),
      limits,
      logger: this.#logger,
      ask: async () => {
        if (this.isHung) await new Promise(() => undefined);
        if (this.map === undefined) throw new Error('no coordinator answers');
        this.routed.cache.take({ kind: 'whole', map: this.map, epoch: this.map.epoch });
      },
      onMap: () => undefined,
    });
    this.keys = new ClusterKeys({ groups: this.routed, clock, readFrom });
    this.routed.cache.take({ kind: 'whole', map: this.map, epoch: 1 });
  }

  group(id: string): FakeGroup {
    return this.groups.find((one) => one.id === id) as FakeGroup;
  }

  /** Lets time pass until the call is over. */
  async settled<T>(call: PromiseLike<T> | T): Promise<T | WalnutError> {
    let isOver = false;
    const told = Promise.resolve(call)
      .catch((error: unknown) => error as WalnutError)
      .finally(() => {
        isOver = true;
      });
    await this.clock.advanceUntil(() => isOver, 60_000);
    return told;
  }

  #links(): NodeLinks {
    return {
      linkTo: (address) => this.#nodeAt(address),
      judge: (error) => FAILURES[(error as Broken).fate] as Failure,
      toError: (error, { outcome }: Told) => toError(error, outcome),
      retain: () => undefined,
    };
  }

  #batches(address: string, group: FakeGroup, attempt: Attempt): Pick<NodeKeys, 'batch' | 'namedBatch'> {
    const run = (operations: readonly BatchOperation[], user: string | undefined): BatchResult[] => {
      this.users.push(user);
      return operations.map((one) => this.result(address, one) ?? resultOf(group, one));
    };
    return {
      batch: (operations, limits) => attempt(() => run(operations, limits.user), keysOf(operations), limits),
      namedBatch: (writes, id, limits) =>
        attempt(
          () => {
            group.checkNew(id);
            // One name is one record.
            if (bytesOfAll(writes) > ATOMIC_BYTES_MAX) throw new Broken('forgotten');
            return run(namedApart(writes, id), limits.user);
          },
          keysOf(writes),
          limits,
        ),
    };
  }

  /** What an attempt at the node comes to. `keys`: those of the operations. */
  async #attempt<T>(address: string, work: () => T, keys: readonly string[], limits?: Limits): Promise<T> {
    const group = this.#groupAt(address);
    this.asked.push(address);
    const isForeign = keys.some((key) => ownerOf(this.#slots, slotOfKey(key)) !== group.id);
    const fate = isForeign ? 'moved' : this.fate(address, keys[0] ?? '');
    if (fate === 'answer') return work();
    if (fate === 'lost') work();
    if (fate === 'hung') await this.clock.sleep(limits?.timeoutMs ?? 0, limits?.signal);
    throw new Broken(fate);
  }

  async *#watch(address: string, signal: AbortSignal): AsyncGenerator<WatchMessage> {
    const group = this.#groupAt(address);
    if (group.isSilent || this.fate(address, '') === 'hung') throw await untilAborted(signal);
    const messages = group.watched.shift();
    if (messages === undefined) return;
    yield* messages;
    throw group.isQuietAfter ? await untilAborted(signal) : new Broken('dead');
  }

  #groupAt(address: string): FakeGroup {
    return this.group(address.slice(0, address.indexOf('-')));
  }

  #nodeAt(address: string): NodeKeys {
    const group = this.#groupAt(address);
    const attempt: Attempt = (work, keys = [], limits) => this.#attempt(address, work, keys, limits);
    const none = async (): Promise<never> => {
      throw new Error('not part of this double');
    };
    return {
      get: (command, limits) =>
        attempt(
          () => {
            this.users.push(limits.user);
            if (command.atLeast !== undefined) this.epochsAsked.push(command.atLeast.epoch);
            return group.read(command);
          },
          [command.key],
          limits,
        ),
      increment: (command, limits) => attempt(() => group.increment(command), [command.key], limits),
      ...this.#batches(address, group, attempt),
      scan: ({ prefix, cursor }, limits) =>
        attempt(
          () => pageOf(group, `${prefix}${address}${cursor}`, cursor === '' ? 'second' : ''),
          [],
          limits,
        ),
      awaitDurable: ({ position, timeoutMs }, limits) => {
        this.waits.push(timeoutMs);
        const work = (): DurableAnswer => {
          this.owned.push(`${group.id} ${position.epoch}`);
          if (!group.history.has(position.epoch) || position.lsn > group.lsn) throw new Broken('discarded');
          return { durabilityReached: 'local', replicasAcked: 0, durable: group.position };
        };
        return attempt(work, [], limits);
      },
      atomicBatch: ({ operations }) =>
        attempt(() => {
          for (const { kind, command } of operations)
            if (kind === 'get' && command.atLeast !== undefined) this.epochsAsked.push(command.atLeast.epoch);
          const results = operations.map((one) => resultOf(group, one));
          const reached = { durabilityReached: 'accepted' as const, replicasAcked: 0 };
          return { isCommitted: true, position: group.position, results, ...reached };
        }),
      watch: (_command, signal) => this.#watch(address, signal),
      deletePrefix: () =>
        attempt(() => ({
          ...{ deleted: 0, nextCursor: '', position: group.position },
          ...{ durabilityReached: 'accepted' as const, replicasAcked: 0 },
        })),
      pass: (method, message, { user }, read) =>
        attempt(() => {
          this.users.push(user);
          this.passed.push(method);
          return read(missing(group.position, method, message));
        }),
      ...{ set: none, delete: none, touch: none, explain: none },
    };
  }
}

type Attempt = <T>(work: () => T, keys?: readonly string[], limits?: Limits) => Promise<T>;

function keysOf(operations: readonly BatchOperation[]): string[] {
  return operations.map(({ command }) => command.key);
}

/** A page of one entry. */
function pageOf({ position }: FakeGroup, key: string, nextCursor: string): ScanAnswer {
  const entry = { key, value: new Uint8Array(), expireAtMs: 0, version: position };
  return { entries: [entry], nextCursor, asOf: position, stalenessMs: 0 };
}

async function untilAborted(signal: AbortSignal): Promise<Broken> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  return new Broken('dead');
}

function resultOf(group: FakeGroup, { kind, command }: BatchOperation): BatchResult {
  if (kind === 'increment') {
    try {
      return { kind, answer: group.increment(command) };
    } catch (error) {
      return { kind: 'error', error: toError(error, 'unknown') };
    }
  }
  return { kind: 'get', answer: { entry: undefined, asOf: group.position, stalenessMs: 0 } };
}

function toError(error: unknown, outcome: Told['outcome']): WalnutError {
  const details = { nothingDone: outcome === 'not_done' ? (true as const) : undefined };
  if (error instanceof WalnutError) return new WalnutError(error.code, error.message, details);
  const { fate } = error as Broken;
  return new WalnutError(CODES[fate] ?? 'unavailable', fate, details);
}

/** The slots divided evenly, two nodes for each group, of which the first leads. */
export function mapOf(
  ids: readonly string[],
  epoch: number,
  leaders: Readonly<Record<string, string>> = {},
): ShardMap {
  const groups = ids.map((id): [string, Group] => {
    const voters = [1, 2].map((n) => ({ node: `${id}-${n}`, incarnation: n }));
    const node = leaders[id] ?? `${id}-1`;
    const leader = node === '' ? undefined : { node, incarnation: 1, tail: { epoch: 0, lsn: toLsn(0) } };
    const rest = { lastLeader: '', next: undefined, withdrawn: 0, grants: undefined };
    return [id, { id, logId: '0'.repeat(32), voters, term: epoch, leader, ...rest }];
  });
  const names = ids.flatMap((id) => [`${id}-1`, `${id}-2`]);
  const width = SLOTS / ids.length;
  const cut = (i: number): number => Math.floor(i * width);
  return {
    clusterId: 'c'.repeat(32),
    epoch,
    groups: new Map(groups),
    slots: ids.map((group, i) => ({ first: cut(i), last: cut(i + 1) - 1, group })),
    nodes: new Map(
      names.map((name) => [name, { name, address: `${name}:1`, zone: '', status: 'active' as const }]),
    ),
  };
}

/** Adds 1 to a key; the caller gives no name. */
export function incrementOf(key: string): IncrementCommand {
  const receipt = { minAcks: 0, timeoutMs: 0, returnPrevious: false };
  return { key, delta: 1n, initial: 0n, expiry: { kind: 'default' }, ...receipt };
}
