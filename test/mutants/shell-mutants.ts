/** Planted bugs of the tool's shell, its contexts, and what shows keys and configuration. */
import type { Mutant } from './mutant.ts';

const CONTEXT = 'test/cli/context.test.ts';
const SHELL = 'test/cli/shell.test.ts';
const KEYS = 'test/cli/key-figures.test.ts';
const LOOKS = 'test/node/hot-key-looks.test.ts';
const CONFIG = 'test/cli/doctor-config.test.ts';

export const SHELL_MUTANTS: readonly Mutant[] = [
  {
    name: 'tool that sends the token of a context in use to any node that is named',
    file: 'cmd/walnut/context/choose-context.ts',
    text: "  return source === 'default' ? env['WALNUT_CONTEXT'] || current : undefined;",
    replacement: "  return env['WALNUT_CONTEXT'] || current;",
    tests: [CONTEXT],
  },
  {
    name: 'contexts that any user of the machine may read',
    file: 'cmd/walnut/context/context-file.ts',
    text: "{ mode: 0o600, flag: 'wx', flush: true }",
    replacement: "{ mode: 0o644, flag: 'wx', flush: true }",
    tests: [CONTEXT],
  },
  {
    name: 'context with nodes by TLS and without under one token',
    file: 'cmd/walnut/context/contexts.ts',
    text: '  if (new Set(addresses.map(({ isTls }) => isTls)).size > 1)',
    replacement: '  if (new Set(addresses.map(({ isTls }) => isTls)).size > 2)',
    tests: [CONTEXT],
  },
  {
    name: 'context whose second node is never called',
    file: 'cmd/walnut/context/first-answering.ts',
    text: '    if (!(await takesConnections(address))) continue;',
    replacement: '    if (!(await takesConnections(address))) return first;',
    tests: [CONTEXT],
  },
  {
    name: 'contexts that every command must be able to read',
    file: 'cmd/walnut/call/callee.ts',
    text: "const mayTakeOne = this.#options.context !== undefined || this.#source === 'default';",
    replacement: 'const mayTakeOne = true;',
    tests: [CONTEXT],
  },
  {
    name: 'shell that takes away backslashes within double quotes',
    file: 'cmd/walnut/repl/split-words.ts',
    text: `quote === '"' && !ESCAPED_IN_DOUBLE_QUOTES.test(next)`,
    replacement: `quote === '"' && next === ''`,
    tests: [SHELL],
  },
  {
    name: 'tool that waits for an answer after Ctrl-C',
    file: 'cmd/walnut/call/connection.ts',
    text: "    signal?.addEventListener('abort', giveUp, { once: true });",
    replacement: '',
    tests: ['test/cli/interruption.test.ts'],
  },
  {
    name: 'comparison that takes Ctrl-C for the silence of a node',
    file: 'cmd/walnut/group/digest-compare.ts',
    text: '    if (error instanceof InterruptedCallError) throw error;\n    return undefined;',
    replacement: '    return undefined;',
    tests: ['test/cli/interruption.test.ts'],
  },
  {
    name: 'shell that keeps tokens in its history',
    file: 'cmd/walnut/repl/history.ts',
    text: ' && !SECRET.test(line);',
    replacement: ' && !SECRET.test(line.slice(0, 4));',
    tests: [SHELL],
  },
  {
    name: 'history that others may read',
    file: 'cmd/walnut/repl/history.ts',
    text: '      await file.chmod(MODE);',
    replacement: '      await file.chmod(MODE | 0o044);',
    tests: [SHELL],
  },
  {
    name: 'history that grows for ever',
    file: 'cmd/walnut/repl/history.ts',
    text: '    await file.truncate(0);',
    replacement: '    await file.truncate(size);',
    tests: [SHELL],
  },
  {
    name: 'shell that opens a connection for each command',
    file: 'cmd/walnut/call/connection.ts',
    text: '  CLIENTS.set(address, clients);',
    replacement: '  CLIENTS.delete(address);',
    tests: [SHELL],
  },
  {
    name: 'commands on stdin that go on after a failure',
    file: 'cmd/walnut/repl/run-lines.ts',
    text: '    if (code !== EXIT.ok && code !== EXIT.negative) return first;',
    replacement: '    if (code === EXIT.bug) return first;',
    tests: [SHELL],
  },
  {
    name: 'commands on stdin whose exit code is that of the last',
    file: 'cmd/walnut/repl/run-lines.ts',
    text: '    if (first === EXIT.ok) first = code;',
    replacement: '    first = code;',
    tests: [SHELL],
  },
  {
    name: 'Tab that offers keys which a terminal obeys',
    file: 'cmd/walnut/repl/complete.ts',
    text: '.filter(isPlain).map(quoteWord)',
    replacement: '.map(quoteWord)',
    tests: [SHELL],
  },
  {
    name: 'largest keys that are only those that came first',
    file: 'cmd/walnut/figures/key-sizes.ts',
    text: 'last.memoryBytes >= sized.memoryBytes) return;',
    replacement: 'last.memoryBytes >= 0) return;',
    tests: [KEYS],
  },
  {
    name: 'prefixes without a bound',
    file: 'cmd/walnut/figures/key-sizes.ts',
    text: 'this.#prefixes.size >= PREFIXES_MAX)',
    replacement: 'this.#prefixes.size < 0)',
    tests: [KEYS],
  },
  {
    name: 'hot keys that count a key again while nobody uses it',
    file: 'internal/node/hot-key-looks.ts',
    text: '      if (more === 0 || last.key === undefined) continue;',
    replacement: '      if (last.key === undefined) continue;',
    tests: [LOOKS],
  },
  {
    name: 'hot keys without a bound on callers',
    file: 'internal/node/hot-key-looks.ts',
    text: '    if (this.#calls >= CALLS_MAX)',
    replacement: '    if (this.#calls < 0)',
    tests: [LOOKS],
  },
  {
    name: 'last use of an entry that the eviction scope leaves out',
    file: 'internal/storage/recency.ts',
    text: '    this.#lastUnlisted = slot;',
    replacement: '    this.#lastUnlisted = NO_SLOT;',
    tests: [LOOKS],
  },
  {
    name: 'doctor that leaves a file in the data directory',
    file: 'cmd/walnut/doctor/disk-syncs.ts',
    text: '    await fileSystem.remove(path);',
    replacement: '    await fileSystem.stat(path);',
    tests: [CONFIG],
  },
  {
    name: 'doctor that finds a slow disk good enough for fsync always',
    file: 'cmd/walnut/doctor/config-checks.ts',
    text: "config.wal.fsync === 'always' && medianMs",
    replacement: "config.wal.fsync === 'never' && medianMs",
    tests: [CONFIG],
  },
];
