/**
 * One section of a configuration file: its keys, what their values become, and
 * how that is written in a file again. Kinds of binaries are composed from
 * sections (`binaries.ts`), so a section is defined once for all that take it.
 */
import { z } from 'zod';

/** The schema of each key; a key of a group has a dot, such as `tls.cert` (`groups.ts`). */
export type KeySchemas = Readonly<Record<string, z.ZodType>>;

/** The memory that this process may use and the directory in which it runs: some defaults and paths depend on them. */
export interface Surroundings {
  readonly memoryLimitBytes: number;
  /** The directory that relative paths start from; undefined leaves them as they are written. */
  readonly cwd: string | undefined;
}

export interface Section<Config> {
  keys(surroundings: Surroundings): KeySchemas;
  /** Refuses unknown keys; gives the section in plain units. */
  schema(surroundings: Surroundings): z.ZodType<Config>;
  /** Keys and values as a file has them; loading them gives the same configuration, except of secrets, which are left out. */
  print(config: Config): Record<string, unknown>;
  /** The values of keys of which `print` hides a part, to find out whether they changed. Never show them. */
  hidden(config: Config): Readonly<Record<string, string | undefined>>;
  /** Keys that the environment and `--set` cannot set, as their values are no plain text. */
  readonly fileOnly: readonly string[];
}

/** The checked values of these keys, in plain units. */
export type ValuesOf<Keys extends KeySchemas> = { readonly [Key in keyof Keys]: z.output<Keys[Key]> };

interface Definition<Keys extends KeySchemas, Config> {
  keys(surroundings: Surroundings): Keys;
  read(values: ValuesOf<Keys>, surroundings: Surroundings): Config;
  print(config: Config): Record<string, unknown>;
  hidden?(config: Config): Readonly<Record<string, string | undefined>>;
  readonly fileOnly?: readonly (keyof Keys & string)[];
}

export function defineSection<Keys extends KeySchemas, Config>(
  definition: Definition<Keys, Config>,
): Section<Config> {
  const { keys, read, print, hidden = () => ({}), fileOnly = [] } = definition;
  const schema = (surroundings: Surroundings): z.ZodType<Config> =>
    z
      .strictObject(keys(surroundings))
      .transform((values) => read(values as unknown as ValuesOf<Keys>, surroundings));
  return { keys, schema, print, hidden, fileOnly };
}
