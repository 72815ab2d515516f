/**
 * Why a master takes no writes any more, what keeps it from leading again, and
 * what other nodes said of terms. A term that was seen is persisted, where the
 * disk has room.
 */

import type { EngineHost } from '#engine/engine-host.ts';
import { whyNotBelieved } from '#model/terms.ts';
import { RecentNotes } from '#node/recent-notes.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { asError } from '#platform/thrown.ts';
import { isShortage } from '#wal/wal-errors.ts';

export interface FenceOptions {
  readonly host: EngineHost;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The term that this master leads. */
  readonly ownTerm: () => number;
  readonly onFatal: (error: Error) => void;
}

export class Fence {
  readonly #options: FenceOptions;
  /** Why writes are refused; empty: they are taken. */
  #why = '';
  /** What keeps a master that is over from leading again, where nobody leads; empty: not known, or somebody does. */
  #obstacle = '';
  /** Which command helps; empty: somebody leads, or nothing is known. */
  #advice = '';
  /** Not where another master pushes to this one, nor where it may have handed over without knowing it. */
  #mayLeadAgain = true;
  /** By address: why the term that a node states is not believed. */
  readonly #disbelieved: RecentNotes<string>;
  /** A term that was seen and is not in MANIFEST yet; 0: none. */
  #unsavedTerm = 0;

  constructor(options: FenceOptions) {
    this.#options = options;
    this.#disbelieved = new RecentNotes(options.clock);
  }

  /** Why writes are refused; empty: they are taken. */
  get why(): string {
    return this.#why;
  }

  get isUp(): boolean {
    return this.#why !== '';
  }

  get mayLeadAgain(): boolean {
    return this.#mayLeadAgain;
  }

  /** For Status; empty where nothing is the matter. */
  get reasons(): string[] {
    if (!this.isUp)
      return this.#disbelieved.list().map(([address, why]) => `${address} refuses to follow: ${why}`);
    const reasons = [`read only: ${this.#why}`];
    if (this.#obstacle !== '')
      reasons.push(`this one leads again once everyone agrees, but ${this.#obstacle}`);
    if (this.#advice !== '') reasons.push(this.#advice);
    return reasons;
  }

  /** What the replicas say at a start speaks against this master. */
  object(why: string): void {
    this.#why = why;
    this.#options.logger.error({ why }, 'read only: this master may be behind');
  }

  /** Which command helps; empty: none is needed. */
  noteAdvice(advice: string): void {
    this.#advice = advice;
  }

  /** What speaks against leading again in a term that nobody leads. */
  noteObstacle(obstacle: string): void {
    this.#obstacle = obstacle;
  }

  /** It never leads again by itself: another one pushes to it, or may have been handed its role. */
  resign(): void {
    this.#mayLeadAgain = false;
    this.#obstacle = '';
  }

  /** The node at `address` stated a term: one that is not believed fences nobody. */
  heardOf(term: number, address: string): void {
    const disbelieved = whyNotBelieved(term, this.#options.host.manifest.term);
    if (disbelieved === undefined) this.raise(term);
    else {
      if (!this.#disbelieved.list().some(([known]) => known === address))
        this.#options.logger.error({ node: address, term, why: disbelieved }, 'a term is not believed');
      this.#disbelieved.note(address, disbelieved);
    }
  }

  /** Another node leads a higher term, or this one: no more writes, whatever happens. */
  raise(term: number): void {
    if (this.isUp) return;
    // What was known before the other one was met: everyone is asked again at once.
    this.#advice = '';
    const ownTerm = this.#options.ownTerm();
    this.#why =
      term > ownTerm
        ? `term ${term} was seen, this master's is ${ownTerm}`
        : `another node leads the same term ${ownTerm}`;
    this.#options.logger.error({ term, ownTerm }, 'fenced: read only from now on');
    this.#unsavedTerm = term;
    void this.save();
  }

  /** A full disk is no failure: the fence holds in memory, and the term is saved when there is space. */
  async save(): Promise<void> {
    const { host, logger, onFatal } = this.#options;
    if (this.#unsavedTerm === 0) return;
    try {
      await host.saveTerm(this.#unsavedTerm);
      this.#unsavedTerm = 0;
    } catch (error) {
      if (isShortage(error)) logger.warn({ term: this.#unsavedTerm }, 'no space to save the term');
      else onFatal(asError(error));
    }
  }
}
