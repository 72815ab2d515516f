/** Planted bugs of what is let in: names, hosts, sizes of messages. */
import type { Mutant } from './mutants.ts';

export const EDGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'sections of the configuration that inherit from Object',
    file: 'internal/config/yaml-source.ts',
    text: '  return Object.create(null) as RawSection;',
    replacement: '  return {};',
    tests: ['test/config/load-config.test.ts'],
  },
  {
    name: 'names of an input looked up in what every object has',
    file: 'internal/platform/own-value.ts',
    text: '  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;',
    replacement: '  return record?.[name];',
    tests: ['test/config/load-config.test.ts'],
  },
];
