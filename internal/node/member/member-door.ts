/** The member as the active coordinator sees it. */
import type {
  HandOverAnswer,
  HandOverRequest,
  LeadAnswer,
  LeadRequest,
  MemberPort,
  TermClaim,
  TermClaimAnswer,
} from '#cluster/member-port.ts';
import { unavailable } from '#model/errors.ts';
import { grantTerm } from '#node/member/grant-term.ts';
import { handOverTerm } from '#node/member/hand-over-term.ts';
import { leadTerm } from '#node/member/lead-term.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';

export interface MemberDoorParts {
  /** Undefined before the node starts, and while it stops. */
  readonly keeper: () => RoleKeeper | undefined;
  /** Where a node of the group is, as the map has it. */
  readonly addressOf: (node: string) => string | undefined;
}

export class MemberDoor implements MemberPort {
  readonly #parts: MemberDoorParts;

  constructor(parts: MemberDoorParts) {
    this.#parts = parts;
  }

  async claim(request: TermClaim): Promise<TermClaimAnswer> {
    return grantTerm(this.#keeper, request);
  }

  async takeOver(request: LeadRequest): Promise<LeadAnswer> {
    return leadTerm(this.#keeper, request);
  }

  async handOver(request: HandOverRequest): Promise<HandOverAnswer> {
    return handOverTerm(this.#keeper, request, this.#parts.addressOf);
  }

  get #keeper(): RoleKeeper {
    const keeper = this.#parts.keeper();
    if (keeper === undefined) throw unavailable('this node is not in service');
    return keeper;
  }
}
