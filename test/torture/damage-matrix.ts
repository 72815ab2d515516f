/**
 * Every cut and every flipped bit of many two-segment logs, each of a seeded
 * layout of its own: how long payloads are, how they were batched, where a mark
 * stands. The verdict is predicted by `test/wal/damaged-log.ts`.
 */
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import {
  buildKnownLog,
  cutFile,
  flip,
  type KnownLog,
  outcomeOf,
  predictCut,
  predictFlip,
} from '#test/wal/damaged-log.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { fail } from './reference-model.ts';

export interface DamageCounts {
  logs: number;
  cuts: number;
  flips: number;
  corrupt: number;
  torn: number;
  whole: number;
}

export function createDamageCounts(): DamageCounts {
  return { logs: 0, cuts: 0, flips: 0, corrupt: 0, torn: 0, whole: 0 };
}

/** Bytes of one log, about. */
const LOG_BYTES = 4_500;

/** Cuts one log at every `step`th byte and between all items, and flips every `step`th bit. Throws at the first verdict that is not the predicted one. */
export async function damageEverywhere(seed: number, step: number, counts: DamageCounts): Promise<void> {
  const known = await buildSeeded(seed);
  counts.logs++;
  for (const path of [known.first, known.second]) {
    const sizeBytes = (known.files.get(path) as Buffer).length;
    const isLast = path === known.second;
    const boundaries = isLast ? [SEGMENT_HEADER_BYTES, ...known.items.map(({ end }) => end)] : [];
    for (const bytes of [...stepsTo(sizeBytes, step), ...boundaries]) {
      const expected = isLast ? predictCut(known, bytes) : 'corrupt';
      const actual = await outcomeOf(known, (files) => cutFile(files, path, bytes));
      if (actual !== expected) fail(`seed ${seed}, ${path} cut to ${bytes}: ${actual}, not ${expected}`);
      counts.cuts++;
      note(counts, actual);
    }
    for (let bit = seed % step; bit < sizeBytes * 8; bit += step) {
      const expected = isLast ? predictFlip(known, bit >> 3) : 'corrupt';
      const actual = await outcomeOf(known, (files) => flip(files.get(path) as Buffer, bit));
      if (actual !== expected)
        fail(`seed ${seed}, ${path} with bit ${bit} flipped: ${actual}, not ${expected}`);
      counts.flips++;
      note(counts, actual);
    }
  }
}

function stepsTo(end: number, step: number): number[] {
  return Array.from({ length: Math.ceil(end / step) }, (_, index) => index * step);
}

function note(counts: DamageCounts, verdict: string): void {
  if (verdict === 'corrupt') counts.corrupt++;
  else if (verdict.endsWith('torn')) counts.torn++;
  else counts.whole++;
}

function buildSeeded(seed: number): Promise<KnownLog> {
  const random = new SeededRandom(seed);
  const first = seededBatches(random, LOG_BYTES / 3);
  const second = seededBatches(random, (LOG_BYTES * 2) / 3);
  return buildKnownLog({ first, second, markAfter: random.below(second.length + 1) });
}

function seededBatches(random: SeededRandom, bytesMin: number): string[][] {
  const batches: string[][] = [];
  for (let bytes = 0; bytes < bytesMin; ) {
    const batch = Array.from({ length: random.between(1, 4) }, () => seededPayload(random));
    bytes += batch.reduce((sum, payload) => sum + 56 + Buffer.byteLength(payload), 0);
    batches.push(batch);
  }
  return batches;
}

/** Some are empty, some look like an item's first bytes, most are noise. */
function seededPayload(random: SeededRandom): string {
  const length = random.pick([0, 3, 20, 90, 400]);
  const noise = String.fromCharCode(...random.bytes(length).map((byte) => byte & 0x7f));
  return random.chance(0.3)
    ? `${String.fromCharCode(random.between(1, 3))}\u0000\u0000\u0000${noise}`
    : noise;
}
