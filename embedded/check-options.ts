/** Options of calls on an embedded replica or node: those that do not exist are refused by name. Pure. */
import { invalidArgument } from '#model/errors.ts';
import { shown } from '../client/call-options.ts';

/** The names of all options of a type, which the compiler checks. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/** Throws `invalid_argument` unless the options are an object that has these names only. */
export function checkNames(options: unknown, names: Readonly<Record<string, true>>): void {
  const expected = Object.keys(names).join(', ');
  if (typeof options !== 'object' || options === null)
    throw invalidArgument(`options are ${shown(options)}: expected an object with ${expected}`);
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(names, name));
  if (unknown !== undefined)
    throw invalidArgument(`unknown option ${JSON.stringify(unknown)}: expected ${expected}`);
}

/** Throws `invalid_argument` unless the value is undefined or a time that ends. */
export function checkMs(name: string, ms: unknown): void {
  if (ms === undefined || (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0)) return;
  throw invalidArgument(`${name} is ${shown(ms)}: expected milliseconds, 0 or more`);
}
