/** Converts entries and bytes of key slots between the model and protobuf. Pure; bad input throws `invalid_argument`. */
import type { GetSlotSizesRequest, GetSlotSizesResponse } from '#gen/walnut/v1/admin_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import { SLOTS, type SlotSizesPage } from '#model/slots.ts';
import { fromPosition } from '#wire/position-codec.ts';

export function toFromSlot({ fromSlot }: GetSlotSizesRequest): number {
  if (fromSlot < SLOTS) return fromSlot;
  throw invalidArgument(`from_slot is ${fromSlot}: expected 0 to ${SLOTS - 1}`);
}

export function fromSlotSizes({ asOf, sizes, nextSlot }: SlotSizesPage): GetSlotSizesResponse {
  return {
    $typeName: 'walnut.v1.GetSlotSizesResponse',
    position: fromPosition(asOf),
    slots: sizes.map(({ slot, entries, bytes }) => ({
      $typeName: 'walnut.v1.SlotSize',
      slot,
      entries: BigInt(entries),
      bytes: BigInt(bytes),
    })),
    nextSlot,
  };
}
