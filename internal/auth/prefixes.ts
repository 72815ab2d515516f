/** Sets of keys, as prefixes. The empty prefix is every key, no prefix is none. Pure. */

/** The same keys in as few prefixes as possible, in order. */
export function fewest(prefixes: readonly string[]): readonly string[] {
  const kept: string[] = [];
  for (const prefix of [...prefixes].sort()) {
    const last = kept.at(-1);
    if (last === undefined || !prefix.startsWith(last)) kept.push(prefix);
  }
  return kept;
}

/** True if a key, or every key below a prefix, is among them. */
export function covers(prefixes: readonly string[], key: string): boolean {
  for (const prefix of prefixes) if (key.startsWith(prefix)) return true;
  return false;
}

export function isEverything(prefixes: readonly string[]): boolean {
  return prefixes[0] === '';
}

/** What of the keys below `asked` is among them, as prefixes. */
export function within(prefixes: readonly string[], asked: string): readonly string[] {
  return covers(prefixes, asked) ? [asked] : prefixes.filter((prefix) => prefix.startsWith(asked));
}
