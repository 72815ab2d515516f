/** OWNERSHIP: which slots of the cluster the group owns, from here on. Only the log of a cluster's group has it. */
import { ofPayload, statedKind } from '#engine/records/stated-kind.ts';
import { decodeOwnership } from '#storage/logged-ownership.ts';

export const decodeOwnershipRecord = ofPayload(decodeOwnership);
export const OWNERSHIP_V1 = statedKind(decodeOwnershipRecord, ({ ownership }) => ownership);
