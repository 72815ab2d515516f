/** Planted bugs of changes without a restart. */
import type { Mutant } from './mutant.ts';

const SETTINGS = 'test/cmd/settings.test.ts';
const FILE = 'cmd/run/settings.ts';

export const SETTINGS_MUTANTS: readonly Mutant[] = [
  {
    name: 'a process on another port of the same host is taken for itself',
    file: 'internal/config/check-addresses.ts',
    text: '  if (called.port !== port) return false;',
    replacement: '',
    tests: ['test/config/doubtful.test.ts'],
  },
  {
    name: 'unknown tag of YAML ignored',
    file: 'internal/config/yaml-source.ts',
    text: '[...document.errors, ...document.warnings]',
    replacement: 'document.errors',
    tests: ['test/config/load-config.test.ts'],
  },
  {
    name: 'key blamed for another one that is wrong itself',
    file: 'internal/config/check-together.ts',
    text: '    .filter(({ needs }) => needs.every(isUsable))\n',
    replacement: '',
    tests: ['test/config/check-together.test.ts'],
  },
  {
    name: 'change of a key that needs a restart accepted and ignored',
    file: FILE,
    text: '    for (const key of changes.keys()) this.#checkChangeable(key);\n',
    replacement: '',
    tests: [SETTINGS],
  },
  {
    name: 'change that is refused remembered for the next one',
    file: FILE,
    text: '    if (own.length < changes.size) await',
    replacement: `    for (const [key, value] of own) this.#asked.set(key, value);
    if (own.length < changes.size) await`,
    tests: [SETTINGS],
  },
  {
    name: 'changes of the keys of a group that begin with the same limits',
    file: FILE,
    text: 'const changing = this.#changing.then(',
    replacement: 'const changing = Promise.resolve().then(',
    tests: [SETTINGS],
  },
  {
    name: 'file read again that leaves changes of before',
    file: FILE,
    text: '      this.#asked.clear();\n',
    replacement: '',
    tests: [SETTINGS],
  },
  {
    name: 'changed query of a URL not named as a key that needs a restart',
    file: FILE,
    text: ' || hidden.get(key) !== this.#hidden.get(key);',
    replacement: ';',
    tests: [SETTINGS],
  },
  {
    name: 'keys that need a restart named once only',
    file: FILE,
    text: '    return [...keys].filter((key) => differs(key) && !ofGroup.includes(key));',
    replacement: `    const pending = [...keys].filter((key) => now.get(key) !== this.#inForce.get(key));
    for (const key of pending) this.#inForce.set(key, now.get(key) ?? '');
    return pending;`,
    tests: [SETTINGS],
  },
  {
    name: 'SIGHUP that the launcher keeps from a node',
    file: 'bin/launch.cjs',
    text: '      if (isHangUp ? isServer : !isRepeat) kill(signal);',
    replacement: '      if (isHangUp ? !isServer : !isRepeat) kill(signal);',
    tests: ['test/cmd/signals.test.ts'],
  },
  {
    name: 'fewest replicas that a write needs accepted and ignored',
    file: 'cmd/node/compose-node.ts',
    text: 'options.minReplicasToWrite = config.replication.minReplicasToWrite;',
    replacement: 'void config;',
    tests: ['test/cmd/signals.test.ts'],
  },
  {
    name: 'master that refuses writes for want of replicas, and does not say so',
    file: 'internal/node/write-gate.ts',
    text: 'return few === undefined ? [] : [few];',
    replacement: 'return [];',
    tests: ['test/node/master-limits.test.ts'],
  },
  {
    name: 'log level that hides its own change',
    file: FILE,
    text: 'isQuieter ? [...lines, ...applies] : [...applies, ...lines]',
    replacement: 'isQuieter ? [...applies, ...lines] : [...applies, ...lines]',
    tests: [SETTINGS],
  },
  {
    name: 'configuration file that hangs read again by every SIGHUP',
    file: FILE,
    text: '    this.#reads++;\n',
    replacement: '',
    tests: [SETTINGS],
  },
  {
    name: 'configuration file that is waited for without an end',
    file: FILE,
    text: 'clock.after(READ_MS_MAX, () => reject(new ConfigError([late])));',
    replacement: 'clock.after(READ_MS_MAX, () => void late);',
    tests: [SETTINGS],
  },
  {
    name: 'SIGHUP passed on to a server that does not listen yet',
    file: 'bin/launch.cjs',
    text: ' && !isListening) isHungUp = true;',
    replacement: ' && child === undefined) isHungUp = true;',
    tests: ['test/cmd/signals.test.ts'],
  },
];
