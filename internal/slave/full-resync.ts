/**
 * A full resync: fetches the master's snapshot, checks it, and replaces this
 * replica's state and log by it. After several that did not make the replica
 * level it waits longer before each further one and reports that, because each
 * loads the master.
 */

import type { DivergedFrom } from '#engine/diverged-from.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { RegisterAnswer } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import { checkTerm } from '#slave/check-term.ts';
import type { Receiver } from '#slave/receiver.ts';
import { fetchSnapshot } from '#slave/snapshot-fetch.ts';

export interface FullResyncOptions {
  readonly host: EngineHost;
  readonly receiver: Receiver;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborted when the replica stops: a running resync ends. */
  readonly signal: AbortSignal;
  /** Called with the step that the resync is at, as Status shows it. */
  readonly onReason: (reason: string) => void;
}

/** After this many full resyncs that did not make the replica level, it waits before the next one. */
const RESYNCS_IN_A_ROW = 3;
const WAIT_MS_MIN = 5_000;
const WAIT_MS_MAX = 60_000;
/** How many of the newest epochs of both nodes the log line lists. */
const EPOCHS_TOLD = 5;

export class FullResync {
  readonly #options: FullResyncOptions;
  /** Snapshots received, or lost to an error of this node's own disk, since the replica was last level. */
  #count = 0;
  #isRunning = false;

  constructor(options: FullResyncOptions) {
    this.#options = options;
  }

  /** True while a snapshot is received or installed. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The replica is level. */
  succeeded(): void {
    this.#count = 0;
  }

  /**
   * Resolves when the master's snapshot is installed. `reason` says why its log
   * does not suffice; `diverged` describes the records of this replica that the
   * master's history does not have.
   */
  async run(link: PeerLink, answer: RegisterAnswer, reason: string, diverged?: DivergedFrom): Promise<void> {
    const { host, receiver, logger, signal, onReason } = this.#options;
    if (host.delayed?.hold.isHeld === true) {
      const why = `a full resync (${reason}) would replace the state that an operator paused: walnut delay resume`;
      throw new WalnutError('failed_precondition', why);
    }
    await this.#waitBefore();
    const { latest, epochs } = answer;
    const ours = host.engine?.epochs.starts() ?? [];
    logger.warn(
      {
        reason,
        tail: host.engine?.log.tail,
        epochs: ours.slice(-EPOCHS_TOLD),
        master: { latest, epochs: epochs.slice(-EPOCHS_TOLD) },
      },
      'full resync by snapshot',
    );
    onReason(`receiving a snapshot: ${reason}`);
    this.#isRunning = true;
    try {
      await this.#fetch(link, answer);
      await receiver.exclusive(() => {
        checkTerm(host, answer);
        return host.installSnapshot(answer.logId, signal, diverged);
      });
    } finally {
      this.#isRunning = false;
    }
  }

  async #fetch(link: PeerLink, answer: RegisterAnswer): Promise<void> {
    const { host, clock, logger, signal } = this.#options;
    try {
      const { fileSystem } = host.options;
      const request = { logId: answer.logId, nodeId: host.manifest.nodeId };
      await fetchSnapshot(link, request, host.incomingPath, { fileSystem, clock, logger, signal });
      this.#count++;
    } catch (error) {
      // After a broken link the next try may come at once; a failing disk would cost the master one snapshot after another.
      if (!(error instanceof WalnutError)) this.#count++;
      throw error;
    }
  }

  async #waitBefore(): Promise<void> {
    const { clock, logger, signal, onReason } = this.#options;
    const excess = this.#count - RESYNCS_IN_A_ROW;
    if (excess < 0) return;
    const waitMs = Math.min(WAIT_MS_MIN * 2 ** excess, WAIT_MS_MAX);
    logger.error({ resyncs: this.#count, waitMs }, 'full resyncs do not help: waiting');
    onReason(`${this.#count} full resyncs in a row did not bring it up to date: waiting ${waitMs} ms`);
    await clock.sleep(waitMs, signal);
    if (signal.aborted) throw unavailable('this replica is stopping');
  }
}
