/**
 * The epoch that a master leads. Every start and every promotion begins one: its
 * record is durable before the first write in it. A full disk only delays that; a
 * failed disk rejects.
 */
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { isSameLimits, type StoreLimits } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import { type Epoch, type Lsn, makeEpoch, termOf } from '#model/position.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { formatDuration } from '#platform/duration.ts';
import { needsConfigV2 } from '#storage/logged-config.ts';

const DURABLE_TIMEOUT_MS = 30_000;

export interface MasterEpochParts {
  readonly options: Pick<NodeOptions, 'limits' | 'defaultTtlMs' | 'member' | 'random' | 'role'>;
  readonly host: EngineHost;
  readonly engine: Engine;
  /** The last epoch that this process began, whatever roles it has had since; 0: none. */
  readonly run: { epoch: Epoch };
  /** Before a record that 0.1.0 could not read: see `takeFormatStep`. */
  readonly readyForFormats: () => Promise<void> | undefined;
}

export class MasterEpoch {
  readonly #parts: MasterEpochParts;
  #hasBegun = false;
  #beganLsn: Lsn | undefined;
  #heldBack: string | undefined;

  constructor(parts: MasterEpochParts) {
    this.#parts = parts;
  }

  /** True if this master has an epoch, so that it may write. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** The LSN of the EPOCH record with which this process began its epoch; undefined before it was submitted. */
  get beganLsn(): Lsn | undefined {
    return this.#beganLsn;
  }

  /** Why the limits of the configuration are not in force; undefined: they are, or do not count here. */
  get heldBack(): string | undefined {
    return this.#heldBack;
  }

  /** True if this node was promoted to the highest term that it knows, and has no record of it yet. */
  get isPromoted(): boolean {
    const { host, engine } = this.#parts;
    const { term, promotedTo = 0 } = host.manifest;
    return promotedTo === term && term > termOf(engine.log.tail.epoch);
  }

  /**
   * The term that this node leads: MANIFEST decides, because the record of the epoch
   * may have to wait for space.
   */
  get term(): number {
    const { host, engine } = this.#parts;
    return this.isPromoted ? host.manifest.term : termOf(engine.log.tail.epoch);
  }

  /**
   * Logs the epoch of this start or promotion, and limits that changed. Does nothing
   * if there is no space.
   */
  async begin(): Promise<void> {
    const { engine, run } = this.#parts;
    const epoch = this.#next();
    try {
      if (epoch !== undefined) {
        await this.#logged((done) => {
          this.#beganLsn = engine.submitEpoch(epoch, done);
          return this.#beganLsn;
        });
        run.epoch = epoch;
      }
      // A master that recovered its state in place goes on in the epoch that it began before.
      this.#beganLsn ??= engine.epochStarts().at(-1)?.firstLsn;
      const limits = this.#newLimits(epoch);
      if (limits !== undefined && (await this.#mayState(limits)))
        await this.#logged((done) => engine.submitLimits(limits, done));
      this.#hasBegun = true;
    } catch (error) {
      if (!(error instanceof WalnutError) || error.code !== 'resource_exhausted') throw error;
    }
  }

  /**
   * Limits that this start sets; undefined: those of the log stay. In a plain group a master's
   * configuration sets them, and a replica that was promoted keeps those of the log. In a
   * cluster the first leader of the group sets them, whose log has no member list yet, and
   * later a command alone: else they would change with every failover between files that differ.
   */
  #newLimits(begun: Epoch | undefined): StoreLimits | undefined {
    const { engine, options } = this.#parts;
    const { limits, defaultTtlMs, member, role } = options;
    const isFresh = begun !== undefined && engine.epochs.starts().length === 1;
    const isFirst = engine.store.members.current === undefined;
    if (member === undefined ? role === 'replica' && !isFresh : !isFirst) return undefined;
    const hasTtl = member !== undefined && defaultTtlMs > 0;
    const wanted = hasTtl ? { ...limits, defaultTtlMs } : limits;
    return isSameLimits(engine.store.limits, wanted) ? undefined : wanted;
  }

  /** False if a node of the group could not read the record: those of the log stay in force. */
  async #mayState(limits: StoreLimits): Promise<boolean> {
    const { engine, readyForFormats } = this.#parts;
    if (!needsConfigV2({ limits, wallOffsetMs: engine.logClock.wallOffsetMs })) return true;
    try {
      await readyForFormats();
      return true;
    } catch (error) {
      if (!(error instanceof WalnutError) || error.code !== 'failed_precondition') throw error;
      const { policy, scope = 'all', defaultTtlMs } = limits;
      const ttl = defaultTtlMs === undefined ? '' : ` and default_ttl ${formatDuration(defaultTtlMs)}`;
      this.#heldBack =
        `storage.eviction_policy ${policy} with eviction_scope ${scope}${ttl} is not in force: ${error.message}. ` +
        'Then start this master again';
      return false;
    }
  }

  /**
   * Every start begins an epoch, after a clean stop too: the directory may have been
   * copied meanwhile, and two histories must never share an epoch. Undefined if the
   * last record is of an epoch that this process began.
   */
  #next(): Epoch | undefined {
    const { engine, host, options, run } = this.#parts;
    const { tail } = engine.log;
    const nonce = (): number => options.random.uint32();
    if (tail.lsn === 0 || this.isPromoted) return makeEpoch(Math.max(1, host.manifest.term), nonce());
    return tail.epoch === run.epoch ? undefined : makeEpoch(termOf(tail.epoch), nonce());
  }

  /** Submits a control record and waits until it is durable. */
  async #logged(submit: (done: (error?: WalnutError) => void) => number): Promise<void> {
    const { engine } = this.#parts;
    await new Promise<void>((resolve, reject) => {
      submit((error) => (error === undefined ? resolve() : reject(error)));
    });
    if (await engine.waitDurable(engine.applied.lsn, DURABLE_TIMEOUT_MS)) return;
    throw new WalnutError('storage_failed', `the log did not sync within ${DURABLE_TIMEOUT_MS} ms`);
  }
}
