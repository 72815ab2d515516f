/** What bad memory does: changes stored entries behind the store's back. */
import { SlotTable } from '#storage/slot-table.ts';
import type { Store } from '#storage/store.ts';

/** Which bit of an entry is flipped. */
export type AlteredField = 'value' | 'key' | 'deadline' | 'epoch' | 'lsn' | 'crc';
export const ALTERED_FIELDS: readonly AlteredField[] = ['value', 'key', 'deadline', 'epoch', 'lsn', 'crc'];

/** Flips one bit of the entry stored under `key`; of key or value, that of byte `byte`. */
export function alterEntry(store: Store, key: string, field: AlteredField = 'value', byte = 0): void {
  const slots = slotsOf(store);
  const slot = slotOf(slots, key);
  switch (field) {
    case 'value':
      flip(slots, slot, key, Math.ceil(key.length / 4) * 4 + byte);
      return;
    case 'key':
      flip(slots, slot, key, byte);
      return;
    case 'deadline':
      patch(slots, 'expireAtMsOf', slot, (ms) => ms + 4_096);
      return;
    case 'epoch':
      patch(slots, 'epochOf', slot, (epoch) => epoch + 2 ** 32);
      return;
    case 'lsn':
      patch(slots, 'lsnOf', slot, (lsn) => lsn + 1_024);
      return;
    case 'crc':
      patch(slots, 'valueCrcOf', slot, (crc) => crc ^ 2);
      return;
  }
}

/** The table that the store keeps its entries in: a scan looks at it. */
function slotsOf(store: Store): SlotTable {
  const { stateOf } = SlotTable.prototype;
  const seen: SlotTable[] = [];
  SlotTable.prototype.stateOf = function noting(this: SlotTable, slot) {
    seen.push(this);
    return stateOf.call(this, slot);
  };
  try {
    store.scan({ prefix: '', cursor: '', limit: 1, keysOnly: true }, 0);
  } finally {
    SlotTable.prototype.stateOf = stateOf;
  }
  const [slots] = seen;
  if (slots === undefined) throw new Error('the store is empty');
  return slots;
}

function slotOf(slots: SlotTable, key: string): number {
  for (let slot = 0; slot < slots.end; slot++) {
    if (slots.stateOf(slot) !== 0 && slots.keyOf(slot) === key) return slot;
  }
  throw new Error(`${key} is not stored`);
}

/** Flips a bit of a byte of the entry's cell in the arena: of the key, its padding, or the value behind it. */
function flip(slots: SlotTable, slot: number, key: string, at: number): void {
  const padding = Buffer.alloc((4 - (key.length % 4)) % 4);
  const cell = Buffer.concat([Buffer.from(key), padding, slots.valueOf(slot)]);
  const { arena } = slots;
  const chunks = [arena.chunk(arena.openId)];
  arena.forEachClosed((chunk) => {
    chunks.push(chunk);
  });
  for (const { bytes } of chunks) {
    const found = bytes.indexOf(cell);
    if (found === -1) continue;
    bytes[found + at] = (bytes[found + at] as number) ^ 0x10;
    return;
  }
  throw new Error(`the cell of ${key} is not in the arena`);
}

/** From now on the field of that one slot reads otherwise. */
function patch(
  slots: SlotTable,
  name: 'expireAtMsOf' | 'epochOf' | 'lsnOf' | 'valueCrcOf',
  slot: number,
  alter: (value: number) => number,
): void {
  const read = slots[name].bind(slots);
  slots[name] = (at) => (at === slot ? alter(read(at)) : read(at));
}
