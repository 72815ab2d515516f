/** OWNERSHIP: which slots of the cluster the group owns, from here on. Only the log of a cluster's group has it. */
import { asRecordError } from '#engine/records/block-errors.ts';
import type { RecordKind } from '#engine/records/record-kind.ts';
import { asBuffer } from '#platform/bytes.ts';
import { decodeOwnership, type LoggedOwnership } from '#storage/logged-ownership.ts';

/** Throws `RecordError`, and `NewerFormatError` for what this program does not know. */
export function decodeOwnershipRecord(payload: Uint8Array): LoggedOwnership {
  try {
    return decodeOwnership(asBuffer(payload), 0, payload.length);
  } catch (error) {
    throw asRecordError(error);
  }
}

export const OWNERSHIP_V1: RecordKind = {
  level: 1,
  beginsEpoch: false,
  check(frame) {
    decodeOwnershipRecord(frame.payload);
  },
  mutations(frame) {
    decodeOwnershipRecord(frame.payload);
    return [];
  },
  walk() {
    return undefined;
  },
  apply(frame, { store }) {
    store.ownership.current = decodeOwnershipRecord(frame.payload);
  },
  hold() {},
  describe(frame) {
    return { ...decodeOwnershipRecord(frame.payload) };
  },
};
