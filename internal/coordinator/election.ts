/**
 * Which coordinator is active. The one that created the key `leader` is, for as long as
 * it renews the lease of the key. It stops acting well before the lease can be over by
 * its own clocks, and the create revision of the key stands in each of its
 * transactions, so that nothing it still believes changes anything.
 */
import { type ClockReading, isWithin, PauseWatch, type SentAt } from '#cluster/lease.ts';
import { ToldReasons } from '#coordinator/told-reasons.ts';
import type { MetadataStore, StoreLease } from '#metadata/metadata-store.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { type ActiveCoordinator, decodeActive, encodeActive } from '#wire/cluster-codec.ts';

/** The lease of `leader`, milliseconds. */
const LEASE_MS = 5_000;
const RENEWAL_MS = 1_000;
/** How long after the sending of a renewal that was answered a coordinator acts. */
const ACTING_MS = 3_500;
/** How often a passive coordinator looks for a key that is gone. */
const CAMPAIGN_MS = 500;

export interface ElectionOptions {
  /** Random for each process. */
  readonly id: string;
  readonly store: MetadataStore;
  readonly leaderKey: string;
  readonly clock: Clock;
  readonly readClocks: () => ClockReading;
  readonly logger: Logger;
}

export class Election {
  readonly #options: ElectionOptions;
  readonly #pauses = new PauseWatch(ACTING_MS);
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #leaderRevision = 0;
  #renewed: SentAt | undefined;
  /** What the key said, and when it was asked for. */
  #read: { readonly active: ActiveCoordinator | undefined; readonly atMs: number } | undefined;
  #self: ActiveCoordinator | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** The create revision of this coordinator's `leader` key while it acts; undefined while it does not. */
  get leaderRevision(): number | undefined {
    const now = this.#pauses.at(this.#options.readClocks());
    return isWithin(this.#renewed, now, ACTING_MS) ? this.#leaderRevision : undefined;
  }

  /** The active coordinator, as far as this one knows: a key that was not read for as long as its lease may be over. */
  get active(): ActiveCoordinator | undefined {
    if (this.leaderRevision !== undefined) return this.#self;
    const isOld = this.#options.clock.monotonicMs() - (this.#read?.atMs ?? 0) >= LEASE_MS;
    return isOld ? undefined : this.#read?.active;
  }

  /** `address`: `host:port` of this coordinator's service. */
  start(address: string): void {
    const self = { id: this.#options.id, address };
    this.#self = self;
    this.#running ??= this.#run(self);
  }

  /** Gives the key up, so that another coordinator acts at once. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(self: ActiveCoordinator): Promise<void> {
    const { clock, logger } = this.#options;
    const told = new ToldReasons(logger, 'election');
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        const lease = await this.#campaign(self);
        told.succeeded();
        if (lease !== undefined) await this.#keep(lease);
      } catch (error) {
        told.failed(error);
      }
      await clock.sleep(CAMPAIGN_MS, signal);
    }
  }

  /** Creates the key where there is none. The lease of the key, or undefined if another coordinator has it. */
  async #campaign(self: ActiveCoordinator): Promise<StoreLease | undefined> {
    const { store, leaderKey, clock, readClocks } = this.#options;
    const atMs = clock.monotonicMs();
    const { entries } = await store.read(leaderKey);
    const active = entries[0] && decodeActive(entries[0].value);
    this.#read = { active, atMs };
    if (active !== undefined) return undefined;
    const sent = this.#pauses.at(readClocks());
    const lease = await store.grantLease(LEASE_MS);
    try {
      const { isDone, revision } = await store.transact({
        compare: [{ key: leaderKey, createRevision: 0 }],
        writes: [{ key: leaderKey, value: encodeActive(self), lease }],
      });
      if (isDone) {
        this.#leaderRevision = revision;
        this.#renewed = sent;
        return lease;
      }
    } catch (error) {
      await this.#giveUp(lease);
      throw error;
    }
    await this.#giveUp(lease);
    return undefined;
  }

  /** Renews the lease until it is over, may be over, or this coordinator stops. */
  async #keep(lease: StoreLease): Promise<void> {
    const { clock, readClocks, logger } = this.#options;
    logger.info({ leaderRevision: this.#leaderRevision }, 'this coordinator is the active one');
    while (!this.#stop.signal.aborted && this.leaderRevision !== undefined) {
      await clock.sleep(RENEWAL_MS, this.#stop.signal);
      const sent = this.#pauses.at(readClocks());
      const isOurs = await this.#renew(lease).catch(() => undefined);
      if (isOurs === false) break;
      if (isOurs === true && this.leaderRevision !== undefined) this.#renewed = sent;
    }
    this.#renewed = undefined;
    logger.info({ leaderRevision: this.#leaderRevision }, 'this coordinator is the active one no more');
    await this.#giveUp(lease);
  }

  /** False if the lease is over, or the key is gone without it, such as in a store that was restored. */
  async #renew(lease: StoreLease): Promise<boolean> {
    const { store, leaderKey } = this.#options;
    if ((await store.keepAlive(lease)) === 0) return false;
    const compare = [{ key: leaderKey, createRevision: this.#leaderRevision }];
    return (await store.transact({ compare, writes: [] })).isDone;
  }

  /** A lease that cannot be revoked is over by itself. */
  async #giveUp(lease: StoreLease): Promise<void> {
    await this.#options.store.revoke(lease).catch(() => {});
  }
}
