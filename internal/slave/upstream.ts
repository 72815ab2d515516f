/**
 * The master that a replica follows: its address in MANIFEST, and the link to it.
 * The address changes by `retarget`, and when the node there is not a master but
 * names the one that is. A learned address never overrides the configuration for
 * good: if no master answers there, `master.address` is tried in the same turn,
 * then the address that the master announced, and the first at which a master of
 * this log answers is followed from then on. MANIFEST also stores the members of
 * the group, so that they are known when the master is gone.
 */

import type { EngineHost } from '#engine/engine-host.ts';
import { amendManifest } from '#engine/manifest-access.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { termOf } from '#model/position.ts';
import type { GroupMembers, NodeAddress, RegisterAnswer, RegisterRequest } from '#model/replication.ts';
import { whyNotBelieved } from '#model/terms.ts';
import { assert } from '#platform/assert.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';
import { isSameList } from '#replication/known-replicas.ts';
import type { PeerDialer, PeerLink } from '#replication/peer-link.ts';
import { isShortage } from '#wal/wal-errors.ts';

const CALL_TIMEOUT_MS = 3_000;
/** At most this many other addresses are tried in one turn, since each may name a further one. */
const OTHERS_MAX = 4;

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
  /** Rises with each `retarget`: a registration that began before it no longer counts. */
  #aim = 0;
  /** The address that the master announced as its own; empty: none yet. */
  #announced = '';
  #ownAddress: string | undefined;
  /** Node id and address of the master that this replica registered with; a promoted replica counts it among the nodes. */
  #master: NodeAddress | undefined;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#address = options.host.manifest.upstream;
    this.#link = options.dialer.dial(this.#address);
  }

  /** This node's address as the master knows it; undefined before the first registration. */
  get ownAddress(): string | undefined {
    return this.#ownAddress;
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

  /** Follows the master that MANIFEST names now; calls to the earlier one end. */
  retarget(): void {
    const { host, dialer } = this.#options;
    this.#announced = '';
    this.#aim++;
    this.#follow(host.manifest.upstream, dialer.dial(host.manifest.upstream));
  }

  /** The master announced `address` as its own; it is tried when no master answers elsewhere. */
  consider(address: string): void {
    this.#announced = address;
  }

  /** Registers with the master, at whichever address it answers. Rejects with what is wrong at each address. */
  async register(request: RegisterRequest): Promise<RegisterAnswer> {
    const aim = this.#aim;
    const answer = await this.#registerSomewhere(request, aim);
    if (aim !== this.#aim) throw unavailable('there is another master to follow');
    this.#ownAddress = answer.address;
    const { logId } = this.#options.host.manifest;
    // A master of another log does not know the group that this node's data belongs to.
    const isOurs = (logId === '' || answer.logId === logId) && answer.verdict.kind !== 'conflict';
    if (isOurs) {
      const { masterNodeId: nodeId, formatLevel = 0 } = answer;
      this.#master = { address: this.#address, nodeId, ...(formatLevel > 0 ? { formatLevel } : {}) };
      await this.remember(answer.group);
    }
    return answer;
  }

  async #registerSomewhere(request: RegisterRequest, aim: number): Promise<RegisterAnswer> {
    let answer: RegisterAnswer | undefined;
    let refusal: unknown;
    try {
      answer = await this.#registerAt(this.#link, request);
      if (this.#isOwn(answer)) return answer;
    } catch (error) {
      refusal = error;
    }
    const failures = await this.#registerElsewhere(request, hintOf(refusal), aim);
    if (!Array.isArray(failures)) return failures;
    // The caller judges a master of another log, or of a lower term.
    if (answer !== undefined) return answer;
    throw withOthers(refusal, failures);
  }

  /**
   * Tries the other addresses at which the master may be: the `hint` of the node
   * that answered, the configured one, the announced one, and the hints of those.
   * Resolves with what is wrong at each if no master answers at any.
   */
  async #registerElsewhere(
    request: RegisterRequest,
    hint: string,
    aim: number,
  ): Promise<RegisterAnswer | string[]> {
    const from = this.#address;
    const tried = new Set([from, '']);
    const hints = new Set([hint]);
    const failures: string[] = [];
    const next = [hint, this.#options.host.manifest.configuredUpstream ?? '', this.#announced];
    for (let address = next.shift(); address !== undefined; address = next.shift()) {
      if (tried.has(address) || failures.length === OTHERS_MAX) continue;
      tried.add(address);
      try {
        return await this.#registerByOther(address, request, hints.has(address), aim);
      } catch (error) {
        if (aim !== this.#aim) throw error;
        const further = hintOf(error);
        const isCircle = address === hint && [from, address].includes(further);
        failures.push(isCircle ? leaderless(from, address) : messageOf(error));
        hints.add(further);
        next.push(further);
      }
    }
    return failures;
  }

  /** True if the answer comes from a master of this log whose term is not over and can be believed. */
  #isOwn({ logId, term }: RegisterAnswer): boolean {
    const { manifest } = this.#options.host;
    if (manifest.logId === '') return true;
    return (
      logId === manifest.logId && term >= manifest.term && whyNotBelieved(term, manifest.term) === undefined
    );
  }

  /** Stores the members of the group in MANIFEST: a replica that is promoted asks and informs them. */
  async remember(group: GroupMembers): Promise<void> {
    const { host, logger } = this.#options;
    const added = group.replicas.filter((address) => address !== this.#ownAddress);
    const master = this.#master === undefined ? [] : [this.#master];
    const others = group.nodes.filter(
      ({ address, nodeId }) => address !== this.#ownAddress && nodeId !== this.#master?.nodeId,
    );
    const nodes = [...others, ...master];
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
   * Registers at another address than the one followed. If a master of this log
   * answers there, that address is followed from now on. `isHint` says that a node
   * of the group named it; other addresses are guesses and must not lead to a
   * quarantine.
   */
  async #registerByOther(
    address: string,
    request: RegisterRequest,
    isHint: boolean,
    aim: number,
  ): Promise<RegisterAnswer> {
    const { host, dialer, logger } = this.#options;
    const from = this.#address;
    const link = dialer.dial(address);
    try {
      const answer = await this.#registerAt(link, request);
      if (!this.#isOwn(answer)) throw unavailable(`${address} leads another log, or a term that is over`);
      const isForeign = answer.verdict.kind === 'conflict' && answer.term <= termOf(request.tail.epoch);
      if (isForeign && !isHint) throw unavailable(`${address} leads another history`);
      await host.directory.update((manifest) => {
        assert(manifest !== undefined, 'the directory is initialised');
        return manifest.upstream === from ? { ...manifest, upstream: address } : manifest;
      });
      if (aim !== this.#aim) throw unavailable('there is another master to follow');
      logger.warn({ was: from, now: address, term: answer.term }, 'following another master');
      this.#follow(address, link);
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

/** Joins what is wrong at each address. A node that only names the master adds nothing of its own. */
function withOthers(refusal: unknown, failures: readonly string[]): unknown {
  if (failures.length === 0 || !(refusal instanceof WalnutError)) return refusal;
  const own = hintOf(refusal) === '' ? [refusal.message] : [];
  return new WalnutError(refusal.code, [...own, ...failures].join('; '));
}

function hintOf(error: unknown): string {
  return error instanceof WalnutError ? (error.details.leaderHint ?? '') : '';
}

/** A failover that one node committed and the other refused leaves two nodes that follow each other. */
function leaderless(one: string, other: string): string {
  return `${one} and ${other} follow each other, so nobody leads`;
}
