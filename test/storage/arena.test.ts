/** Where keys and values lie: reuse, compaction, shrinking, and that what was handed out stays as it was. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES } from '#storage/arena.ts';
import { encodePair } from '#storage/encode-pair.ts';
import { EPOCH_IDS_MAX, EpochIds } from '#storage/epoch-ids.ts';
import { SLOTS_PER_CHUNK } from '#storage/slot-chunks.ts';
import { ARENA_VALUE_BYTES_MAX, SLOT_FREE, SlotTable } from '#storage/slot-table.ts';
import { createStore } from '#storage/store.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { addSlot, at, keyOf, newStore, remove, set, UNLIMITED, writeSlot } from '#test/storage/helpers.ts';

/** Lengths at which the layout changes, and around them. */
const LENGTHS = [0, 1, 3, 4, 5, 8, 64, 255, 256, 257, 2_047, 2_048, 2_049]
  .concat([ARENA_VALUE_BYTES_MAX - 1, ARENA_VALUE_BYTES_MAX, ARENA_VALUE_BYTES_MAX + 1, 100_000])
  .concat([CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1]);

/** A value that tells its length and number. */
function filled(length: number, number: number): Uint8Array {
  return new Uint8Array(length).fill(number * 31 + length);
}

function isFilled(value: Uint8Array, length: number, number: number): boolean {
  return Buffer.compare(value, filled(length, number)) === 0;
}

describe('values', () => {
  it('of every length come back over values of every other length', () => {
    const store = newStore();
    let lsn = 0;
    for (const before of LENGTHS) {
      for (const after of LENGTHS) {
        store.apply(set('k', filled(before, 1)), at(++lsn));
        store.apply(set('neighbour', filled(before, 2)), at(++lsn));
        store.apply(set('k', filled(after, 3)), at(++lsn));
        expect(isFilled(store.get('k', 0)?.value as Uint8Array, after, 3), `${before} ${after}`).toBe(true);
        expect(isFilled(store.peek('neighbour')?.value as Uint8Array, before, 2)).toBe(true);
      }
    }
  });

  it('of 8 MiB and keys of 1,024 bytes are stored beside small ones', () => {
    const store = newStore();
    const key = '\u{1f5dd}'.repeat(256);
    store.apply(set(key, filled(8 * CHUNK_BYTES, 1)), at(1));
    store.apply(set('k', filled(8 * CHUNK_BYTES, 2)), at(2));
    expect(isFilled(store.get(key, 0)?.value as Uint8Array, 8 * CHUNK_BYTES, 1)).toBe(true);
    store.apply(remove(key), at(3));
    expect(isFilled(store.get('k', 0)?.value as Uint8Array, 8 * CHUNK_BYTES, 2)).toBe(true);
    expect(store.entries).toBe(1);
  });

  it('that were handed out stay as they were, whatever is written afterwards', () => {
    fc.assert(
      fc.property(fc.integer(), fc.boolean(), (seed, sharesValues) => {
        const random = new SeededRandom(seed);
        const store = createStore({ limits: UNLIMITED, sharesValues });
        const handedOut: { value: Uint8Array; length: number; number: number }[] = [];
        const stored = new Map<number, { length: number; number: number }>();
        for (let i = 0; i < 400; i++) {
          const name = random.below(20);
          const known = stored.get(name);
          if (known !== undefined && random.below(2) === 0) {
            const ways = [
              () => store.get(`k${name}`, 0)?.value,
              () => store.peek(`k${name}`)?.value,
              () =>
                store
                  .scan({ prefix: `k${name}`, cursor: '', limit: 100, keysOnly: false }, 0)
                  .entries.find(({ key }) => key === `k${name}`)?.value,
            ];
            const value = ways[random.below(3)]?.();
            handedOut.push({ value: value as Uint8Array, ...known });
          } else if (random.below(4) === 0) {
            store.apply(remove(`k${name}`), at(i + 1));
            stored.delete(name);
          } else {
            const length = LENGTHS[random.below(LENGTHS.length - 4)] as number;
            store.apply(set(`k${name}`, filled(length, i)), at(i + 1));
            stored.set(name, { length, number: i });
          }
        }
        for (const { value, length, number } of handedOut) expect(isFilled(value, length, number)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });
});

describe('the arena', () => {
  it('takes a half more than what lives at most, through a million bytes written again and again', () => {
    const random = new SeededRandom(7);
    const slots = new SlotTable();
    const lengths: number[] = [];
    const key = (i: number): string => `key:${i}`;
    for (let i = 0; i < 20_000; i++) {
      lengths.push(random.below(1_200));
      addSlot(slots, key(i), filled(lengths[i] as number, i));
    }
    const { arena } = slots;
    expect(arena.heldBytes / arena.liveBytes).toBeLessThan(1.05);
    let worst = 0;
    for (let i = 0; i < 100_000; i++) {
      const slot = random.below(20_000);
      lengths[slot] = random.below(1_200);
      writeSlot(slots, slot, key(slot), filled(lengths[slot] as number, slot), 0);
      worst = Math.max(worst, (arena.heldBytes - 8 * CHUNK_BYTES) / arena.liveBytes);
    }
    // A fifth dead and an eighth being copied, over the few chunks that are always there.
    expect(worst).toBeLessThan(1.45);
    expect(worst).toBeGreaterThan(0.5);
    for (const [slot, length] of lengths.entries()) {
      expect(slots.matches(slot, keyOf(key(slot)))).toBe(true);
      if (!isFilled(slots.valueOf(slot), length, slot)) throw new Error(`slot ${slot} is not what it was`);
    }
  });

  it('that is append-only keeps what was given out through rounds of the compactor, and grows no more', () => {
    const random = new SeededRandom(8);
    const slots = new SlotTable(true);
    const lengths = Array.from({ length: 5_000 }, () => random.below(1_200));
    for (const [i, length] of lengths.entries()) addSlot(slots, `key:${i}`, filled(length, i));
    const given: { value: Uint8Array; length: number; number: number }[] = [];
    let worst = 0;
    for (let i = 0; i < 40_000; i++) {
      const slot = random.below(5_000);
      if (i % 100 === 0)
        given.push({ value: slots.valueOf(slot), length: lengths[slot] as number, number: slot });
      lengths[slot] = random.below(1_200);
      writeSlot(slots, slot, `key:${slot}`, filled(lengths[slot] as number, slot), 0);
      worst = Math.max(worst, slots.arena.heldBytes - 8 * CHUNK_BYTES);
    }
    expect(worst).toBeLessThan(1.45 * slots.arena.liveBytes);
    for (const { value, length, number } of given)
      if (!isFilled(value, length, number)) throw new Error(`a value of ${number} changed`);
  });

  it('that is append-only takes one chunk for a key that is written again and again', () => {
    const slots = new SlotTable(true);
    const slot = addSlot(slots, 'k');
    for (let i = 0; i < 20_000; i++) writeSlot(slots, slot, 'k', filled(200, i), 0);
    expect(slots.arena.heldBytes).toBe(CHUNK_BYTES);
    slots.free(slot);
    addSlot(slots, 'k', filled(200, 1));
    expect(slots.arena).toMatchObject({ heldBytes: CHUNK_BYTES, liveBytes: 204 });
  });

  it('shrinks to what is left after a mass delete, in whatever order', () => {
    for (const step of [1, 7_919]) {
      const slots = new SlotTable();
      const count = 100_000;
      for (let i = 0; i < count; i++) addSlot(slots, `key:${i}`, filled(200, i), i % 2);
      const full = slots.heldBytes;
      for (let i = 0; i < count; i++) {
        const slot = (i * step) % count;
        if (slot % 20 !== 0) slots.free(slot);
      }
      expect(slots.arena.heldBytes).toBeLessThan(slots.arena.liveBytes * 1.25 + 9 * CHUNK_BYTES);
      expect(slots.heldBytes).toBeLessThan(full * 0.6);
      for (let slot = 0; slot < count; slot += 20) {
        if (!isFilled(slots.valueOf(slot), 200, slot)) throw new Error(`slot ${slot} is not what it was`);
        slots.free(slot);
      }
      expect(slots.arena.liveBytes).toBe(0);
      // Spare buffers, the open chunk and one chunk of slots.
      expect(slots.heldBytes).toBeLessThan(6 * CHUNK_BYTES);
    }
  });

  it('asks for no memory where entries come and go at a steady size', () => {
    const slots = new SlotTable();
    for (let i = 0; i < 30_000; i++) addSlot(slots, `key:${i}`, filled(200, i));
    const held = slots.heldBytes;
    for (let i = 0; i < 90_000; i++) {
      slots.free(i % 30_000);
      expect(addSlot(slots, `key:${i}`, filled(200, i))).toBe(i % 30_000);
    }
    expect(slots.heldBytes).toBeLessThanOrEqual(held + 2 * CHUNK_BYTES);
  });
});

describe('slots', () => {
  it('are given out from the lowest chunk on, and high chunks are given back', () => {
    const slots = new SlotTable();
    for (let i = 0; i < 4 * SLOTS_PER_CHUNK; i++) addSlot(slots, `k${i}`);
    expect(slots.end).toBe(4 * SLOTS_PER_CHUNK);
    for (let i = SLOTS_PER_CHUNK; i < 4 * SLOTS_PER_CHUNK; i++) slots.free(i);
    // One empty chunk is kept.
    expect(slots.end).toBe(2 * SLOTS_PER_CHUNK);
    expect(slots.stateOf(3 * SLOTS_PER_CHUNK)).toBe(SLOT_FREE);
    slots.free(5);
    expect(addSlot(slots, 'again')).toBe(5);
    expect(Math.floor(addSlot(slots, 'again') / SLOTS_PER_CHUNK)).toBe(1);
  });

  it('in the middle that were given back are used again, and nothing is freed twice', () => {
    const slots = new SlotTable();
    for (let i = 0; i < 3 * SLOTS_PER_CHUNK; i++) addSlot(slots, `k${i}`, new Uint8Array(0), 1);
    for (let i = 0; i < 2 * SLOTS_PER_CHUNK; i++) slots.free(i);
    expect(slots.end).toBe(3 * SLOTS_PER_CHUNK);
    expect(slots.isChunkEmpty(0) && slots.isChunkEmpty(SLOTS_PER_CHUNK)).toBe(true);
    const taken = new Set(Array.from({ length: 2 * SLOTS_PER_CHUNK }, (_, i) => addSlot(slots, `n${i}`)));
    expect(taken.size).toBe(2 * SLOTS_PER_CHUNK);
    expect(Math.max(...taken)).toBe(2 * SLOTS_PER_CHUNK - 1);
    slots.free(0);
    expect(() => slots.free(0)).toThrow(/freed twice/);
  });

  it('keep versions and stamps of the whole range', () => {
    const slots = new SlotTable();
    const most = Number.MAX_SAFE_INTEGER;
    for (const number of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 1, most]) {
      const slot = slots.allocate();
      const pair = encodePair(`k${number}`, new Uint8Array(1), number);
      slots.write(slot, keyOf(`k${number}`), pair, number, number);
      slots.setStamp(slot, number);
      const { version, expireAtMs } = slots.entry(slot);
      expect([version.epoch, version.lsn, expireAtMs, slots.stampOf(slot)]).toEqual(Array(4).fill(number));
    }
  });
});

describe('epoch numbers', () => {
  it('are given back with the last entry of an epoch, and tell many apart', () => {
    const epochs = new EpochIds();
    const ids = Array.from({ length: 70_000 }, (_, i) => epochs.retain(2 ** 40 + i));
    expect(new Set(ids).size).toBe(70_000);
    expect(ids.map((id) => epochs.epochOf(id))).toEqual(ids.map((_, i) => 2 ** 40 + i));
    for (let i = 0; i < 10; i++) expect(epochs.retain(2 ** 40)).toBe(ids[0]);
    for (const id of ids) epochs.release(id);
    expect(epochs.size).toBe(1);
    expect(epochs.retain(7)).toBeLessThan(70_000);
    expect(EPOCH_IDS_MAX).toBeGreaterThan(70_000);
  });

  it('above 65,536 are kept by slots', () => {
    const slots = new SlotTable();
    const taken = Array.from({ length: 70_000 }, (_, epoch) => {
      const slot = slots.allocate();
      const pair = encodePair(`k${epoch}`, new Uint8Array(0), 0);
      slots.write(slot, keyOf(`k${epoch}`), pair, epoch, 2 ** 53 - 1);
      return slot;
    });
    for (const [epoch, slot] of taken.entries()) {
      if (slots.epochOf(slot) !== epoch || slots.lsnOf(slot) !== 2 ** 53 - 1)
        throw new Error(`epoch ${epoch}`);
    }
  });
});
