/** What the watchers of the bench watch: disjoint prefixes, and keys that each match one. */
export function prefixOf(index: number): string {
  return `tenant-${index}:`;
}

export function keyOf(index: number, turn: number): string {
  return `${prefixOf(index)}item-${turn % 100}`;
}
