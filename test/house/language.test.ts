/**
 * Comments, documents and messages are sentences that an engineer from elsewhere
 * understands at one reading. A test cannot check that, but it can refuse the phrases
 * that docs/glossary.md replaces. Rooms join the list once their comments are revised.
 */
import { describe, expect, it } from 'vitest';
import {
  commentsIn,
  lineOf,
  listFiles,
  parseSource,
  readSources,
  readText,
  type SourceFile,
  type SyntaxNode,
  walk,
} from '#test/house/source-files.ts';

const REVISED_ROOMS = [
  'bench/',
  'client/',
  'internal/cluster/',
  'internal/config/',
  'internal/coordinator/',
  'internal/dial/',
  'cmd/',
  'internal/auth/',
  'internal/backup/',
  'internal/engine/',
  'internal/http/',
  'internal/master/',
  'internal/metadata/',
  'internal/model/',
  'internal/node/',
  'internal/page/',
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
  'test/torture/',
];

type Refused = readonly (readonly [RegExp, string])[];

/** Refused at the beginning of a comment. */
const OPENINGS: Refused = [
  [/^(?:Of|Who|Whom|Whose)\s/, 'opens with a bare "Of" or "Who": write a sentence with subject and verb'],
  [
    /^As (?:`|\w+ \w+ has it\b)/,
    'opens with a bare "As": write "Like …", or a sentence with subject and verb',
  ],
  [/^Whether\s/, 'opens with a bare "Whether": write "True if …" or "Decides whether …"'],
];

/** Refused at the beginning of a sentence of a document. */
const SENTENCES: Refused = [
  [
    /(?:^|[.!?:] |^- |\| )(?:Of|As|Whether) /,
    'a sentence opens with "Of", "As" or "Whether": begin it with its subject',
  ],
];

/** Refused everywhere. */
const WORDS: Refused = [
  [/\bat hand\b/i, '"at hand": write "the current …"'],
  [/\b(?:told|tells?) of\b/i, '"is told of": say who calls or reports what'],
  [/\bholds?\b/i, '"holds": write "contains", "applies", "keeps" or "owns", see docs/glossary.md'],
  [/\bwhoever\b/i, '"whoever": name the caller or the node'],
  [/\b(?:of late|to be had|be it|lest|is no news|makes no sense)\b/i, 'idiom: write it in plain words'],
];

function refusedIn(text: string, refused: Refused): string[] {
  return refused.filter(([phrase]) => phrase.test(text)).map(([, why]) => `${text.slice(0, 60)}: ${why}`);
}

/** What a comment says, without its marks and line breaks. */
function wordsOf(comment: string): string {
  return comment
    .replace(/^\/\*+|\*+\/$|^\s*(?:\/\/|\*)/gm, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

function findingsIn(text: string): string[] {
  return commentsIn(text).flatMap((comment) => refusedIn(wordsOf(comment), [...OPENINGS, ...WORDS]));
}

/** A line of a document without code, without the names of tests, which are quoted “so”, and without italics for words. */
function prose(line: string): string {
  return line.replaceAll(/`[^`]*`|“[^”]*”|\*[^*]*\*/g, 'x');
}

function findingsInDocument(text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, i) =>
      line.startsWith('#')
        ? []
        : refusedIn(prose(line), [...SENTENCES, ...WORDS]).map((found) => `line ${i + 1}: ${found}`),
    );
}

/** Texts with a space in them, which are for people. */
function findingsInMessages(source: SourceFile): string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    const text =
      node.type === 'TemplateElement' ? (node['value'] as { cooked?: unknown }).cooked : node['value'];
    if (node.type !== 'TemplateElement' && node.type !== 'Literal') return;
    if (typeof text !== 'string' || !text.includes(' ')) return;
    const line = lineOf(source, node.start);
    found.push(...refusedIn(text, WORDS).map((each) => `${source.path}:${line}: ${each}`));
  });
  return found;
}

/** What tests are called: the first argument of `it`, `describe` and what `it.each(…)` returns. */
function findingsInTestNames(source: SourceFile): string[] {
  const found: string[] = [];
  walk(source.tree, (node) => {
    if (node.type !== 'CallExpression') return;
    const [name] = node['arguments'] as readonly SyntaxNode[];
    const text = name?.type === 'Literal' ? name['value'] : undefined;
    if (typeof text !== 'string' || !/^(?:it|describe)\b/.test(source.text.slice(node.start, node.end)))
      return;
    const line = lineOf(source, node.start);
    found.push(...refusedIn(text, [...OPENINGS, ...WORDS]).map((each) => `${source.path}:${line}: ${each}`));
  });
  return found;
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
    ['/**\n * If the key\n * is at\n * hand.\n */', 1],
    ["const a = 'the key at hand';", 0],
    ['/** The caller is told of it. */', 1],
    ['/** As the master has it. */', 1],
    ['/** Assigns it. */', 0],
    ['/** Whether it is there. */', 1],
    ['/** Decides whether it is there. */', 0],
    ['/** Keys that the file holds, whoever wrote it. */', 2],
    ['// Synced first, lest a record is lost.', 1],
    ['/** A record that is withheld, and the threshold. */', 0],
    ['/** Often the first; off it goes. */', 0],
  ])('are read in %j', (text, found) => {
    expect(findingsIn(text)).toHaveLength(found);
  });
});

describe('the documents', () => {
  // Entries of the changelog describe releases; they are not revised.
  const documents = listFiles().filter((path) => path.endsWith('.md') && path !== 'CHANGELOG.md');

  it.each(documents)('keep to the words of the glossary in %s', (path) => {
    expect(findingsInDocument(readText(path))).toEqual([]);
  });

  it.each([
    ['Of all callers, one is let in.', 1],
    ['It stays. Whether it is used is another matter.', 1],
    ['- As good as the disk.', 1],
    ['It decides whether `it holds` is *held*; “what holds” is a test.', 0],
    ['## Whether it starts', 0],
    ['The record that it holds is told of.', 2],
  ])('are read in %j', (line, found) => {
    expect(findingsInDocument(line)).toHaveLength(found);
  });
});

describe('the messages', () => {
  it('keep to the words of the glossary', () => {
    const shipped = readSources().filter(({ path }) => /^(internal|cmd|client|embedded)\//.test(path));
    expect(shipped.flatMap(findingsInMessages)).toEqual([]);
  });

  it('are found', () => {
    const text = "throw new Error(`it holds more`); log('is told of it'); map.get('hold'); // 'it holds'";
    expect(findingsInMessages(parseSource('a.ts', text))).toHaveLength(2);
  });
});

describe('the names of tests', () => {
  it('keep to the words of the glossary', () => {
    expect(
      readSources()
        .filter(({ path }) => path.startsWith('test/'))
        .flatMap(findingsInTestNames),
    ).toEqual([]);
  });

  it('are found', () => {
    const text =
      "describe('what it holds', () => { it.each([1])('is told of %d', f); it('is', () => g('it holds')); });";
    expect(findingsInTestNames(parseSource('a.test.ts', text))).toHaveLength(2);
  });
});
