/** What the fake node is told and answers, where that takes some lines. */
import type { PlainSets } from '#model/bulk.ts';
import type { BatchOperation, Expiry } from '#model/commands.ts';
import type { ExplainAnswer } from '#model/explain.ts';
import type { HotKeysCommand } from '#model/hot-keys.ts';
import type { AdminPort } from '#model/ports.ts';
import type { Position } from '#model/position.ts';
import type { SlotSizesPage } from '#model/slots.ts';

/** An entry that is there, with a different number in each field. */
export function explained(positionOf: (lsn: number) => Position): ExplainAnswer {
  return {
    entry: {
      ...{ version: positionOf(3), expireAtMs: 9, valueBytes: 2, memoryBytes: 83, isExpired: false },
      ...{ modifiedMs: 5_000, accessedMs: 6_000 },
    },
    ...{ changes: [], sets: 4, deletes: 5, waitingChanges: 6, searchedFrom: positionOf(2) },
    ...{ isComplete: true, asOf: positionOf(7), stalenessMs: 1.5, lagRecords: 8, wallShiftMs: 0 },
  };
}

/** A page of one slot that has entries, the first that was asked for. */
export function slotSizesAt(slot: number, asOf: Position): SlotSizesPage {
  return { asOf, sizes: [{ slot, entries: 2, bytes: 200 }], nextSlot: 0 };
}

/** Plain sets as the operations that they are. */
export function operationsOf(sets: PlainSets): BatchOperation[] {
  return Array.from({ length: sets.count }, (_, i): BatchOperation => {
    const at = (offsets: Uint32Array, lengths: Uint16Array | Uint32Array): Buffer => {
      const from = offsets[i] as number;
      return Buffer.from(sets.bytes.subarray(from, from + (lengths[i] as number)));
    };
    const ms = sets.expiryMs[i] as number;
    const expiries = {
      0: { kind: 'default' },
      1: { kind: 'ttl', ttlMs: ms },
      2: { kind: 'at', expireAtMs: ms },
    };
    const command = {
      key: at(sets.keyOffsets, sets.keyBytes).toString(),
      value: at(sets.valueOffsets, sets.valueBytes),
      expiry: expiries[sets.expiries[i] as 0 | 1 | 2] as Expiry,
    };
    return { kind: 'set', command: { ...command, returnPrevious: false, minAcks: 0, timeoutMs: 0 } };
  });
}

/** `note`: gets what was asked for. */
export function hotKeys(
  note: (command: HotKeysCommand) => void,
): Pick<AdminPort, 'hotKeys' | 'latestAccess'> {
  return {
    latestAccess: () => undefined,
    hotKeys: async (command) => {
      note(command);
      const keys = [{ key: 'hot', looks: 3 }];
      return { keys, looks: 4, accesses: 100, durationMs: command.durationMs, distinct: 2 };
    },
  };
}
