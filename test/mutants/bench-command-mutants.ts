/** Planted bugs of `walnut bench`. */
import type { Mutant } from './mutant.ts';

const LOAD = 'test/cli/bench/load.test.ts';
const BENCH = 'test/cli/bench/bench.test.ts';

export const BENCH_COMMAND_MUTANTS: readonly Mutant[] = [
  {
    name: 'bench whose times begin when a late client at last calls',
    file: 'cmd/walnut/bench/turns.ts',
    text: '    if (dueMs <= nowMs) return dueMs;',
    replacement: '    if (dueMs <= nowMs) return nowMs;',
    tests: [LOAD],
  },
  {
    name: 'bench that forgets the calls it never made',
    file: 'cmd/walnut/bench/turns.ts',
    text: '    return Math.max(0, due - this.#taken);',
    replacement: '    return Math.min(0, due - this.#taken);',
    tests: [LOAD],
  },
  {
    name: 'bench that calls a node that is down in a circle',
    file: 'cmd/walnut/bench/drive-load.ts',
    text: 'const PAUSE_MS = 100;',
    replacement: 'const PAUSE_MS = 1;',
    tests: [LOAD],
  },
  {
    name: 'bench that deletes all keys under the prefix that its user gave',
    file: 'cmd/walnut/bench/bench-plan.ts',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text of the file.
    text: '  const prefix = `${options.prefix}${id}:`;',
    replacement: '  const prefix = options.prefix;',
    tests: [BENCH],
  },
  {
    name: 'bench that leaves its keys behind',
    file: 'cmd/walnut/bench/own-keys.ts',
    text: '      () => kv.deletePrefix(request, DELETE_CALL),',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: text of a program.
    replacement: '      () => kv.deletePrefix({ ...request, prefix: `${prefix}0` }, DELETE_CALL),',
    tests: [BENCH],
  },
  {
    name: 'bench that evicts entries of others for its keys',
    file: 'cmd/walnut/bench/own-keys.ts',
    text: '  if (fitting >= plan.keys) return;',
    replacement: '  if (fitting > 0) return;',
    tests: [BENCH],
  },
  {
    name: 'bench that fills groups behind a gateway without a look at their room',
    file: 'cmd/walnut/bench/own-keys.ts',
    text: '  if (store === undefined)\n    throw',
    replacement: '  if (store === undefined) return;\n  if (plan.keys === 0)\n    throw',
    tests: [BENCH],
  },
  {
    name: 'bench that shows figures of a load that never began',
    file: 'cmd/walnut/bench/run-bench.ts',
    text: '  if (interrupted.aborted) throw',
    replacement: '  if (interrupted.aborted && when === "") throw',
    tests: [BENCH],
  },
  {
    name: 'bench that writes to a replica',
    file: 'cmd/walnut/bench/own-keys.ts',
    text: '  if (status?.role !== Role.REPLICA) return address;',
    replacement: '  if (status?.role !== Role.UNSPECIFIED) return address;',
    tests: [BENCH],
  },
  {
    name: 'bench that takes a refused operation of a batch for done',
    file: 'cmd/walnut/bench/bench-calls.ts',
    text: "      if (result?.case === 'error') failures.push(result.value);",
    replacement: "      if (result?.case === 'error') notFound += 0;",
    tests: [LOAD],
  },
  {
    name: 'bench that does not say that it is the limit itself',
    file: 'cmd/walnut/bench/bench-report.ts',
    text: '  if (generatorBusy >= BUSY_MAX)',
    replacement: '  if (generatorBusy > 1)',
    tests: [LOAD],
  },
];
