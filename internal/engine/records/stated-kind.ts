/** Records that state one thing of the group as a whole, in force until the next of their kind. */
import { asRecordError } from '#engine/records/block-errors.ts';
import type { RecordKind } from '#engine/records/record-kind.ts';
import { asBuffer } from '#platform/bytes.ts';
import type { StatedPart } from '#storage/stated-part.ts';
import type { Store } from '#storage/store.ts';

type Decode<T> = (payload: Uint8Array) => T;

/** Makes a decoder throw `RecordError`, and `NewerFormatError` for what this program does not know. */
export function ofPayload<T>(decode: (bytes: Buffer, from: number, to: number) => T): Decode<T> {
  return (payload) => {
    try {
      return decode(asBuffer(payload), 0, payload.length);
    } catch (error) {
      throw asRecordError(error);
    }
  };
}

/** Version 1 of a kind whose records become the current value of a part of the store. */
export function statedKind<T extends object>(
  decode: Decode<T>,
  partOf: (store: Store) => StatedPart<T>,
): RecordKind {
  return {
    level: 1,
    beginsEpoch: false,
    check(frame) {
      decode(frame.payload);
    },
    mutations(frame) {
      decode(frame.payload);
      return [];
    },
    walk() {
      return undefined;
    },
    apply(frame, { store }) {
      partOf(store).current = decode(frame.payload);
    },
    hold() {},
    describe(frame) {
      return { ...decode(frame.payload) } as Record<string, unknown>;
    },
  };
}
