/** Bugs by which a peer could hold, or be told, what it should not. */
import type { Mutant } from './mutants.ts';

const STREAMS = 'test/server/streams.test.ts';

export const ANSWER_MUTANTS: readonly Mutant[] = [
  {
    name: 'stream whose peer has gone left waiting',
    file: 'internal/server/stream-answer.ts',
    text: '      this.#wake?.();\n      onClosed();',
    replacement: '',
    tests: [STREAMS],
  },
  {
    name: 'stream that nobody reads kept for ever',
    file: 'internal/server/stream-answer.ts',
    text: '        cutOff(this.#response);',
    replacement: '',
    tests: [STREAMS],
  },
];
