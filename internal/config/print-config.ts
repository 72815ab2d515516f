/** A configuration as YAML in the file's own spelling; loading it gives the same configuration. */
import { stringify } from 'yaml';
import { type BinaryKind, type ConfigOf, sectionsOf } from '#config/binaries.ts';
import { nestGroups } from '#config/groups.ts';

export function printConfig(config: ConfigOf<BinaryKind>): string {
  const values = config as unknown as Readonly<Record<string, unknown>>;
  const printed = Object.entries(sectionsOf(config.kind)).map(([name, section]) => [
    name,
    nestGroups(section.print(values[name])),
  ]);
  return stringify(Object.fromEntries(printed));
}
