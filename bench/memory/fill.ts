/** Fills a server with entries of a 16-byte key and a 100-byte value, by many in a request, and deletes most again. */
import type { Pair, Speaker } from '../wire/speakers.ts';

const BATCH = 1_000;
/** Requests under way. */
const DEPTH = 4;
export const VALUE = Buffer.alloc(100, 'v');

export function keyOf(number: number): string {
  return `key:${String(number).padStart(12, '0')}`;
}

export function fill(speaker: Speaker, entries: number): Promise<void> {
  return inBatches(entries, (numbers) =>
    speaker.set(numbers.map((number): Pair => ({ key: keyOf(number), value: VALUE }))),
  );
}

/** All but every tenth, as a hash has them: the rest lies about everywhere. */
export function deleteMost(speaker: Speaker, entries: number): Promise<void> {
  return inBatches(entries, (numbers) =>
    speaker.delete(numbers.filter((number) => !isKept(number)).map(keyOf)),
  );
}

export function keptOf(entries: number): number {
  let kept = 0;
  for (let number = 0; number < entries; number++) if (isKept(number)) kept++;
  return kept;
}

function isKept(number: number): boolean {
  return (Math.imul(number + 1, 2_654_435_761) >>> 0) % 10 === 0;
}

async function inBatches(count: number, run: (numbers: number[]) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const from = next;
      next += BATCH;
      await run(Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => from + i));
    }
  };
  await Promise.all(Array.from({ length: DEPTH }, worker));
}
