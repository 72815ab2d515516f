/** Entries and bytes of the key slots of this node. The first question walks over the store in slices; later ones have the sums. */
import { slotOf } from '#cluster/slot-hash.ts';
import type { Engine } from '#engine/engine.ts';
import { checkCaller } from '#model/errors.ts';
import { SLOTS, type SlotSize, type SlotSizesPage } from '#model/slots.ts';
import type { Clock } from '#platform/clock.ts';
import type { KeySlotSizes } from '#storage/key-slot-sizes.ts';

/** Slots of the store that one turn of the event loop walks over: about a millisecond. */
const SLICE_SLOTS = 4_096;
/** Key slots of one answer, so that writing it takes about a millisecond, too. */
const PAGE_SLOTS = 4_096;

/** `engine`: the one that is served now; throws while there is none. Rejects with `cancelled` where the caller goes away. */
export async function slotSizesFrom(
  engine: () => Engine,
  clock: Pick<Clock, 'yield'>,
  from: number,
  signal?: AbortSignal,
): Promise<SlotSizesPage> {
  for (;;) {
    const current = engine();
    const keySlots = current.store.keySlots(slotOf);
    if (!keySlots.next(SLICE_SLOTS)) return { asOf: current.position, ...pageOf(keySlots, from) };
    await clock.yield();
    checkCaller(signal);
  }
}

function pageOf(keySlots: KeySlotSizes, from: number): Pick<SlotSizesPage, 'sizes' | 'nextSlot'> {
  const sizes: SlotSize[] = [];
  const end = Math.min(SLOTS, from + PAGE_SLOTS);
  for (let slot = from; slot < end; slot++) {
    const entries = keySlots.entriesOf(slot);
    if (entries > 0) sizes.push({ slot, entries, bytes: keySlots.bytesOf(slot) });
  }
  return { sizes, nextSlot: end === SLOTS ? 0 : end };
}
