/** A YAML file as plain sections, remembering where in the file each key stands. */
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type YAMLError,
  type YAMLMap,
} from 'yaml';

export type RawSection = Record<string, unknown>;

/** `section` and, below it, `key`; below a list the number of an item. */
export type KeyPath = readonly string[];

export interface YamlSource {
  /**
   * What the file says, unchecked; neither it nor a section inherits anything. An empty section
   * (`log:` with every key commented out) has no keys.
   */
  readonly values: Record<string, unknown>;
  /** `file:line:column` of a key's value, or of the key itself. If it is missing: the position of its section, or of the document. */
  locate(path: KeyPath, what: 'key' | 'value'): string;
  /** Errors in the YAML, one line each. */
  readonly problems: readonly string[];
}

export function parseYaml(file: string, text: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  // A tag or directive that is not known changes what the file says.
  const found = [...document.errors, ...document.warnings];
  const problems = found.map((each) => `${at(each.pos[0])} ${describeError(each, text)}`);
  const root = document.contents;
  const isUsable = root === null || isMap(root) || (isScalar(root) && root.value === null);
  if (problems.length === 0 && !isUsable) {
    problems.push(`${at(root.range?.[0] ?? 0)} expected sections such as "server:" with keys below them`);
  }
  let values: Record<string, unknown> = emptySection();
  try {
    if (problems.length === 0 && isMap(root)) values = readSections(document.toJS());
  } catch (error) {
    // An alias without its anchor, or so many that the file is an attack.
    problems.push(`${at(root?.range?.[0] ?? 0)} ${onOneLine((error as Error).message)}`);
  }
  return {
    values,
    locate: (path, what) => at(findOffset(isMap(root) ? root : undefined, path, what)),
    problems,
  };
}

function describeError({ code, message, pos: [offset] }: YAMLError, text: string): string {
  if (code === 'MULTIPLE_DOCS')
    return 'expected one YAML document: "---" begins a second one; put all sections into the first';
  if (code !== 'DUPLICATE_KEY') return onOneLine(message);
  const [key = 'a key'] = /^["']?[\w.-]{1,64}["']?/.exec(text.slice(offset)) ?? [];
  return `${key}: expected each key once, and this one is there already`;
}

/** The library quotes the file, which may contain anything. */
function onOneLine(message: string): string {
  return message.replace(/\p{Cc}+/gu, ' ');
}

function readSections(values: Record<string, unknown>): Record<string, unknown> {
  const sections = emptySection();
  for (const [name, section] of Object.entries(values)) {
    const isSection = typeof section === 'object' && !Array.isArray(section);
    sections[name] = isSection ? Object.assign(emptySection(), section) : section;
  }
  return sections;
}

/** A section in which every name that was not put there is missing, `constructor` too. */
export function emptySection(): RawSection {
  return Object.create(null) as RawSection;
}

function findOffset(root: YAMLMap | undefined, path: KeyPath, what: 'key' | 'value'): number {
  let offset = 0;
  let node: unknown = root;
  for (const [depth, name] of path.entries()) {
    if (isSeq(node)) {
      node = node.items[Number(name)];
      offset = (node as Ranged | undefined)?.range?.[0] ?? offset;
      continue;
    }
    const map = isMap(node) ? node : undefined;
    const pair = map?.items.find((item) => nameOf(item) === name);
    if (pair === undefined) break;
    const { key, value } = pair as unknown as { key: Ranged; value: Ranged | null };
    const isLast = depth === path.length - 1;
    const isValueWanted = isLast && what === 'value' && value !== null;
    offset = (isValueWanted ? value : key).range?.[0] ?? offset;
    node = value;
  }
  return offset;
}

interface Ranged {
  readonly range?: readonly number[] | null;
}

function nameOf(pair: Pair): string {
  return isScalar(pair.key) ? String(pair.key.value) : '';
}
