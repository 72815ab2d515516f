/** Values in messages. Pure. */

const TEXT_MAX = 40;
const VOWEL = /^[AEIO]/i;

/** A value that is not what was expected, as a message shows it: short, and told from one of another type. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, TEXT_MAX));
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return 'a list';
  if (typeof value !== 'object' || value === null) return String(value);
  const name: unknown = value.constructor?.name;
  if (typeof name !== 'string' || name === '' || name === 'Object') return 'an object';
  return `${VOWEL.test(name) ? 'an' : 'a'} ${name}`;
}
