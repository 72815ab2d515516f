/**
 * YAML → typed configuration. Precedence: file, then the environment, then
 * `--set`. Everything wrong is reported at once by a `ConfigError`, each line
 * as `file:line:column section.key: what was expected`.
 */
import { z } from 'zod';
import {
  areAlike,
  BINARY_KINDS,
  type BinaryKind,
  type ConfigOf,
  commandOf,
  keysOf,
  type SectionKeys,
  sectionsOf,
  takersOf,
} from '#config/binaries.ts';
import type { CrossProblem } from '#config/check-security.ts';
import { checkTogether } from '#config/check-together.ts';
import { ConfigError } from '#config/config-error.ts';
import { flattenGroups, isGroup, placeOf } from '#config/groups.ts';
import { meantVariable } from '#config/misspelt-variables.ts';
import { coerce, findClashes, type Override, readEnvironment, readSets } from '#config/overrides.ts';
import type { Surroundings } from '#config/section.ts';
import { suggestKey } from '#config/suggest-key.ts';
import {
  emptySection,
  type KeyPath,
  parseYaml,
  type RawSection,
  type YamlSource,
} from '#config/yaml-source.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { ownValue } from '#platform/own-value.ts';

export interface ConfigSource<Kind extends BinaryKind = BinaryKind> {
  readonly kind: Kind;
  /** How messages call the file. */
  readonly file: string;
  readonly text: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** `section.key=value`, as given to `--set`. */
  readonly sets?: readonly string[];
  /** Like `sets`, and stronger: what the running process was asked to change. */
  readonly changes?: readonly string[];
  /** The working directory, from which a relative `wal.directory` starts. Default: it stays as it is written. */
  readonly cwd?: string;
  /** Bytes this process may use; default: the cgroup's limit or the RAM. */
  readonly memoryLimitBytes?: number;
}

export interface LoadedConfig<Kind extends BinaryKind = BinaryKind> {
  readonly config: ConfigOf<Kind>;
  /** Where each key that is set was set, by `section.key`: a place in the file, a variable, or a flag. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Throws `ConfigError`. */
export function loadConfig<Kind extends BinaryKind>(source: ConfigSource<Kind>): ConfigOf<Kind> {
  return loadWithOrigins(source).config;
}

/** Throws `ConfigError`. */
export function loadWithOrigins<Kind extends BinaryKind>(source: ConfigSource<Kind>): LoadedConfig<Kind> {
  const { kind, cwd } = source;
  const surroundings = { memoryLimitBytes: source.memoryLimitBytes ?? memoryLimitBytes(), cwd };
  const yaml = parseYaml(source.file, source.text);
  const { overrides, problems } = readSets(source.sets ?? []);
  const changes = readSets(source.changes ?? [], 'SetConfig');
  problems.push(...changes.problems);
  overrides.push(...changes.overrides);
  if (yaml.problems.length > 0) throw failure(source.file, [...yaml.problems, ...problems]);

  const keys = keysOf(kind, surroundings);
  problems.push(...flattenAll(yaml, keys));
  const variables = readEnvironment(source.env ?? {});
  const { taken, refused } = refuseFileOnly(kind, [...variables, ...overrides]);
  problems.push(...refused, ...findClashes(variables));
  const labels = applyOverrides(yaml.values, taken, keys);
  const origins = originsOf(yaml, labels, keys);
  const absent = Object.keys(sectionsOf(kind)).filter((name) => yaml.values[name] === undefined);
  const { config, issues } = readSections(kind, yaml.values, surroundings);
  const places = { yaml, labels, keys };
  // What was left out by now would be missed by other keys.
  const cross = problems.length > 0 ? [] : checkTogether(config, issues.flatMap(wrongIn));
  problems.push(...issues.flatMap((issue) => describeIssue(issue, { ...places, kind, absent })));
  problems.push(...cross.map((each) => describeCross(each, places)));
  if (problems.length > 0) throw failure(source.file, problems);
  return { config, origins };
}

interface ReadSections<Kind extends BinaryKind> {
  /** Where there are issues: by the keys that are right. A section is missing where it needs one of the others. */
  readonly config: ConfigOf<Kind>;
  readonly issues: readonly z.core.$ZodIssue[];
}

function readSections<Kind extends BinaryKind>(
  kind: Kind,
  values: Record<string, unknown>,
  surroundings: Surroundings,
): ReadSections<Kind> {
  const schemas = Object.entries(sectionsOf(kind)).map(([name, section]) => {
    values[name] ??= emptySection();
    return [name, section.schema(surroundings)] as const;
  });
  const result = z.strictObject(Object.fromEntries(schemas)).safeParse(values);
  if (result.success) return { config: { kind, ...result.data } as unknown as ConfigOf<Kind>, issues: [] };
  const { issues } = result.error;
  const wrong = new Set(issues.flatMap(wrongIn));
  const read = schemas.map(([name, schema]) => {
    const given = Object.entries(values[name] ?? {}).filter(([key]) => !wrong.has(`${name}.${key}`));
    return [name, schema.safeParse(Object.fromEntries(given)).data];
  });
  return { config: { kind, ...Object.fromEntries(read) } as ConfigOf<Kind>, issues };
}

/** The sections and `section.key` of an issue. */
function wrongIn(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.slice(0, 2).map(String);
  return issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => [...path, key].join('.'))
    : [path.join('.')];
}

/** In the order of the file; what came by other ways follows. */
function failure(file: string, problems: readonly string[]): ConfigError {
  const placed = problems.map((text) => {
    const [, line, column] =
      (text.startsWith(`${file}:`) && /^(\d+):(\d+) /.exec(text.slice(file.length + 1))) || [];
    return { text, line: Number(line ?? Number.POSITIVE_INFINITY), column: Number(column ?? 0) };
  });
  placed.sort((a, b) => (a.line === b.line ? a.column - b.column : a.line < b.line ? -1 : 1));
  return new ConfigError(placed.map(({ text }) => text));
}

/** Makes plain keys of all groups in the file; one message for each key that it wrote with a dot. */
function flattenAll({ values, locate }: YamlSource, keys: SectionKeys): string[] {
  return Object.entries(keys).flatMap(([name, schemas]) => {
    const section = values[name];
    if (typeof section !== 'object' || section === null || Array.isArray(section)) return [];
    return flattenGroups(section as RawSection, schemas).map((key) => {
      const [group, own] = key.split('.');
      return `${locate([name, key], 'key')} ${name}.${JSON.stringify(key)}: unknown key: expected ${own} below ${group}`;
    });
  });
}

/** Parts overrides from those of keys that only the file may set: one message for each of these, without its value. */
function refuseFileOnly(
  kind: BinaryKind,
  overrides: readonly Override[],
): { taken: readonly Override[]; refused: readonly string[] } {
  const isFileOnly = ({ section, key }: Override): boolean =>
    ownValue(sectionsOf(kind), section)?.fileOnly.includes(key) === true;
  const refused = overrides
    .filter(isFileOnly)
    .map(
      ({ section, key, label }) =>
        `${named(label, `${section}.${key}`)}: only the file sets it: expected ${key} below ${section} there`,
    );
  return { taken: overrides.filter((each) => !isFileOnly(each)), refused };
}

/** Puts overrides into `values`; the label of the last one for each `section.key`. */
function applyOverrides(
  values: Record<string, unknown>,
  overrides: readonly Override[],
  keys: SectionKeys,
): Map<string, string> {
  const labels = new Map<string, string>();
  for (const { section, key, text, label } of overrides) {
    values[section] ??= emptySection();
    const target = values[section];
    if (typeof target !== 'object' || target === null || Array.isArray(target)) continue;
    (target as RawSection)[key] = coerce(ownValue(ownValue(keys, section), key), text);
    labels.set(`${section}.${key}`, label);
  }
  return labels;
}

function originsOf(
  yaml: YamlSource,
  labels: ReadonlyMap<string, string>,
  keys: SectionKeys,
): Map<string, string> {
  const origins = new Map<string, string>();
  for (const [section, values] of Object.entries(yaml.values)) {
    if (typeof values !== 'object' || values === null) continue;
    for (const key of Object.keys(values))
      origins.set(`${section}.${key}`, locate([section, key], 'value', { yaml, labels, keys }));
  }
  return origins;
}

/** What places in the file, and of overrides, are found by. */
interface Places {
  readonly yaml: YamlSource;
  readonly labels: ReadonlyMap<string, string>;
  readonly keys: SectionKeys;
}

interface Context extends Places {
  readonly kind: BinaryKind;
  /** Sections in which neither the file nor an override sets a key. */
  readonly absent: readonly string[];
}

function describeIssue(issue: z.core.$ZodIssue, context: Context): string[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.flatMap((key) => describeUnknown([...path, key], context));
  }
  // The only other issue that is not in our own words: a section that is no mapping.
  const message = issue.code === 'custom' ? issue.message : 'expected keys below it, each with a value';
  return [
    `${named(locate(path, 'value', context), showPath(path))}: ${message}${describeNeed(path, context)}`,
  ];
}

/** The place of what is within a value is that of the part, such as one user of a list. */
function describeCross({ section, key, within = '', message }: CrossProblem, places: Places): string {
  const path = [section, key, ...(within.match(/[^.[\]]+/g) ?? [])];
  return `${named(locate(path, 'value', places), `${section}.${key}`)}${within}: ${message}`;
}

/** A hint for a missing section that another binary does not have: the file may be meant for that binary. */
function describeNeed([section = '']: KeyPath, { kind, absent }: Context): string {
  const takers = takersOf(section);
  const others = BINARY_KINDS.filter((other) => areAlike(kind, other))
    .map(commandOf)
    .filter((command) => !takers.includes(command));
  if (!absent.includes(section) || others.length === 0) return '';
  return `; ${commandOf(kind)} needs it, so add it or start ${others.join(', ')}`;
}

function describeUnknown(path: KeyPath, context: Context): string[] {
  const [section = '', key] = path;
  const { kind, labels, keys } = context;
  const takers = takersOf(section, key);
  const others = takers.join(', ');
  const why =
    takers.length === 0
      ? 'unknown key'
      : `unknown key of ${commandOf(kind)}: only ${others} takes it, so remove it or start ${others}`;
  // An unknown section that only overrides filled is reported for each of them.
  if (isGroup(ownValue(keys, section), key)) {
    return [
      `${named(locate(path, 'value', context), showPath(path))}: expected keys below it, each with a value`,
    ];
  }
  const fromOverrides = [...labels].filter(([name]) => name.startsWith(`${section}.`));
  if (key === undefined && fromOverrides.length > 0) {
    return fromOverrides.map(([name, label]) => {
      const meant = meantVariable(kind, label) ?? suggestInSection(keys, name);
      return `${named(label, name)}: ${why}${takers.length > 0 ? '' : didYouMean(meant)}`;
    });
  }
  const hint = takers.length > 0 ? '' : didYouMean(suggestKey(keys, section, key));
  return [`${named(locate(path, 'key', context), showPath(path))}: ${why}${hint}`];
}

/** The key of a section that was probably meant. */
function suggestInSection(keys: SectionKeys, name: string): string | undefined {
  const [written = '', ...rest] = name.split('.');
  const section = suggestKey(keys, written, undefined);
  const key = rest.join('.');
  return section !== undefined && Object.hasOwn(keys[section] ?? {}, key) ? `${section}.${key}` : section;
}

function didYouMean(suggestion: string | undefined): string {
  return suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
}

/** A key of the file may be any text: one that is no plain word, or two with a dot, is quoted, and cut. */
function showPath(path: KeyPath): string {
  return path
    .map((name) => (/^[\w-]{1,64}(?:\.[\w-]{1,64})?$/.test(name) ? name : JSON.stringify(name.slice(0, 64))))
    .join('.');
}

/** A place and the key there. The place of `--set` and SetConfig names the key already. */
export function named(place: string, key: string): string {
  return place.endsWith(` ${key}`) ? place : `${place} ${key}`;
}

function locate(path: KeyPath, what: 'key' | 'value', { yaml, labels, keys }: Places): string {
  const label = labels.get(path.slice(0, 2).join('.'));
  return label ?? yaml.locate(placeOf(path, ownValue(keys, path[0] ?? '')), what);
}
