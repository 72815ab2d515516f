/**
 * Whom a replica follows: the address that MANIFEST names, and the link to it.
 * It changes when this node is told to (`retarget`), and when the node at that
 * address is no master but knows who is. The group is remembered in MANIFEST,
 * so that it outlives its master.
 */
import type { EngineHost } from '#engine/engine-host.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { GroupMembers, RegisterAnswer, RegisterRequest } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { Logger } from '#platform/logger.ts';
import { isSameList } from '#replication/known-replicas.ts';
import type { PeerDialer, PeerLink } from '#replication/peer-link.ts';
import { isShortage } from '#wal/wal-errors.ts';

const CALL_TIMEOUT_MS = 3_000;

export interface UpstreamOptions {
  readonly host: EngineHost;
  readonly dialer: PeerDialer;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export class Upstream {
  readonly #options: UpstreamOptions;
  #address: string;
  #link: PeerLink;
  /** Rises when this node is told whom to follow: what was begun before is over. */
  #aim = 0;
  /** As the master has it; undefined before the first registration. */
  #ownAddress: string | undefined;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#address = options.host.manifest.upstream;
    this.#link = options.dialer.dial(this.#address);
  }

  /** `host:port`. */
  get address(): string {
    return this.#address;
  }

  get link(): PeerLink {
    return this.#link;
  }

  close(): void {
    this.#link.close();
  }

  /** Follows whom MANIFEST names now; calls to the one before end. */
  retarget(): void {
    const { host, dialer } = this.#options;
    this.#aim++;
    this.#follow(host.manifest.upstream, dialer.dial(host.manifest.upstream));
  }

  /** Registers with the master, or with whom the node at its address says is the master now. */
  async register(request: RegisterRequest): Promise<RegisterAnswer> {
    const aim = this.#aim;
    const answer = await this.#registerAt(this.#link, request).catch((error: unknown) =>
      this.#registerByHint(request, error, aim),
    );
    if (aim !== this.#aim) throw unavailable('there is another master to follow');
    await this.remember(answer.group, answer.address);
    return answer;
  }

  /** Whoever is promoted knows by it whom to ask and to tell. */
  async remember(group: GroupMembers, ownAddress?: string): Promise<void> {
    const { host, logger } = this.#options;
    this.#ownAddress = ownAddress ?? this.#ownAddress;
    const added = group.replicas.filter((address) => address !== this.#ownAddress);
    const nodes = group.nodes.filter(({ address }) => address !== this.#ownAddress);
    const replicas = { added, removed: group.removed, nodes };
    if (isSameList(host.manifest.replicas, replicas)) return;
    try {
      await amendManifest(host.directory, { replicas });
    } catch (error) {
      if (!isShortage(error)) throw error;
      logger.warn({}, 'no space to remember the group');
    }
  }

  #registerAt(link: PeerLink, request: RegisterRequest): Promise<RegisterAnswer> {
    return link.register(request, { timeoutMs: CALL_TIMEOUT_MS, signal: this.#options.signal });
  }

  /**
   * Who is no master may know who is. It is followed from now on, where it has
   * this log and a term that is not over; throws `refusal` or its own error.
   */
  async #registerByHint(request: RegisterRequest, refusal: unknown, aim: number): Promise<RegisterAnswer> {
    const { host, dialer, logger } = this.#options;
    const from = this.#address;
    const hint = refusal instanceof WalnutError ? refusal.details.leaderHint : undefined;
    if (hint === undefined || hint === '' || hint === from) throw refusal;
    const link = dialer.dial(hint);
    try {
      const answer = await this.#registerAt(link, request).catch((error: unknown) => {
        throw isReplicaOf(error, [from, hint]) ? leaderless(from, hint) : error;
      });
      const { logId, term } = host.manifest;
      if ((logId !== '' && answer.logId !== logId) || answer.term < term) throw refusal;
      await host.directory.update((manifest) => {
        assert(manifest !== undefined, 'the directory is initialised');
        return manifest.upstream === from ? { ...manifest, upstream: hint } : manifest;
      });
      if (aim !== this.#aim) throw refusal;
      logger.warn({ was: from, now: hint, term: answer.term }, 'following another master');
      this.#follow(hint, link);
      return answer;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  #follow(address: string, link: PeerLink): void {
    this.#link.close();
    this.#address = address;
    this.#link = link;
  }
}

function isReplicaOf(error: unknown, addresses: readonly string[]): boolean {
  if (!(error instanceof WalnutError) || error.code !== 'not_master') return false;
  return addresses.includes(error.details.leaderHint ?? '');
}

/** What a failover leaves that was committed here and refused there: both wait for the other, and all others for them. */
function leaderless(one: string, other: string): WalnutError {
  return new WalnutError(
    'failed_precondition',
    `${one} and ${other} follow each other, so nobody leads: promote the one that is further, ` +
      `with: walnut promote --address ${one} (or ${other})`,
  );
}
