/** MEMBERS: who belongs to the group and who counts, from here on. Only the log of a cluster's group has it. */
import { ofPayload, statedKind } from '#engine/records/stated-kind.ts';
import { decodeMembers } from '#storage/logged-members.ts';

export const decodeMembersRecord = ofPayload(decodeMembers);
export const MEMBERS_V1 = statedKind(decodeMembersRecord, ({ members }) => members);
