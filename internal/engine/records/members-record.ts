/** MEMBERS: who belongs to the group and who counts, from here on. Only the log of a cluster's group has it. */
import { asRecordError } from '#engine/records/block-errors.ts';
import type { RecordKind } from '#engine/records/record-kind.ts';
import { asBuffer } from '#platform/bytes.ts';
import { decodeMembers, type LoggedMembers } from '#storage/logged-members.ts';

/** Throws `RecordError`, and `NewerFormatError` for what this program does not know. */
export function decodeMembersRecord(payload: Uint8Array): LoggedMembers {
  try {
    return decodeMembers(asBuffer(payload), 0, payload.length);
  } catch (error) {
    throw asRecordError(error);
  }
}

export const MEMBERS_V1: RecordKind = {
  level: 1,
  beginsEpoch: false,
  check(frame) {
    decodeMembersRecord(frame.payload);
  },
  mutations(frame) {
    decodeMembersRecord(frame.payload);
    return [];
  },
  walk() {
    return undefined;
  },
  apply(frame, { store }) {
    store.members.current = decodeMembersRecord(frame.payload);
  },
  hold() {},
  describe(frame) {
    return { ...decodeMembersRecord(frame.payload) };
  },
};
