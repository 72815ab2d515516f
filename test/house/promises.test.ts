/** `docs/promises.md` names the tests behind each promise: they must be there, under those names. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const TEXT = readFileSync('docs/promises.md', 'utf8');

interface Claim {
  readonly file: string;
  readonly name: string;
}

/** Each list item: a file in backquotes, then names in typographic quotes, which belong to the file before them. */
function claimsOf(text: string): Claim[] {
  const claims: Claim[] = [];
  for (const line of text.split('\n').filter((one) => one.startsWith('- `test/'))) {
    let file = '';
    for (const match of line.matchAll(/`(test\/[\w./-]+\.test\.ts)`|“([^”]+)”/g)) {
      if (match[1] !== undefined) file = match[1];
      else if (match[2] !== undefined) claims.push({ file, name: match[2] });
    }
  }
  return claims;
}

/** `…` stands for what `it.each` fills in, so only the words around it are looked for. */
function isIn(source: string, name: string): boolean {
  return name
    .split('…')
    .map((part) => part.trim())
    .filter((part) => part.length > 2)
    .every((part) => source.includes(part) || source.includes(part.replaceAll("'", "\\'")));
}

it('names only files and tests that are there', () => {
  const claims = claimsOf(TEXT);
  expect(claims.length).toBeGreaterThan(100);
  const missing = claims.filter(
    ({ file, name }) => !existsSync(file) || !isIn(readFileSync(file, 'utf8'), name),
  );
  expect(missing).toEqual([]);
});
