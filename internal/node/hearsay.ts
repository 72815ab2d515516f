/**
 * Addresses that registrations state, until the node is found there. An address at
 * which nobody has answered is not remembered. It keeps a fenced master from leading
 * again only as long as its node goes on registering: a real replica tries every
 * second, a made-up one stops.
 */
import { WalnutError } from '#model/errors.ts';
import type { NodeAddress } from '#model/replication.ts';
import type { NodeStatus } from '#model/status.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { ReplicaList } from '#node/replica-list.ts';
import type { ReplicaBook } from '#replication/replica-book.ts';

const ASK_TIMEOUT_MS = 1_000;
/** How often nodes are looked for again at the addresses that their registrations state. */
const CONFIRM_MS = 2_000;
/** How long a registration counts if its node does not answer at the address. */
const HEARSAY_MS = 15_000;
/** Most addresses kept at a time. */
const HEARSAY_MAX = 256;

export class Hearsay {
  readonly #options: NodeOptions;
  readonly #list: ReplicaList;
  readonly #isLive: (address: string) => boolean;
  /** The id of this node. */
  readonly #nodeId: string;
  readonly #signal: AbortSignal;
  /** By node id: the address that its last registration states, and when that came, monotonic. */
  readonly #heard = new Map<string, NodeAddress & { readonly atMs: number }>();
  #confirmedMs = Number.NEGATIVE_INFINITY;
  #confirming: Promise<void> | undefined;

  /**
   * `isLive`: whether a replica takes pushes at an address. `nodeId`: that of this
   * node. `signal`: aborts when the master ends.
   */
  constructor(
    options: NodeOptions,
    list: ReplicaList,
    isLive: (address: string) => boolean,
    nodeId: string,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#list = list;
    this.#isLive = isLive;
    this.#nodeId = nodeId;
    this.#signal = signal;
  }

  /** The list of replicas; addresses by hearsay are not added to it. */
  get book(): ReplicaBook {
    const list = this.#list;
    return {
      meet: (node) => this.#meet(node),
      group: () => list.group(),
      removedAs: (node) => list.removedAs(node),
      remember: async (node, isLive) => {
        if (this.#heard.get(node.nodeId)?.address !== node.address) await list.remember(node, isLive);
      },
    };
  }

  /** Addresses of all nodes that may have newer history, those by hearsay included. */
  get others(): string[] {
    this.#forgetOld();
    const named = [...this.#heard.values()].map(({ address }) => address);
    return [...new Set([...this.#list.known(), ...named])];
  }

  /** Which nodes are at those addresses, as far as they are known or say so. */
  get nodes(): NodeAddress[] {
    this.#forgetOld();
    const known = this.#list.known();
    const listed = this.#list.group().nodes.filter(({ address }) => known.includes(address));
    return [...listed, ...this.#heard.values()];
  }

  /** Keeps an address that is new for its node as hearsay until that node answers there. */
  async #meet(node: NodeAddress): Promise<void> {
    const isSame = (one: NodeAddress): boolean => one.nodeId === node.nodeId && one.address === node.address;
    if (this.#list.group().nodes.some(isSame) || this.#list.removedAs(node) !== undefined) return;
    this.#forgetOld();
    if (!this.#heard.has(node.nodeId) && this.#heard.size >= HEARSAY_MAX) {
      throw new WalnutError(
        'resource_exhausted',
        `${HEARSAY_MAX} nodes that cannot be reached have registered in the last ${HEARSAY_MS / 1_000} s: try again then`,
      );
    }
    this.#heard.set(node.nodeId, { ...node, atMs: this.#options.clock.monotonicMs() });
    const status = await this.#confirm(node);
    // A node that is loading may not know its own id yet.
    if (status === undefined || status.nodeId === '' || status.nodeId === node.nodeId) return;
    throw new WalnutError('already_exists', describeOwner(node, status, this.#nodeId));
  }

  /** Asks again, from time to time, for nodes that did not answer. Does not wait for them. */
  tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#heard.size === 0 || this.#confirming !== undefined || nowMs - this.#confirmedMs < CONFIRM_MS)
      return;
    this.#confirmedMs = nowMs;
    this.#confirming = this.#confirmAll().finally(() => {
      this.#confirming = undefined;
    });
  }

  /** Resolves when no call is under way. */
  async idle(): Promise<void> {
    await this.#confirming;
  }

  async #confirmAll(): Promise<void> {
    this.#forgetOld();
    await Promise.all(
      [...this.#heard.values()].map(async ({ nodeId, address }) => {
        if ((await this.#confirm({ nodeId, address }))?.nodeId !== nodeId) return;
        await this.#list.remember({ nodeId, address }, this.#isLive).catch((error: unknown) => {
          this.#options.logger.warn({ err: error, replica: address }, 'a replica could not be remembered');
        });
      }),
    );
  }

  /**
   * Asks which node is at the address; if it is the expected one, the address is
   * hearsay no more. Undefined if nobody answers.
   */
  async #confirm(node: NodeAddress): Promise<NodeStatus | undefined> {
    const link = this.#options.dialer.dial(node.address);
    try {
      const status = await link.status({ timeoutMs: ASK_TIMEOUT_MS, signal: this.#signal });
      const isThere = status.nodeId === node.nodeId;
      if (isThere && this.#heard.get(node.nodeId)?.address === node.address) this.#heard.delete(node.nodeId);
      return status;
    } catch {
      return undefined;
    } finally {
      link.close();
    }
  }

  #forgetOld(): void {
    const oldestMs = this.#options.clock.monotonicMs() - HEARSAY_MS;
    for (const [nodeId, { atMs }] of this.#heard) if (atMs < oldestMs) this.#heard.delete(nodeId);
  }
}

/** Pure: why a node cannot register at an address, and what to change. `ownNodeId`: the master's. */
function describeOwner(node: NodeAddress, status: NodeStatus, ownNodeId: string): string {
  const owner = status.nodeId === ownNodeId ? 'this master' : `another ${status.role}`;
  return (
    `address ${node.address} belongs to ${owner}, with node id ${status.nodeId}, not to ${node.nodeId}: ` +
    'set server.advertise of this replica to the host:port at which its master reaches it'
  );
}
