/**
 * Groups of keys within a section: what a file has as `tls:` with `cert:` below it is the key
 * `tls.cert` everywhere else, so that a schema, an override and a message know one kind of key. Pure.
 */
import { splitOnce } from '#config/overrides.ts';
import type { KeySchemas } from '#config/section.ts';
import type { KeyPath, RawSection } from '#config/yaml-source.ts';

/** True if `name` is a group of which `keys` has some. */
export function isGroup(keys: KeySchemas | undefined, name: string | undefined): boolean {
  return keys !== undefined && Object.keys(keys).some((key) => key.startsWith(`${name}.`));
}

/** Replaces each group in `section` by its keys. Gives the keys that a file wrote with a dot, which no file may. */
export function flattenGroups(section: RawSection, keys: KeySchemas): string[] {
  const dotted = Object.keys(section).filter((key) => Object.hasOwn(keys, key) && key.includes('.'));
  for (const key of dotted) delete section[key];
  for (const [name, value] of Object.entries(section)) {
    const isMapping = typeof value === 'object' && !Array.isArray(value);
    if (!isMapping || !isGroup(keys, name)) continue;
    delete section[name];
    for (const [key, each] of Object.entries(value ?? {})) section[`${name}.${key}`] = each;
  }
  return dotted;
}

/** The reverse, for a file. */
export function nestGroups(section: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const nested: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(section)) {
    const [group = '', key] = name.split('.');
    if (key === undefined) nested[name] = value;
    else nested[group] = { ...(nested[group] as object | undefined), [key]: value };
  }
  return nested;
}

/** Where a file has the key of this path: one step for a group and one for the key. */
export function placeOf(path: KeyPath, keys: KeySchemas | undefined): KeyPath {
  const [section = '', key = '', ...rest] = path;
  const [group, own] = splitOnce(key, '.');
  return own !== undefined && isGroup(keys, group) ? [section, group, own, ...rest] : path;
}
