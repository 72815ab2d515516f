/**
 * The nodes of one group as a caller knows them: which is the master, which failed, how
 * fast they answer, and whom to ask next. It opens nothing and keeps no time of its own.
 */
import type { Failure } from '#routing/failure.ts';
import { doubled } from '#routing/pauses.ts';

/**
 * Which nodes answer reads. `master`: the master only. `replica`: replicas, and the
 * master where none answers. `nearest`: the node that has answered fastest recently.
 */
export type ReadPolicy = 'master' | 'replica' | 'nearest';

/** `master`: what only the master carries out. */
export type Target = ReadPolicy;

export interface KnownNode {
  readonly address: string;
  /** How long its recent answers took, milliseconds; undefined: it has not answered yet. */
  readonly latencyMs: number | undefined;
  /** It failed: others are asked first until then, in monotonic milliseconds. */
  readonly restUntilMs: number;
  /** When it was chosen last, as a count of choices. */
  readonly chosenAt: number;
}

export interface RoutesOptions {
  /** The nodes that the caller names: these are never forgotten. */
  readonly addresses: readonly string[];
  /** True if a node may be asked whose address only another node gave. */
  readonly mayFollow: (address: string) => boolean;
}

/** Nodes that are known at once; those that were learned and fail are forgotten. */
const NODES_MAX = 64;
const REST_MS = 100;
const REST_MS_MAX = 5_000;
/** A node that keeps being behind, such as a delayed replica, is left alone for longer. */
const BEHIND_MS_MAX = 30_000;
const BEHIND_FORGOTTEN_MS = 60_000;
/** The weight of the newest answer in `latencyMs`. */
const LATENCY_WEIGHT = 0.2;
/** One choice of so many asks the node that was asked longest ago, so that one that became fast is found. */
const EXPLORE_EVERY = 64;

interface NodeState {
  readonly address: string;
  readonly isLearned: boolean;
  latencyMs: number | undefined;
  restUntilMs: number;
  chosenAt: number;
  failures: number;
  /** How often it was behind, one soon after the other, and when last. */
  behind: number;
  behindMs: number;
}

export class GroupRoutes {
  readonly #nodes = new Map<string, NodeState>();
  readonly #mayFollow: (address: string) => boolean;
  #master: string | undefined;
  #choices = 0;

  constructor({ addresses, mayFollow }: RoutesOptions) {
    this.#mayFollow = mayFollow;
    for (const address of addresses) this.#nodes.set(address, newNode(address, false));
  }

  /** The master, as far as is known. */
  get master(): string | undefined {
    return this.#master;
  }

  get addresses(): string[] {
    return [...this.#nodes.keys()];
  }

  /** The node to ask, of those that are not in `tried`; undefined where all are. */
  choose(target: Target, nowMs: number, tried: ReadonlySet<string>): string | undefined {
    const left = [...this.#nodes.values()].filter(({ address }) => !tried.has(address));
    this.#choices++;
    const isExploring = target === 'nearest' && this.#choices % EXPLORE_EVERY === 0;
    const [best] = orderOf(left, isExploring ? 'any' : target, this.#master, nowMs);
    if (best !== undefined) best.chosenAt = this.#choices;
    return best?.address;
  }

  hasUntried(tried: ReadonlySet<string>): boolean {
    return this.addresses.some((address) => !tried.has(address));
  }

  /** Adds a node that another one named. False: it may not be asked. */
  learn(address: string): boolean {
    if (this.#nodes.has(address)) return true;
    if (!this.#mayFollow(address) || this.#nodes.size >= NODES_MAX) return false;
    this.#nodes.set(address, newNode(address, true));
    return true;
  }

  /** The master is this node; undefined: it is not known any more. */
  setMaster(address: string | undefined): void {
    this.#master = address;
  }

  /** `tookMs`: undefined where the call may have waited for something else than the node. */
  onAnswer(address: string, tookMs: number | undefined): void {
    const node = this.#nodes.get(address);
    if (node === undefined) return;
    // A node that is behind for ever still answers: that does not end its rest.
    if (node.failures > 0) node.restUntilMs = 0;
    node.failures = 0;
    if (tookMs === undefined) return;
    const { latencyMs = tookMs } = node;
    node.latencyMs = latencyMs + LATENCY_WEIGHT * (tookMs - latencyMs);
  }

  /** The node answered, but does not have the state that a read must show. */
  onBehind(address: string, nowMs: number): void {
    const node = this.#nodes.get(address);
    if (node === undefined) return;
    if (nowMs - node.behindMs > BEHIND_FORGOTTEN_MS) node.behind = 0;
    node.behind++;
    node.behindMs = nowMs;
    node.restUntilMs = nowMs + doubled(REST_MS, node.behind, BEHIND_MS_MAX);
  }

  /** The nodes of the group are these from now on. */
  setNodes(addresses: readonly string[]): void {
    const named = new Set(addresses);
    for (const address of this.#nodes.keys()) if (!named.has(address)) this.#nodes.delete(address);
    for (const address of named)
      if (!this.#nodes.has(address)) this.#nodes.set(address, newNode(address, false));
    if (this.#master !== undefined && !named.has(this.#master)) this.#master = undefined;
  }

  onFailure(address: string, { remedy }: Failure, nowMs: number): void {
    if (remedy === 'none' || remedy === 'moved' || remedy === 'ended') return;
    if (remedy === 'not_yet') {
      // What a master does not have, no other node has.
      if (this.#master !== address) this.onBehind(address, nowMs);
      return;
    }
    if (this.#master === address) this.#master = undefined;
    const node = this.#nodes.get(address);
    if (node === undefined || (remedy !== 'later' && remedy !== 'others')) return;
    if (node.isLearned) this.#nodes.delete(address);
    node.failures++;
    node.restUntilMs = nowMs + doubled(REST_MS, node.failures, REST_MS_MAX);
  }
}

function newNode(address: string, isLearned: boolean): NodeState {
  return {
    address,
    isLearned,
    latencyMs: undefined,
    restUntilMs: 0,
    chosenAt: 0,
    failures: 0,
    behind: 0,
    behindMs: 0,
  };
}

/** The nodes in the order in which to ask them. `any`: that which was asked longest ago comes first. */
export function orderOf<N extends KnownNode>(
  nodes: readonly N[],
  target: Target | 'any',
  master: string | undefined,
  nowMs: number,
): N[] {
  const rank = (node: N): number => {
    if (target === 'nearest') return node.latencyMs ?? 0;
    if (target === 'any' || master === undefined) return 0;
    return (node.address === master) === (target === 'master') ? 0 : 1;
  };
  const rests = (node: N): number => Number(node.restUntilMs > nowMs);
  // No other node stands in for a master that is known, and it is forgotten where it fails.
  const isFirst = (node: N): number => Number(target !== 'master' || node.address !== master);
  return [...nodes].sort(
    (a, b) => isFirst(a) - isFirst(b) || rests(a) - rests(b) || rank(a) - rank(b) || a.chosenAt - b.chosenAt,
  );
}
