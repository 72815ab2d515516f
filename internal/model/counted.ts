/** `1 record`, `2 records`: a count with its noun, and with the verb where that follows. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
