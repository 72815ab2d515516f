/**
 * Comments are sentences that an engineer from elsewhere understands at one
 * reading. A test cannot check that, but it can refuse the phrases that
 * docs/glossary.md replaces. Rooms join the list once their comments are revised.
 */
import { describe, expect, it } from 'vitest';
import { commentsIn, listFiles, readText } from '#test/house/source-files.ts';

const REVISED_ROOMS = [
  'bench/',
  'client/',
  'internal/cluster/',
  'internal/config/',
  'internal/dial/',
  'cmd/',
  'internal/backup/',
  'internal/engine/',
  'internal/master/',
  'internal/metadata/',
  'internal/model/',
  'internal/node/',
  'internal/peer/',
  'internal/platform/',
  'internal/replication/',
  'internal/rpc/',
  'internal/server/',
  'internal/slave/',
  'internal/storage/',
  'internal/wal/',
  'internal/watch/',
  'internal/wire/',
  'test/cli/',
  'test/cmd/',
  'test/doubles/',
  'test/runbooks/',
];

const REFUSED: readonly (readonly [RegExp, string])[] = [
  [/^(?:Of|Who|Whom|Whose)\s/, 'opens with a bare "Of" or "Who": write a sentence with subject and verb'],
  [
    /^As (?:`|\w+ \w+ has it\b)/,
    'opens with a bare "As": write "Like …", or a sentence with subject and verb',
  ],
  [/\bat hand\b/, '"at hand": write "the current …"'],
  [/\b(?:told|tells?) of\b/, '"is told of": say who calls or reports what'],
  [/\bholds?\b/, '"holds": write "contains", "applies", "keeps" or "owns", see docs/glossary.md'],
  [/\bwhoever\b/i, '"whoever": name the caller or the node'],
  [/\b(?:of late|to be had|be it|lest|is no news)\b/, 'idiom: write it in plain words'],
];

/** What a comment says, without its marks and line breaks. */
function wordsOf(comment: string): string {
  return comment
    .replace(/^\/\*+|\*+\/$|^\s*(?:\/\/|\*)/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function findingsIn(text: string): string[] {
  return commentsIn(text).flatMap((comment) => {
    const words = wordsOf(comment);
    return REFUSED.filter(([phrase]) => phrase.test(words)).map(([, why]) => `${words.slice(0, 60)}: ${why}`);
  });
}

/** Files whose comments are still to be revised. */
const NOT_YET = /^internal\/rpc\/http2\//;

describe('the comments of revised rooms', () => {
  const sources = listFiles().filter((path) => path.endsWith('.ts'));

  it.each(REVISED_ROOMS)('keep to the words of the glossary in %s', (room) => {
    const files = sources.filter((path) => path.startsWith(room) && !NOT_YET.test(path));
    expect(files.length).toBeGreaterThan(0);
    expect(files.flatMap((path) => findingsIn(readText(path)).map((found) => `${path}: ${found}`))).toEqual(
      [],
    );
  });

  it.each([
    ['/** Of a cache line. */', 1],
    ['  // Of the last level some fit.', 1],
    ['/**\n * Whether the key\n * is at\n * hand.\n */', 1],
    ["const a = 'the key at hand';", 0],
    ['/** The caller is told of it. */', 1],
    ['/** As the master has it. */', 1],
    ['/** Assigns it. */', 0],
    ['/** Keys that the file holds, whoever wrote it. */', 2],
    ['// Synced first, lest a record is lost.', 1],
    ['/** A record that is withheld, and the threshold. */', 0],
    ['/** Often the first; off it goes. */', 0],
  ])('are read in %j', (text, found) => {
    expect(findingsIn(text)).toHaveLength(found);
  });
});
