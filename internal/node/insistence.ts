/**
 * After a failover whose outcome is unknown, the old master goes on telling the
 * node that was to lead, until that node leads or refuses for good: then
 * MANIFEST forgets the handover.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Ceding, type HandoverOutcome, tell } from '#node/handover.ts';
import { type PendingHandover, pendingHandoverOf } from '#node/pending-handover.ts';
import { assert } from '#platform/assert.ts';
import { asError } from '#platform/thrown.ts';
import { isShortage } from '#wal/wal-errors.ts';

/** Between two tries to reach the node. */
const INSIST_MS = 1_000;

export class Insistence {
  readonly #node: Ceding;
  #running: Promise<void> | undefined;

  constructor(node: Ceding) {
    this.#node = node;
  }

  /** Begins if a handover is pending. */
  start(): void {
    if (this.#pending !== undefined) this.#running ??= this.#run();
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  get #pending(): PendingHandover | undefined {
    return pendingHandoverOf(this.#node.host.manifest);
  }

  async #run(): Promise<void> {
    const { options, stopSignal } = this.#node;
    for (let to = this.#pending; to !== undefined && !stopSignal.aborted; to = this.#pending) {
      const link = options.dialer.dial(to.to);
      const outcome = await tell(this.#node, link, to, 0);
      link.close();
      if (outcome.kind === 'unknown') await options.clock.sleep(INSIST_MS, stopSignal);
      else await this.#end(to, outcome);
    }
    this.#running = undefined;
  }

  async #end(pending: PendingHandover, outcome: HandoverOutcome): Promise<void> {
    const { options, host, stopSignal } = this.#node;
    const { logger, clock, onFatal } = options;
    const { to, term } = pending;
    if (outcome.kind === 'led') logger.warn({ to, term }, 'the failover is complete');
    else logger.error({ to, term, outcome }, 'the failover failed: promote this node or another');
    try {
      await host.directory.update((manifest) => {
        assert(manifest !== undefined, 'the directory is initialised');
        const isSame = isDeepStrictEqual(manifest.handover, pending);
        return isSame ? { ...manifest, handover: undefined } : manifest;
      });
    } catch (error) {
      if (!isShortage(error)) onFatal(asError(error));
      await clock.sleep(INSIST_MS, stopSignal);
    }
  }
}
