/** A configuration as YAML in the file's own spelling; loading it gives the same configuration, but for the query of a URL, which may be a credential. */
import { type Document, isScalar, parseDocument, stringify } from 'yaml';
import { type BinaryKind, type ConfigOf, sectionsOf } from '#config/binaries.ts';
import { nestGroups } from '#config/groups.ts';

/** `origins`: where keys were set, to stand behind each as a comment (`loadWithOrigins`); undefined: no comments. */
export function printConfig(config: ConfigOf<BinaryKind>, origins?: ReadonlyMap<string, string>): string {
  const printed = sectionsIn(config).map(([name, values]) => [name, nestGroups(values)]);
  const text = stringify(Object.fromEntries(printed));
  if (origins === undefined) return text;
  const document = parseDocument(text);
  for (const name of printedKeys(config).keys()) addComment(document, name, origins.get(name) ?? 'default');
  return document.toString();
}

/** Every key as `section.key`, with its value in the file's spelling. */
export function printedKeys(config: ConfigOf<BinaryKind>): Map<string, string> {
  const keys = sectionsIn(config).flatMap(([section, values]) =>
    Object.entries(values).map(([key, value]) => [`${section}.${key}`, showValue(value)] as const),
  );
  return new Map(keys);
}

/** The same of keys of which `printedKeys` hides a part. Never show them. */
export function hiddenKeys(config: ConfigOf<BinaryKind>): Map<string, string | undefined> {
  const values = config as unknown as Readonly<Record<string, unknown>>;
  const keys = Object.entries(sectionsOf(config.kind)).flatMap(([name, section]) =>
    Object.entries(section.hidden(values[name])).map(([key, value]) => [`${name}.${key}`, value] as const),
  );
  return new Map(keys);
}

function sectionsIn(config: ConfigOf<BinaryKind>): [string, Record<string, unknown>][] {
  const values = config as unknown as Readonly<Record<string, unknown>>;
  return Object.entries(sectionsOf(config.kind)).map(([name, section]) => [
    name,
    section.print(values[name]),
  ]);
}

function showValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Behind a value on its line; a list takes several, so its comment is the first. */
function addComment(document: Document, name: string, origin: string): void {
  const node = document.getIn(name.split('.'), true) as { comment?: string; commentBefore?: string };
  if (isScalar(node)) node.comment = ` ${origin}`;
  else node.commentBefore = ` ${origin}`;
}
