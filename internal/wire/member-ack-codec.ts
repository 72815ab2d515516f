/** Converts what a member of a cluster says of itself in the answer to a push, in both directions. Pure. */
import type { MemberAck as MemberAckMessage } from '#gen/walnut/v1/replication_pb.ts';
import type { MemberAck } from '#model/replication.ts';
import { checkText, toSafeNumber } from '#wire/numbers.ts';

/** The longest name by which a cluster lists a node. */
export const MEMBER_CHARACTERS_MAX = 64;

/** No field from a node of a plain group. */
export function toMemberAck(message: MemberAckMessage | undefined): { readonly member?: MemberAck } {
  if (message === undefined) return {};
  const node = checkText(message.node, 'member.node', MEMBER_CHARACTERS_MAX);
  const incarnation = toSafeNumber(message.incarnation, 'member.incarnation');
  return { member: { node, incarnation, isInstalling: message.installing } };
}

export function fromMemberAck(member: MemberAck | undefined): MemberAckMessage | undefined {
  if (member === undefined) return undefined;
  const { node, incarnation, isInstalling } = member;
  return {
    $typeName: 'walnut.v1.MemberAck',
    node,
    incarnation: BigInt(incarnation),
    installing: isInstalling,
  };
}
