/** Options of calls on an embedded replica or node: those that do not exist are refused by name. Pure. */
import { invalidArgument } from '#model/errors.ts';
import { silentLogger } from '#platform/logger.ts';
import { shown } from '#platform/shown.ts';

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

/** The methods of a logger. */
const METHODS = Object.keys(silentLogger);

/** Throws `invalid_argument` unless the value is undefined or has every method of a logger. */
export function checkLogger(logger: unknown): void {
  if (logger === undefined || METHODS.every((name) => typeof methodsOf(logger)?.[name] === 'function'))
    return;
  throw invalidArgument(`logger is ${shown(logger)}: expected an object with ${METHODS.join(', ')}`);
}

function methodsOf(logger: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof logger === 'object' && logger !== null ? (logger as Record<string, unknown>) : undefined;
}

/** Throws `invalid_argument` unless the value is undefined or a function. */
export function checkFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return;
  throw invalidArgument(`${name} is ${shown(value)}: expected a function`);
}

/** Throws `invalid_argument` unless the value is undefined or a time that ends. */
export function checkMs(name: string, ms: unknown): void {
  if (ms === undefined || (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0)) return;
  throw invalidArgument(`${name} is ${shown(ms)}: expected milliseconds, 0 or more`);
}
