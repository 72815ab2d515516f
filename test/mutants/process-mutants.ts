/** Planted bugs of what stands beside the work: logs, signals, launchers. */
import type { Mutant } from './mutants.ts';

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
];
