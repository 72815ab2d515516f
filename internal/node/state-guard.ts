/**
 * What a node does if its memory is not what was stored, as a scrub or a checkpoint
 * found. It gives the state up at once and recovers it from the snapshot and the
 * log, which have checksums. A replica does that itself (`slave/digest-check.ts`). A
 * master recovers as at a start, within the process, and answers UNAVAILABLE
 * meanwhile, to reads too, because serving a wrong state is worse. A master whose
 * memory is altered again and again stops for good (exit 4), so that a sound machine
 * can take its place.
 */

import type { Engine } from '#engine/engine.ts';
import { WalnutError } from '#model/errors.ts';
import type { IntegrityStatus, ScrubProgress, ScrubStatus } from '#model/status.ts';
import { INTEGRITY_UNKNOWN } from '#model/status.ts';
import type { MasterRole } from '#node/master-role.ts';
import type { ReplicaRole } from '#node/replica-role.ts';
import { Scrubber } from '#node/scrubber.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { asError } from '#platform/thrown.ts';

/** How often within an hour a master recovers; the next time it stops. */
export const MASTER_REBUILDS_MAX = 2;
const HOUR_MS = 3_600_000;
const RETRY_MS = 100;

/** The memory of this machine cannot be trusted. */
export class MemoryFailure extends Error {
  override readonly name = 'MemoryFailure';
}

export interface StateGuardOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly scrubIntervalMs: number;
  /** The engine whose state is served now, if any. */
  readonly engine: () => Engine | undefined;
  readonly role: () => MasterRole | ReplicaRole | undefined;
  /** Recovers a master's state from its disk; reads and writes are refused meanwhile. */
  readonly rebuildMaster: () => Promise<void>;
  readonly onFatal: (error: Error) => void;
}

export class StateGuard {
  readonly #options: StateGuardOptions;
  readonly #scrubber: Scrubber;
  #rebuilding: Promise<void> | undefined;
  #doubt = '';
  /** When a master's state was rebuilt, monotonic. */
  #rebuiltMs: number[] = [];
  #rebuilds = 0;
  #isStopped = false;

  constructor(options: StateGuardOptions) {
    this.#options = options;
    this.#scrubber = new Scrubber({
      clock: options.clock,
      logger: options.logger,
      intervalMs: options.scrubIntervalMs,
      engine: options.engine,
      onAltered: (engine, why) => this.altered(engine, why),
    });
  }

  start(): void {
    this.#scrubber.start();
  }

  /** Resolves when no rebuild is under way; none begins afterwards. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#scrubber.stop();
    await this.#rebuilding;
  }

  /** The state of `engine` is not what was stored. */
  altered(engine: Engine, why: string): void {
    const role = this.#options.role();
    if (this.#isStopped || engine !== this.#options.engine()) return;
    if (role?.kind === 'replica') role.distrust(why);
    else if (role !== undefined && this.#rebuilding === undefined) {
      this.#rebuilding = this.#rebuildMaster(why).finally(() => {
        this.#rebuilding = undefined;
        // Does nothing if another engine has taken over.
        this.altered(engine, why);
      });
    }
  }

  /** The state of another node differs from the one here: this one is scrubbed now. */
  doubted(): void {
    this.#scrubber.hurry();
  }

  scrub(signal: AbortSignal): AsyncGenerator<ScrubProgress> {
    return this.#scrubber.watch(signal);
  }

  /** Why the state of a master is being rebuilt; empty if it is not. */
  get doubt(): string {
    return this.#doubt;
  }

  get status(): IntegrityStatus & ScrubStatus {
    const role = this.#options.role();
    const ofReplica = role?.kind === 'replica' ? role.integrity : INTEGRITY_UNKNOWN;
    return { ...ofReplica, rebuilds: ofReplica.rebuilds + this.#rebuilds, ...this.#scrubber.status };
  }

  async #rebuildMaster(why: string): Promise<void> {
    const { clock, logger, rebuildMaster, onFatal } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#rebuiltMs = this.#rebuiltMs.filter((ms) => nowMs - ms < HOUR_MS);
    if (this.#rebuiltMs.length >= MASTER_REBUILDS_MAX) {
      this.#isStopped = true;
      const times = this.#rebuiltMs.length + 1;
      onFatal(new MemoryFailure(`memory was found altered ${times} times within an hour: ${why}`));
      return;
    }
    this.#doubt = why;
    logger.error({ why }, 'the state in memory is given up: recovering it from the snapshot and the log');
    try {
      await rebuildMaster();
      this.#rebuiltMs.push(nowMs);
      this.#rebuilds++;
      logger.warn({ why, elapsedMs: clock.monotonicMs() - nowMs }, 'the state here is right again');
    } catch (error) {
      // A change of role came between: it is tried again after that, by the role that it left.
      if (error instanceof WalnutError && error.code === 'unavailable') await clock.sleep(RETRY_MS);
      else onFatal(asError(error));
    } finally {
      this.#doubt = '';
    }
  }
}
