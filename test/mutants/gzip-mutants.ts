/** Planted bugs of gzipped bodies: who waits for whom, for how long, and in how long a line. */
import type { Mutant } from './mutant.ts';

const QUEUE = 'test/rpc/caller-queue.test.ts';
const GZIP = 'test/rpc/gzip-compression.test.ts';

export const GZIP_MUTANTS: readonly Mutant[] = [
  {
    name: 'places for gzipped bodies that one caller may take alone',
    file: 'internal/rpc/caller-queue.ts',
    text: 'const RUNNING_OF_ONE_MAX = RUNNING_MAX - 1;',
    replacement: 'const RUNNING_OF_ONE_MAX = RUNNING_MAX;',
    tests: [QUEUE],
  },
  {
    name: 'line of gzipped bodies without an end',
    file: 'internal/rpc/caller-queue.ts',
    text: 'if (line.waiting.size >= WAITING_OF_ONE_MAX)',
    replacement: 'if (line.waiting.size < 0)',
    tests: [QUEUE],
  },
  {
    name: 'turns for gzipped bodies that go to the same caller again',
    file: 'internal/rpc/caller-queue.ts',
    text: '      this.#lines.delete(line.owner);\n      this.#enter(line);',
    replacement: '      this.#enter(line);',
    tests: [QUEUE],
  },
  {
    name: 'gzipped body that waits although its caller has gone',
    file: 'internal/rpc/caller-queue.ts',
    text: "      signal.addEventListener('abort', leave, { once: true });\n",
    replacement: '',
    tests: [QUEUE],
  },
  {
    name: 'gzipped write carried out after its deadline',
    file: 'internal/rpc/unary/unary-call.ts',
    text: '  get signal(): AbortSignal {\n    return this.#context.signal;',
    replacement: '  get signal(): AbortSignal {\n    return new AbortController().signal;',
    tests: ['test/server/expanded-bodies.test.ts'],
  },
  {
    name: 'small gzipped body that waits behind large ones',
    file: 'internal/rpc/gzip-compression.ts',
    text: 'if (small !== undefined) return small;',
    replacement: 'if (small !== undefined && bytesMax < 0) return small;',
    tests: [GZIP],
  },
  {
    name: 'gzip that says that it is short expanded without a bound',
    file: 'internal/rpc/gunzip.ts',
    text: '{ maxOutputLength: Math.min(bytesMax, SMALL_BYTES) }',
    replacement: '{}',
    tests: [GZIP],
  },
];
