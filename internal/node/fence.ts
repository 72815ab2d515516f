/**
 * Why a master takes no writes any more, what keeps it from leading again, and which
 * terms other nodes stated. A term that was seen is persisted as soon as the disk
 * has room.
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
  /** Called when another node is known to lead. */
  readonly onRaise: () => void;
  readonly onFatal: (error: Error) => void;
}

export class Fence {
  readonly #options: FenceOptions;
  /** Why writes are refused; empty if they are not. */
  #why = '';
  /** What keeps a fenced master from leading again; empty if that is not known, or if another node leads. */
  #obstacle = '';
  /** Which command helps; empty if another node leads, or nothing is known. */
  #advice = '';
  /** False once another master pushed to this one, or this one may have handed over without knowing it. */
  #mayLeadAgain = true;
  /** By address: why the term that a node states is not believed. */
  readonly #disbelieved: RecentNotes<string>;
  /** A term that was seen and is not in MANIFEST yet; 0 if there is none. */
  #unsavedTerm = 0;

  constructor(options: FenceOptions) {
    this.#options = options;
    this.#disbelieved = new RecentNotes(options.clock);
  }

  /** Why writes are refused; empty if they are not. */
  get why(): string {
    return this.#why;
  }

  get isUp(): boolean {
    return this.#why !== '';
  }

  get mayLeadAgain(): boolean {
    return this.#mayLeadAgain;
  }

  /** For Status; empty if there is no problem. */
  get reasons(): string[] {
    if (!this.isUp)
      return this.#disbelieved.list().map(([address, why]) => `${address} refuses to follow: ${why}`);
    const reasons = [`read only: ${this.#why}`];
    if (this.#obstacle !== '')
      reasons.push(`this one leads again once everyone agrees, but ${this.#obstacle}`);
    if (this.#advice !== '') reasons.push(this.#advice);
    return reasons;
  }

  /** Fences this master because of what the replicas said at its start. */
  object(why: string): void {
    this.#why = why;
    this.#options.logger.error({ why }, 'read only: this master may be behind');
  }

  /** `advice`: which command helps; empty if none is needed. */
  noteAdvice(advice: string): void {
    this.#advice = advice;
  }

  /** `obstacle`: what speaks against leading again. */
  noteObstacle(obstacle: string): void {
    this.#obstacle = obstacle;
  }

  /** Keeps this master from leading again by itself: another one pushes to it, or may lead instead. */
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

  /**
   * Fences this master because another node leads a higher term, or the same term. It
   * takes no writes after that.
   */
  raise(term: number): void {
    if (this.isUp) return;
    // The advice was given before the other node was known, so everyone is asked again.
    this.#advice = '';
    const ownTerm = this.#options.ownTerm();
    this.#why =
      term > ownTerm
        ? `term ${term} was seen, this master's is ${ownTerm}`
        : `another node leads the same term ${ownTerm}`;
    this.#options.logger.error({ term, ownTerm }, 'fenced: read only from now on');
    this.#unsavedTerm = term;
    this.#options.onRaise();
    void this.save();
  }

  /** A full disk is no failure: the fence stands in memory, and the term is saved when there is space. */
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
