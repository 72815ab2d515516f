/** Bugs in how connections of our own HTTP/2 are driven. */
import type { Mutant } from './mutant.ts';

const DRIVER = 'test/rpc/http2/driver.test.ts';
const CALLS = 'test/rpc/http2/calls.test.ts';
const CONNECTION = 'internal/rpc/http2/driven-connection.ts';

export const WIRE_MUTANTS: readonly Mutant[] = [
  {
    name: 'rpc that hides when an entry was modified',
    file: 'internal/wire/kv-codec.ts',
    text: '    withModified: request.withModified,',
    replacement: '    withModified: false,',
    tests: ['test/server/protocols.test.ts'],
  },
  {
    name: 'output taken from the codec while a write is under way',
    file: CONNECTION,
    text: 'if (this.#isWriting || this.#socket.destroyed) return 0;',
    replacement: 'if (this.#socket.destroyed) return 0;',
    tests: [DRIVER],
  },
  {
    name: 'answers made for a peer that reads none',
    file: CONNECTION,
    text: 'this.#large === 0 && this.connection.queuedBytes < CLOGGED_BYTES;',
    replacement: 'this.#large === 0;',
    tests: [DRIVER],
  },
  {
    name: 'calls that waited for room forgotten',
    file: CONNECTION,
    text: 'if (this.#hasWaiting) this.#goOn();',
    replacement: '',
    tests: [DRIVER],
  },
  {
    name: 'budget of waiting answers takes what moves for what stands still',
    file: CONNECTION,
    text: 'const hasMoved = bytes < this.#heldBytes;',
    replacement: 'const hasMoved = false;',
    tests: [DRIVER],
  },
  {
    name: 'budget of waiting answers never given back',
    file: 'internal/rpc/answer-budget.ts',
    text: 'this.#bytes += bytes - (before ?? 0);',
    replacement: 'this.#bytes += Math.max(0, bytes - (before ?? 0));',
    tests: [DRIVER],
  },
  {
    name: 'place of a cancelled call given away while it works',
    file: 'internal/rpc/http2/codec-exchange.ts',
    text: 'if (this.#isDone) this.#wire.connection.release(this.#stream);',
    replacement: 'this.#wire.connection.release(this.#stream);\n    if (this.#isDone) return;',
    tests: [CALLS],
  },
  {
    name: 'place of a cancelled call kept when its work has ended',
    file: 'internal/rpc/http2/codec-exchange.ts',
    text: '    if (this.#isLarge) this.#wire.endLarge();\n    this.#wire.connection.release(this.#stream);',
    replacement: '    if (this.#isLarge) this.#wire.endLarge();',
    tests: [CALLS],
  },
  {
    name: 'half-closed connection answered without end',
    file: CONNECTION,
    text: 'hasPassed(this.#halfClosedMs, HALF_CLOSED_MS, nowMs)',
    replacement: 'hasPassed(undefined, HALF_CLOSED_MS, nowMs)',
    tests: [DRIVER],
  },
  {
    name: 'all requests of a burst begun in one turn',
    file: 'internal/rpc/turns.ts',
    text: 'let left = STARTS_PER_TURN;',
    replacement: 'let left = Infinity;',
    tests: [CALLS],
  },
  {
    name: 'one connection takes all places for requests',
    file: 'internal/rpc/http2/places.ts',
    text: 'own < FEW ? 2 * this.#max : this.#max',
    replacement: '2 * this.#max',
    tests: [CALLS],
  },
  {
    name: 'date of answers stands still',
    file: 'internal/rpc/http2/answer-blocks.ts',
    text: 'this.#plain.clear();',
    replacement: "this.#date = '';",
    tests: [DRIVER],
  },
  {
    name: 'acknowledgement sent behind our GOAWAY',
    file: 'internal/http/http2/outbound.ts',
    text: '    if (this.#core.isOver) return;\n',
    replacement: '',
    tests: [DRIVER],
  },
  {
    name: 'the only connection with a large answer ended for want of memory',
    file: 'internal/rpc/answer-budget.ts',
    text: ' || this.#held.size === 1',
    replacement: '',
    tests: [DRIVER],
  },
];
