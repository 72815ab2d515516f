/**
 * A group as the newest map has it: its members, which of them leads, and the attempts that end
 * where another one does. The same for a gateway and for a client with the map.
 */
import type { GroupMembers } from '#routing/group-members.ts';
import { GroupRoutes } from '#routing/group-routes.ts';
import { ENDED, isEnded, LongAttempts } from '#routing/long-attempts.ts';
import type { Links } from '#routing/router.ts';
import { isUnclear, UNCLEAR } from '#routing/unclear.ts';

/** Asks for a newer map, and waits for it at most so long. Never rejects. */
export type RefreshMap = (limitMs: number) => Promise<void>;

/** Between rounds over the nodes: a new leader is in the map soon. */
export const PAUSE_MS_MAX = 100;

export class MappedGroup<L> {
  /** Members come from the map only. */
  readonly routes = new GroupRoutes({ addresses: [], mayFollow: () => false });
  readonly attempts = new LongAttempts<L>();
  readonly #refresh: RefreshMap;
  #leader = '';
  #leaderAddress: string | undefined;

  constructor(refresh: RefreshMap) {
    this.#refresh = refresh;
  }

  /** `node name@term`; empty while there is none. */
  get leader(): string {
    return this.#leader;
  }

  /** True if the map has a member that can be called. */
  get hasMembers(): boolean {
    return this.routes.addresses.length > 0;
  }

  /** True if another node leads. */
  isLedElsewhere(address: string): boolean {
    return this.#leaderAddress !== undefined && this.#leaderAddress !== address;
  }

  /** The members and the leader are those of a newer map. True: another node leads, or the same in another term. */
  update({ addresses, leader, leaderAddress }: GroupMembers): boolean {
    this.routes.setNodes(addresses);
    if (leader === this.#leader) return false;
    this.#leader = leader;
    this.#leaderAddress = leaderAddress;
    this.routes.setMaster(leaderAddress);
    if (leaderAddress === undefined) return false;
    this.attempts.endOthers(leaderAddress);
    return true;
  }

  /** The map says who leads: nodes need not be asked, and a caller needs no right to ask them. */
  linksOver(links: Omit<Links<L>, 'findMaster'>): Links<L> {
    return {
      linkTo: (address) => links.linkTo(address),
      judge: (error) => {
        if (isUnclear(error)) return UNCLEAR;
        return isEnded(error) ? ENDED : links.judge(error);
      },
      toError: (error, told) => (isUnclear(error) ? (error as Error) : links.toError(error, told)),
      findMaster: async (_, { timeoutMs }) => {
        await this.#refresh(timeoutMs);
        return this.#leaderAddress;
      },
    };
  }
}
