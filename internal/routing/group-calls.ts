/**
 * Calls to one group of a cluster: who its members are, its queue and breaker, the names of
 * writes, and the newest position that was seen of it.
 */
import { WalnutError } from '#model/errors.ts';
import { isAhead, isSamePosition, NO_POSITION, type Position } from '#model/position.ts';
import type { WriteId } from '#model/write-id.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import { GroupLog } from '#routing/group-log.ts';
import type { GroupMembers } from '#routing/group-members.ts';
import type { Target } from '#routing/group-routes.ts';
import { Hold, type HoldLimits } from '#routing/hold.ts';
import { inCallersTime, whileWanted } from '#routing/in-time.ts';
import { MappedGroup, PAUSE_MS_MAX, type RefreshMap } from '#routing/mapped-group.ts';
import type { NodeKeys, NodeLinks } from '#routing/node-keys.ts';
import { OwnNames } from '#routing/own-names.ts';
import { type Attempt, Router, type StreamLimits } from '#routing/router.ts';
import { OPERATION_BYTES } from '#routing/split-batch.ts';

export interface GroupCallsOptions {
  readonly id: string;
  readonly links: NodeLinks;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits: HoldLimits;
  readonly logger: Logger;
  readonly refresh: RefreshMap;
  readonly onRetry: () => void;
  /** Called with each new epoch of this group. */
  readonly onEpoch: (epoch: number) => void;
}

export interface CallKind {
  readonly target: Target;
  readonly isRepeatable: boolean;
  /** See `RoutedCall.isRead`. */
  readonly isRead?: boolean | undefined;
  /** How long the node may wait before it answers, milliseconds. */
  readonly waitMs: number;
  /** Bytes of the request, as `bytesOf` counts them; undefined within `named`, which has a place for the call. */
  readonly bytes: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** See `RoutedCall.at`. */
  readonly at?: (() => string) | undefined;
  /** See `CallWish.user`. */
  readonly user?: string | undefined;
}

/** An attempt at one node of the group. */
export type GroupAttempt = Attempt<NodeKeys> & Pick<CallKind, 'user'>;

/** All attempts of a call, without what the call itself asks to wait. */
export const CALL_MS = 10_000;
/** The first attempt. */
const ATTEMPT_MS = 1_000;

/** What the group is asked for writes that have a place already. */
const READ: CallKind = {
  target: 'master',
  isRepeatable: true,
  isRead: true,
  waitMs: 0,
  bytes: undefined,
  signal: undefined,
};

export class GroupCalls {
  readonly id: string;
  readonly hold: Hold;
  readonly #options: GroupCallsOptions;
  readonly #log: GroupLog;
  readonly #mapped: MappedGroup<NodeKeys>;
  readonly #router: Router<NodeKeys>;
  readonly #names: OwnNames;
  #position: Position | undefined;
  /** The position that was told last, with the group in it. */
  #told: Position = NO_POSITION;
  #learning: Promise<void> | undefined;

  constructor(options: GroupCallsOptions) {
    const { id, links, clock, random, limits, logger, refresh, onRetry } = options;
    this.id = id;
    this.#options = options;
    this.#log = new GroupLog(id, logger, clock);
    this.hold = new Hold({ name: id, limits, clock, random, log: this.#log });
    this.#names = new OwnNames(random);
    this.#mapped = new MappedGroup(refresh);
    this.#router = new Router({
      routes: this.#mapped.routes,
      links: this.#mapped.linksOver(links),
      clock,
      random,
      onRetry,
      gate: this.hold,
      pauseMsMax: PAUSE_MS_MAX,
    });
  }

  /** The newest position of the group that an answer had. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** The leader as the map has it, `node name@term`; empty while there is none. */
  get leader(): string {
    return this.#mapped.leader;
  }

  hasNode(address: string): boolean {
    return this.#mapped.routes.addresses.includes(address);
  }

  /** True if another node leads, as the map has it. */
  isLedElsewhere(address: string): boolean {
    return this.#mapped.isLedElsewhere(address);
  }

  /** The members and the leader are those of a newer map. */
  update(members: GroupMembers): void {
    const before = this.#mapped.leader;
    const isLed = this.#mapped.update(members);
    if (members.leader !== before) this.#log.led(members.leader, before);
    if (isLed) this.hold.onChange();
  }

  /** Rejects with `WalnutError`: `shard_moved` where another group owns the key. */
  async run<T>(kind: CallKind, call: (attempt: GroupAttempt) => Promise<T>): Promise<T> {
    const { target, isRepeatable, isRead, waitMs, bytes, signal, at, user } = kind;
    if (!this.#mapped.hasMembers) throw this.#noMembers();
    const limits = { timeoutMs: CALL_MS + waitMs, attemptMs: ATTEMPT_MS + waitMs };
    const attempt = user === undefined ? call : (one: Attempt<NodeKeys>) => call({ ...one, user });
    const mayEnd = target === 'master' && isRepeatable && at === undefined;
    const run = (): Promise<T> =>
      this.#router.run({ target, isRepeatable, isRead, signal, at, ...limits }, (one) =>
        mayEnd && one.timeoutMs > ATTEMPT_MS ? this.#mapped.attempts.run(one, attempt) : attempt(one),
      );
    try {
      return await (bytes === undefined ? run() : this.#placed(bytes, run));
    } catch (error) {
      throw inCallersTime(error, signal);
    }
  }

  /** See `Router.onBehind`. */
  onBehind(address: string): void {
    if (address !== this.#mapped.routes.master) this.#router.onBehind(address);
  }

  /** See `Router.stream`. */
  stream<T>(
    target: Target,
    open: (link: NodeKeys, signal: AbortSignal) => AsyncIterable<T>,
    limits: StreamLimits,
  ): AsyncIterable<T> {
    if (!this.#mapped.hasMembers) throw this.#noMembers();
    return this.#router.stream(target, open, limits);
  }

  /**
   * Does `work` with `count` names for writes, which are forgotten after it. `key`: gives one that
   * the group owns. The place for `bytes` is taken before the names are made, so that they are bounded, too.
   */
  named<T>(
    count: number,
    { bytes, signal }: Pick<CallKind, 'bytes' | 'signal'>,
    key: () => string,
    work: (ids: readonly WriteId[]) => Promise<T>,
  ): Promise<T> {
    return this.#placed(bytes ?? 0, () =>
      count === 0 ? work([]) : this.#withNames(count, signal, key, work),
    );
  }

  async #withNames<T>(
    count: number,
    signal: AbortSignal | undefined,
    key: () => string,
    work: (ids: readonly WriteId[]) => Promise<T>,
  ): Promise<T> {
    if (this.#position === undefined) await whileWanted(this.#learnPosition(key()), signal);
    const since = this.#position;
    const { names, release } = this.#names.take(count);
    try {
      return await work(names.map((name) => ({ name, since })));
    } finally {
      release();
    }
  }

  async #placed<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    this.hold.begin(bytes);
    try {
      return await work();
    } finally {
      this.hold.end(bytes);
    }
  }

  /** Asks the master for its position, by a read of a key, which need not be there. Callers at one time share one question. */
  async #learnPosition(key: string): Promise<void> {
    this.#learning ??= this.#learn(key).finally(() => {
      this.#learning = undefined;
    });
    await this.#learning;
  }

  /**
   * A position by which the group can tell that a write of this process is new, which it answered by
   * ABORTED; undefined where an attempt may have been carried out, and forgotten.
   */
  async newerSince({ since }: WriteId, mayBeRepeat: boolean, key: string): Promise<Position | undefined> {
    await this.#learnPosition(key);
    const isNew = !mayBeRepeat || (since !== undefined && (await this.#isDiscarded(since, key)));
    return isNew ? this.#position : undefined;
  }

  /** True if a failover lost what stood at the position, and with it all attempts that were sent after it was known. */
  async #isDiscarded(atLeast: Position, key: string): Promise<boolean> {
    try {
      await this.run(READ, ({ link, ...limits }) => link.get({ key, waitMs: 0, atLeast }, limits));
      return false;
    } catch (error) {
      return error instanceof WalnutError && error.code === 'discarded_history';
    }
  }

  /**
   * Rejects with `discarded_history` unless all of these positions are in the history that
   * `atLeast` is of. `key`: one that the group owns.
   */
  async prove(key: string, positions: readonly Position[], atLeast: Position | undefined): Promise<void> {
    const kind = { ...READ, bytes: OPERATION_BYTES };
    for (const position of positions) {
      const { asOf } = await this.run(kind, ({ link, ...limits }) =>
        link.get({ key, waitMs: 0, atLeast: position }, limits),
      );
      this.checkNotBehind(asOf, atLeast);
    }
  }

  /** Throws `unavailable` for the state of a master that was replaced, which it does not know yet. */
  checkNotBehind(asOf: Position, atLeast: Position | undefined): void {
    this.observe(asOf);
    if (atLeast === undefined || !isAhead(atLeast, asOf)) return;
    const why = `the master of group ${this.id} is behind what the session has seen: try again`;
    throw new WalnutError('unavailable', why, { nothingDone: true, isNotYet: true });
  }

  /** The position of an answer of this group, which is noted, with the group in it. */
  told(position: Position): Position {
    this.observe(position);
    if (position.lsn === 0) return position;
    // Many answers have one position, and equal objects are encoded once.
    const { epoch, lsn } = position;
    if (!isSamePosition(position, this.#told)) this.#told = { epoch, lsn, group: this.id };
    return this.#told;
  }

  /** An answer of this group had this position. */
  observe(position: Position): void {
    if (position.lsn === 0) return;
    const known = this.#position;
    if (known?.epoch !== position.epoch) this.#options.onEpoch(position.epoch);
    // Without the name of its group, which no request to a node of it needs.
    const { epoch, lsn } = position;
    if (known === undefined || isAhead(position, known)) this.#position = { epoch, lsn };
  }

  async #learn(key: string): Promise<void> {
    const { asOf } = await this.run(READ, ({ link, ...limits }) => link.get({ key, waitMs: 0 }, limits));
    this.observe(asOf);
  }

  #noMembers(): WalnutError {
    const message = `the map names no address of a member of group ${this.id}`;
    return new WalnutError('unavailable', message, { nothingDone: true });
  }
}
