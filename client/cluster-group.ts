/** One group of a cluster as a client calls it: its keys, its members as the map has them, and who leads. */
import { Code, ConnectError } from '@connectrpc/connect';
import type { GroupMembers } from '#routing/group-members.ts';
import { GroupRoutes } from '#routing/group-routes.ts';
import { ENDED, isEnded, LongAttempts } from '#routing/long-attempts.ts';
import type { Limits } from '#routing/router.ts';
import { GroupKeys } from './group-keys.ts';
import type { KeysOptions } from './keys.ts';
import type { NodeLinks, NodeStub } from './node-links.ts';
import type { Ownership } from './ownership.ts';
import type { Session } from './session.ts';

export interface ClusterGroupParts {
  readonly links: NodeLinks;
  readonly session: Session;
  readonly ownership: Ownership;
  /** Asks for a newer map. Never rejects. */
  readonly refresh: () => Promise<void>;
}

/** A new leader is in the map soon, so rounds over the nodes follow each other soon. */
const PAUSE_MS_MAX = 100;

export class ClusterGroup {
  readonly id: string;
  readonly keys: GroupKeys;
  readonly #routes = new GroupRoutes({ addresses: [], mayFollow: () => false });
  readonly #options: KeysOptions;
  readonly #refresh: () => Promise<void>;
  readonly #attempts = new LongAttempts<NodeStub>();
  #leader = '';
  #leaderAddress: string | undefined;

  constructor(id: string, options: KeysOptions, { links, session, ownership, refresh }: ClusterGroupParts) {
    this.id = id;
    this.#options = options;
    this.#refresh = refresh;
    this.keys = new GroupKeys(options, {
      routes: this.#routes,
      links: {
        linkTo: (address) => links.linkTo(address),
        judge: (error) => (isEnded(error) ? ENDED : links.judge(error)),
        toError: (error, told) => links.toError(isEnded(error) ? unanswered(error) : error, told),
        findMaster: (_, limits) => this.#findMaster(limits),
        close: () => links.close(),
      },
      session,
      ownership,
      attempts: this.#attempts,
      pauseMsMax: PAUSE_MS_MAX,
    });
  }

  /** True if the map has a member that can be called. */
  get hasMembers(): boolean {
    return this.#routes.addresses.length > 0;
  }

  /** The members and the leader are those of a newer map. */
  update({ addresses, leader, leaderAddress }: GroupMembers): void {
    this.#routes.setNodes(addresses);
    if (leader === this.#leader) return;
    this.#leader = leader;
    this.#leaderAddress = leaderAddress;
    this.#routes.setMaster(leaderAddress);
    if (leaderAddress !== undefined) this.#attempts.endOthers(leaderAddress);
  }

  /** The map says who leads; nodes need not be asked, and a caller needs no right to ask them. */
  async #findMaster({ timeoutMs, signal }: Limits): Promise<string | undefined> {
    await Promise.race([this.#refresh(), this.#options.clock.sleep(timeoutMs, signal)]);
    return this.#leaderAddress;
  }
}

/** The caller's time was over as well. */
function unanswered(error: unknown): ConnectError {
  return new ConnectError((error as Error).message, Code.Unavailable);
}
