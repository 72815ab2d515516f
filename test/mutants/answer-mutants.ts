/** Bugs by which a peer could hold, or be told, what it should not. */
import type { Mutant } from './mutants.ts';

const STREAMS = 'test/server/streams.test.ts';
const UNREAD = 'test/node/unread-snapshots.test.ts';
const SLOTS = 'test/node/snapshot-slots.test.ts';

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
  {
    name: 'snapshot left open when its reader loses its place',
    file: 'internal/node/snapshot-source.ts',
    text: '      slot.onEnd(() => {\n        closed = file.close();',
    replacement: '      slot.onEnd(() => {',
    tests: [UNREAD],
  },
  {
    name: 'place for a snapshot kept from a replica that registered',
    file: 'internal/node/snapshot-slots.ts',
    text: 'const stranger = isKnown ? ',
    replacement: "const stranger = isKnown && nodeId === '' ? ",
    tests: [UNREAD],
  },
  {
    name: 'place for a snapshot kept by a reader that takes nothing',
    file: 'internal/node/snapshot-slots.ts',
    text: 'this.#clock.after(READER_IDLE_MS, () => this.end(late));',
    replacement: 'this.#clock.after(READER_IDLE_MS, () => {});\n    void late;',
    tests: [SLOTS],
  },
];
