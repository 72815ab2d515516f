/** The key that was probably meant, for messages about unknown ones. */
import type { SectionKeys } from '#config/binaries.ts';

const DISTANCE_MAX = 3;

/** `section.key` nearest to what was written, or the same key in another section; undefined where none is near. */
export function suggestKey(
  sections: SectionKeys,
  section: string,
  key: string | undefined,
): string | undefined {
  const names = key === undefined ? Object.keys(sections) : namesOf(sections);
  const written = key === undefined ? section : `${section}.${key}`;
  const elsewhere = names.find((name) => key !== undefined && name.endsWith(`.${key}`));
  if (elsewhere !== undefined) return elsewhere;
  let best: string | undefined;
  // Half of a short word changed is another word.
  const length = (key ?? section).length;
  let bestDistance = Math.min(DISTANCE_MAX, Math.max(1, Math.floor(length / 2))) + 1;
  for (const name of names) {
    const distance = editDistance(written, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

function namesOf(sections: SectionKeys): string[] {
  return Object.entries(sections).flatMap(([section, keys]) =>
    Object.keys(keys).map((key) => `${section}.${key}`),
  );
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
