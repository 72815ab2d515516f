/**
 * Whom a replica follows: the address that MANIFEST names, and the link to it.
 * It changes when this node is told to (`retarget`), and when the node at that
 * address is no master but knows who is. What was learned in such a way never
 * puts the configuration out of force: where the master is not to be had at the
 * address, `master.address` is tried in the same turn, by its name, then what
 * the master announced; whichever leads here is followed from then on. The group
 * is remembered in MANIFEST, so that it outlives its master.
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
/** Other addresses tried in one turn, at most: one may name the next. */
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
  /** Rises when this node is told whom to follow: what was begun before is over. */
  #aim = 0;
  /** Where the master announced that it is; empty: it has not. */
  #announced = '';
  /** As the master has it; undefined before the first registration. */
  #ownAddress: string | undefined;
  /** The master that this replica registered with, and where: whoever is promoted counts it among the nodes. */
  #master: NodeAddress | undefined;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#address = options.host.manifest.upstream;
    this.#link = options.dialer.dial(this.#address);
  }

  /** As the master has it; undefined before the first registration. */
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

  /** Follows whom MANIFEST names now; calls to the one before end. */
  retarget(): void {
    const { host, dialer } = this.#options;
    this.#announced = '';
    this.#aim++;
    this.#follow(host.manifest.upstream, dialer.dial(host.manifest.upstream));
  }

  /** The master says that it is at `address`: tried where it is not to be had by the others. */
  consider(address: string): void {
    this.#announced = address;
  }

  /** Registers with the master, wherever it is to be had. Rejects with what is wrong at the address followed. */
  async register(request: RegisterRequest): Promise<RegisterAnswer> {
    const aim = this.#aim;
    const answer = await this.#registerSomewhere(request, aim);
    if (aim !== this.#aim) throw unavailable('there is another master to follow');
    this.#ownAddress = answer.address;
    const { logId } = this.#options.host.manifest;
    // A wrong master knows nothing of the group that the data here belongs to.
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
    // A master of another log, or of a term that is over, is judged by whoever asked.
    if (answer !== undefined) return answer;
    throw withOthers(refusal, failures);
  }

  /**
   * Tries where else the master may be: where the node at the address says
   * (`hint`), as configured, as it announced, and where those say. Resolves with
   * what is wrong at each where it is at none.
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

  /** Whether the answer is of a master of this log, in a term that is not over and can be believed. */
  #isOwn({ logId, term }: RegisterAnswer): boolean {
    const { manifest } = this.#options.host;
    if (manifest.logId === '') return true;
    return (
      logId === manifest.logId && term >= manifest.term && whyNotBelieved(term, manifest.term) === undefined
    );
  }

  /** Whoever is promoted knows by it whom to ask and to tell. */
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
   * Registers at another address than the one followed, which takes its place
   * where a master of this log answers. `isHint`: a node of the group named it;
   * a mere guess must not end in a quarantine.
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

/** What is wrong at every address; who is no master has nothing to say but who is. */
function withOthers(refusal: unknown, failures: readonly string[]): unknown {
  if (failures.length === 0 || !(refusal instanceof WalnutError)) return refusal;
  const own = hintOf(refusal) === '' ? [refusal.message] : [];
  return new WalnutError(refusal.code, [...own, ...failures].join('; '));
}

function hintOf(error: unknown): string {
  return error instanceof WalnutError ? (error.details.leaderHint ?? '') : '';
}

/** What a failover leaves that was committed here and refused there: both wait for the other, and all others for them. */
function leaderless(one: string, other: string): string {
  return `${one} and ${other} follow each other, so nobody leads`;
}
