/**
 * A full resync: the master's snapshot is fetched, checked and put in place of
 * everything that is here. Where several in a row did not make the replica
 * level it waits between them, longer and longer, and says so: they load the
 * master and do not help.
 */

import type { DivergedFrom, EngineHost } from '#engine/engine-host.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { RegisterAnswer } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import type { Receiver } from '#slave/receiver.ts';
import { fetchSnapshot } from '#slave/snapshot-fetch.ts';

export interface FullResyncOptions {
  readonly host: EngineHost;
  readonly receiver: Receiver;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The replica stops: nothing of a resync is waited for. */
  readonly signal: AbortSignal;
  /** Told what it is at. */
  readonly onReason: (reason: string) => void;
}

/** So many full resyncs may fail to make it level before it waits between them. */
const RESYNCS_IN_A_ROW = 3;
const WAIT_MS_MIN = 5_000;
const WAIT_MS_MAX = 60_000;
/** The newest epochs of both sides, in the log line. */
const EPOCHS_TOLD = 5;

export class FullResync {
  readonly #options: FullResyncOptions;
  /** Snapshots received, or broken by this node's own disk, since it was last level. */
  #count = 0;

  constructor(options: FullResyncOptions) {
    this.#options = options;
  }

  /** The replica is level. */
  succeeded(): void {
    this.#count = 0;
  }

  /**
   * Resolves when the master's snapshot is installed; `reason`: why its log does
   * not suffice. `diverged`: which records here are no part of the master's history.
   */
  async run(link: PeerLink, answer: RegisterAnswer, reason: string, diverged?: DivergedFrom): Promise<void> {
    const { host, receiver, clock, logger, signal, onReason } = this.#options;
    if (host.delayed?.hold.isHeld === true) {
      const why = `a full resync (${reason}) would replace what an operator holds here: walnut delay resume`;
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
    try {
      const { fileSystem } = host.options;
      const request = { logId: answer.logId, nodeId: host.manifest.nodeId };
      await fetchSnapshot(link, request, host.incomingPath, { fileSystem, clock, logger, signal });
      this.#count++;
    } catch (error) {
      // A broken link is tried again at once; a disk that fails would cost the master one snapshot after the other.
      if (!(error instanceof WalnutError)) this.#count++;
      throw error;
    }
    await receiver.exclusive(() => host.installSnapshot(answer.logId, signal, diverged));
  }

  async #waitBefore(): Promise<void> {
    const { clock, logger, signal, onReason } = this.#options;
    const excess = this.#count - RESYNCS_IN_A_ROW;
    if (excess < 0) return;
    const waitMs = Math.min(WAIT_MS_MIN * 2 ** excess, WAIT_MS_MAX);
    logger.error({ resyncs: this.#count, waitMs }, 'full resyncs do not help: waiting');
    onReason(`${this.#count} full resyncs in a row did not make it level: waiting ${waitMs} ms`);
    await clock.sleep(waitMs, signal);
    if (signal.aborted) throw unavailable('this replica is stopping');
  }
}
