/**
 * Tells every node that should follow this master that it leads: replicas that still
 * wait for the old master, and the old master when it comes back. It repeats that,
 * at growing intervals, until they take pushes from here. A node that knows a higher
 * term, or leads the same one, answers so, and this master is fenced.
 */

import type { AnnounceRequest } from '#model/leadership.ts';
import type { Absent } from '#node/absent-replicas.ts';
import { isLeading } from '#node/ask-replicas.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';
import type { PeerDialer, PeerLink } from '#replication/peer-link.ts';

export interface AnnouncerOptions {
  readonly dialer: PeerDialer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly announcement: () => AnnounceRequest;
  /** Addresses that are known and take no pushes. */
  readonly absent: () => readonly string[];
  /** The node at `address` has seen a higher term than the one announced. */
  readonly onFenced: (term: number, address: string) => void;
  readonly onFollowed: (address: string) => void;
  /** The node at `address` does not follow: it is the master of another log. */
  readonly onRival: (address: string, logId: string) => void;
}

const CALL_TIMEOUT_MS = 1_000;
const ROUND_MS = 500;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 15_000;

/** A failure after this wait has lasted for seconds, so it is shown to operators. */
const TOLD_WAIT_MS = 4_000;
/** Addresses remembered as told; they are more than this only where addresses change all the time. */
const TOLD_MAX = 1_024;

interface Try {
  readonly dueMs: number;
  readonly waitMs: number;
  /** Why the node could not be told; undefined if it was told, or has not been tried yet. */
  readonly why?: string | undefined;
  /** True if some node answered at the address after the last failure. */
  readonly answers?: boolean | undefined;
}

export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #abort = new AbortController();
  readonly #tries = new Map<string, Try>();
  /** The nodes that were told `#toldTerm`: a slow one leaves and joins, and is told it each time. */
  readonly #told = new Set<string>();
  #toldTerm = 0;
  #running: Promise<void> | undefined;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  /** Nodes that could not be told for some seconds. */
  get absent(): Absent[] {
    return [...this.#tries].flatMap(([address, { waitMs, why, answers = false }]) =>
      why !== undefined && waitMs >= TOLD_WAIT_MS ? [{ address, why, answers }] : [],
    );
  }

  async #run(): Promise<void> {
    const { clock, absent } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const addresses = absent();
      for (const address of this.#tries.keys()) if (!addresses.includes(address)) this.#tries.delete(address);
      const due = addresses.filter(
        (address) => (this.#tries.get(address)?.dueMs ?? 0) <= clock.monotonicMs(),
      );
      await Promise.all(due.map((address) => this.#tell(address)));
      await clock.sleep(ROUND_MS, signal);
    }
  }

  /** True for the first time that the node at `address` is told this term. */
  #isNews(address: string, term: number): boolean {
    if (term !== this.#toldTerm || this.#told.size >= TOLD_MAX) this.#told.clear();
    this.#toldTerm = term;
    const isNews = !this.#told.has(address);
    this.#told.add(address);
    return isNews;
  }

  /** Returns true if a node answers at the address. */
  async #lookForRival(link: PeerLink, address: string, logId: string): Promise<boolean> {
    try {
      const status = await link.status({ timeoutMs: CALL_TIMEOUT_MS, signal: this.#abort.signal });
      if (isLeading(status) && status.logId !== logId) this.#options.onRival(address, status.logId);
      return true;
    } catch {
      // A node that does not answer is no rival that can be seen from here.
      return false;
    }
  }

  async #tell(address: string): Promise<void> {
    const { dialer, clock, logger, announcement, onFenced, onFollowed } = this.#options;
    const before = this.#tries.get(address);
    const waitMs = Math.min(before === undefined ? RETRY_MS_MIN : before.waitMs * 2, RETRY_MS_MAX);
    const next = { dueMs: clock.monotonicMs() + waitMs, waitMs };
    this.#tries.set(address, { ...next, why: before?.why, answers: before?.answers });
    const link = dialer.dial(address);
    const said = announcement();
    try {
      const { fencedBy } = await link.announce(said, {
        timeoutMs: CALL_TIMEOUT_MS,
        signal: this.#abort.signal,
      });
      this.#tries.set(address, next);
      if (fencedBy !== undefined) onFenced(fencedBy, address);
      else {
        onFollowed(address);
        if (this.#isNews(address, said.term))
          logger.info({ node: address, term: said.term }, 'told a node to follow');
      }
    } catch (error) {
      const why = messageOf(error);
      const answers = await this.#lookForRival(link, address, said.logId);
      this.#tries.set(address, { ...next, why, answers });
      if (before !== undefined || this.#abort.signal.aborted) return;
      logger.info({ node: address, why }, 'a node that should follow cannot be told yet');
    } finally {
      link.close();
    }
  }
}
