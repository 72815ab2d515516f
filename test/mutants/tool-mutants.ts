/** Planted bugs of the command line tool. */
import type { Mutant } from './mutant.ts';

const DOCTOR = 'test/cli/doctor.test.ts';
const FIGURES = 'test/cli/figures.test.ts';

export const TOOL_MUTANTS: readonly Mutant[] = [
  {
    name: 'RTO of a drill that leaves groups out',
    file: 'cmd/walnut/cluster/backup-views.ts',
    text: 'Math.max(0, ...lines.map(({ tookMs }) => tookMs))',
    replacement: 'Math.min(...lines.map(({ tookMs }) => tookMs))',
    tests: ['test/cli/cluster-backup.test.ts'],
  },
  {
    name: 'doctor: an answer of DATA_LOSS is told as a fault of the node',
    file: 'cmd/walnut/figures/call-figures.ts',
    text: "new Set(['internal', 'unknown'])",
    replacement: "new Set(['internal', 'unknown', 'data_loss'])",
    tests: ['test/cli/doctor.test.ts'],
  },
  {
    name: 'tool that takes a short write of its output for a whole one',
    file: 'internal/platform/standard-output.ts',
    text: '  for (let at = 0; at < bytes.length; ) at += writeSync(STDOUT, bytes, at);',
    replacement: '  writeSync(STDOUT, bytes);',
    tests: ['test/cli/process.test.ts'],
  },
  {
    name: 'tool whose failed output has an answer’s exit code',
    file: 'cmd/walnut/cli-error.ts',
    text: '  inputOutput: 6,',
    replacement: '  inputOutput: 1,',
    tests: ['test/cli/process.test.ts'],
  },
  {
    name: 'tool that lets a terminal obey what a node answers',
    file: 'cmd/walnut/output/terminal.ts',
    text: '  const clean = (text: string): string => mapParts(text, escapeControls, (sequence) => sequence);',
    replacement: '  const clean = (text: string): string => mapParts(text, String, (sequence) => sequence);',
    tests: ['test/cli/terminal.test.ts'],
  },
  {
    name: 'tool that lets a node write lines of its own',
    file: 'cmd/walnut/output/terminal.ts',
    text: "  return mapForeign(text, (part) => escapeControls(part).replaceAll('\\n', '\\\\n').replaceAll('\\t', '\\\\t'));",
    replacement: '  return mapForeign(text, escapeControls);',
    tests: ['test/cli/terminal.test.ts'],
  },
  {
    name: 'tool that takes the value of --address for its command',
    file: 'cmd/walnut/command-table.ts',
    text: '    if (VALUED.has(argument)) i++;',
    replacement: '    if (VALUED.has(argument)) continue;',
    tests: ['test/cli/program.test.ts'],
  },
  {
    name: 'tool that does without the options that npm swallowed',
    file: 'cmd/walnut/program.ts',
    text: '      refuseSwallowed(program, io);\n',
    replacement: '',
    tests: ['test/cli/npm-run.test.ts'],
  },
  {
    name: 'del of several keys that leaves out the first',
    file: 'cmd/walnut/keys/several-keys.ts',
    text: 'for (const key of keys.slice(results.length)) results.push(await call(clients, key));',
    replacement: 'for (const key of keys.slice(1)) results.push(await call(clients, key));',
    tests: ['test/cli/several-keys.test.ts'],
  },
  {
    name: 'deletions before a failure not shown',
    file: 'cmd/walnut/keys/several-keys.ts',
    text: '    if (results.length > 0) await showResults(invocation, keys, results);',
    replacement: '    if (results.length === keys.length) await showResults(invocation, keys, results);',
    tests: ['test/cli/several-keys.test.ts'],
  },
  {
    name: 'completion that takes a key for a command',
    file: 'cmd/walnut/completion/scripts.ts',
    text: ') at="$at',
    replacement: '|*) at="$at',
    tests: ['test/cli/completion.test.ts'],
  },
  {
    name: 'authority that cannot be read a bug of the tool where a token is read too',
    file: 'cmd/walnut/call/reach.ts',
    text: '    const dialer = isTls ? await tls : undefined;\n    credential ??= readCredential(options, env);\n    return (await credential)({ ...address, tls: dialer });',
    replacement:
      '    credential ??= readCredential(options, env);\n    return (await credential)({ ...address, tls: isTls ? await tls : undefined });',
    tests: ['test/cli/reach.test.ts'],
  },
  {
    name: 'top that counts streams among the calls',
    file: 'cmd/walnut/figures/call-figures.ts',
    text: ' && !STREAMS.has(method),',
    replacement: ' && !STREAMS.has(KEYS),',
    tests: [FIGURES],
  },
  {
    name: 'top that shows the time since the start for that between two looks',
    file: 'cmd/walnut/figures/node-load.ts',
    text: 'calls.seconds.since(earlier.seconds)',
    replacement: 'calls.seconds.since(calls.seconds.since(calls.seconds))',
    tests: [FIGURES],
  },
  {
    name: 'histograms that are negative after a restart of the node',
    file: 'cmd/walnut/figures/histogram.ts',
    text: '    if (this.count < before.count) return this;',
    replacement: '',
    tests: [FIGURES],
  },
  {
    name: 'percentile without a bound told as the last bound',
    file: 'cmd/walnut/figures/histogram.ts',
    text: 'return to === Number.POSITIVE_INFINITY ? to : from',
    replacement: 'return to === Number.POSITIVE_INFINITY ? from : from',
    tests: [FIGURES],
  },
  {
    name: 'labels of metrics with their escapes',
    file: 'cmd/walnut/figures/metrics-page.ts',
    text: 'ESCAPED[escaped] ?? escaped);',
    replacement: 'ESCAPED[escaped] ?? escaped + escaped);',
    tests: [FIGURES],
  },
  {
    name: 'doctor whose problems end with exit code 0',
    file: 'cmd/walnut/doctor/doctor-command.ts',
    text: '  if (problems.length === 0) return EXIT.ok;',
    replacement: '  if (problems.length >= 0) return EXIT.ok;',
    tests: [DOCTOR],
  },
  {
    name: 'doctor that takes a delayed replica for a late one',
    file: 'cmd/walnut/doctor/node-checks.ts',
    text: ' && state !== NodeState.DELAYED;',
    replacement: ' && state !== NodeState.UNSPECIFIED;',
    tests: [DOCTOR],
  },
  {
    name: 'doctor that looks at the last certificate only',
    file: 'cmd/walnut/doctor/node-checks.ts',
    text: '      const soonest = Math.min(',
    replacement: '      const soonest = Math.max(',
    tests: [DOCTOR],
  },
];
