/** Planted bugs of what stands beside the work: logs, signals, launchers. */
import type { Mutant } from './mutant.ts';

const OUTPUT = 'test/platform/line-output.test.ts';

export const PROCESS_MUTANTS: readonly Mutant[] = [
  {
    name: 'log line whose failure reaches its caller',
    file: 'internal/platform/line-output.ts',
    text: "      return this.#lastCode === 'EAGAIN' ? 0 : undefined;",
    replacement: "      if (this.#lastCode === 'EAGAIN') return 0;\n      throw error;",
    tests: [OUTPUT],
  },
  {
    name: 'log lines kept without a bound for a reader that never comes',
    file: 'internal/platform/line-output.ts',
    text: 'if (isFull || this.#gap !== undefined) {',
    replacement: 'if (this.#gap !== undefined) {',
    tests: [OUTPUT],
  },
  {
    name: 'gap in the log that nobody hears of',
    file: 'internal/platform/line-output.ts',
    text: '    this.#push(this.#options.describeGap(this.#gap));',
    replacement: '    // Nothing is said.',
    tests: [OUTPUT],
  },
  {
    name: 'hang-up that stops what nohup started',
    file: 'internal/platform/shutdown-signals.ts',
    text: '    [HANGUP, isOnTerminal ? stop : hangUp],',
    replacement: '    [HANGUP, stop],',
    tests: ['test/platform/shutdown.test.ts'],
  },
  {
    name: 'node that outlives its launcher',
    file: 'internal/platform/parent-process.ts',
    text: "    process.once('disconnect', onEnd);",
    replacement: '    // Nobody is told.',
    tests: ['test/cmd/signals.test.ts'],
  },
  {
    name: 'replica that npm start starts after its stop',
    file: 'cmd/local/process-set.ts',
    text: '    if (this.isStopping) return;\n    this.#down.delete(one);',
    replacement: '    this.#down.delete(one);',
    tests: ['test/cmd/group-run.test.ts'],
  },
  {
    name: 'killed node that npm run cluster:ha never starts again',
    file: 'cmd/local/process-set.ts',
    text: '  return code === 0 || /^SIG[A-Z]+$/.test(reason);',
    replacement: '  return code === 0 && /^SIG[A-Z]+$/.test(reason);',
    tests: ['test/cmd/cluster-run.test.ts'],
  },
  {
    name: 'table of the cluster printed although nothing in it has changed',
    file: 'cmd/cluster/cluster-run.ts',
    text: '    if (text === this.#shown[kind]) return;',
    replacement: '',
    tests: ['test/cmd/cluster-run.test.ts'],
  },
  {
    name: 'trouble of a node told every time it is asked',
    file: 'cmd/group/waiting-notes.ts',
    text: '      intervalMs: Math.min(intervalMs * 2, INTERVAL_MS_MAX),',
    replacement: '      intervalMs,',
    tests: ['test/cmd/waiting-notes.test.ts'],
  },
  {
    name: 'group moved to other ports without its links',
    file: 'cmd/group/group-plan.ts',
    text: "    if (config.kind !== 'slave') continue;",
    replacement: "    if (config.kind !== 'slave' || firstPort !== undefined) continue;",
    tests: ['test/cmd/group-plan.test.ts'],
  },
  {
    name: 'key of another binary that is called unknown to all',
    file: 'internal/config/binaries.ts',
    text: '(key === undefined || keys.has(key))',
    replacement: 'key === undefined',
    tests: ['test/config/load-config.test.ts'],
  },
  {
    name: 'sockets asked for an IPv6 address with its brackets',
    file: 'internal/dial/endpoint.ts',
    text: "address.slice(0, colon).replace(/^\\[|\\]$/g, '')",
    replacement: 'address.slice(0, colon)',
    tests: ['test/dial/endpoint.test.ts'],
  },
  {
    name: 'time limit of a call that is over already',
    file: 'internal/peer/calls-under-way.ts',
    text: '    if (!this.#calls.has(this)) return;\n',
    replacement: '',
    tests: ['test/peer/peer-dialer.test.ts'],
  },
  {
    name: 'gateway with as much room for new objects as V8 takes by itself',
    file: 'bin/process-settings.cjs',
    text: "[...NODE_ENTRIES, 'cmd/gateway.ts']",
    replacement: '[...NODE_ENTRIES]',
    tests: ['test/house/launch.test.ts'],
  },
];
