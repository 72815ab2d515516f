/** Planted bugs of long work: slices that never end, or that lose what they were about. */
import type { Mutant } from './mutant.ts';

const SLICES = 'test/server/slices.test.ts';
const BATCH = 'test/server/sliced-batch.test.ts';
const ROOM = 'test/server/body-room.test.ts';
const LARGE = 'test/server/large-messages.test.ts';
const TURNS = 'test/rpc/turns.test.ts';

export const STALL_MUTANTS: readonly Mutant[] = [
  {
    name: 'large JSON request decoded in one go',
    file: 'internal/wire/json-decode.ts',
    text: '    if (this.#work > 0 && this.#work + work > SLICE_BYTES) {',
    replacement: '    if (this.#work < 0) {',
    tests: [SLICES],
  },
  {
    name: 'large value in JSON decoded in one go',
    file: 'internal/wire/json-base64.ts',
    text: '    if (start > 0) yield SLICE_CHARACTERS;',
    replacement: '',
    tests: [SLICES],
  },
  {
    name: 'long list of an answer written in one go',
    file: 'internal/wire/json-encode.ts',
    text: '      if (out.written >= SLICE_BYTES) yield out.endSlice();',
    replacement: '',
    tests: [SLICES],
  },
  {
    name: 'large value of an answer turned into base64 in one go',
    file: 'internal/wire/json-pieces.ts',
    text: '        if (work + text.length > SLICE_BYTES && work > 0) {',
    replacement: '        if (work < 0) {',
    tests: [SLICES],
  },
  {
    name: 'work that goes on for a caller that went away',
    file: 'internal/rpc/unary/unary-call.ts',
    text: '    signal.throwIfAborted();',
    replacement: '',
    tests: [LARGE],
  },
  {
    name: 'element of a list whose values are those of another one',
    file: 'internal/wire/json-elements.ts',
    text: '    if (!isEmpty) elements.push({ from: this.#from, to, textsFrom: this.#textsFrom, textsTo: texts });',
    replacement:
      '    if (!isEmpty) elements.push({ from: this.#from, to, textsFrom: 0, textsTo: texts - this.#textsFrom });',
    tests: [SLICES],
  },
  {
    name: 'large batch carried out as one record',
    file: 'internal/server/sliced-batch.ts',
    text: '    if (i > from && bytes + more > PART_BYTES_MAX) {',
    replacement: '    if (i < from) {',
    tests: [BATCH],
  },
  {
    name: 'batch refused as a whole though a part of it was carried out',
    file: 'internal/server/sliced-batch.ts',
    text: '        if (results.length === 0 || !(error instanceof WalnutError)) throw error;',
    replacement: '        if (!(error instanceof WalnutError) || results.length >= 0) throw error;',
    tests: [BATCH],
  },
  {
    name: 'touches that return values counted as writes alone when a batch is divided',
    file: 'internal/server/sliced-batch.ts',
    text: 'WRITE_BYTES + answerBytes(command.returnValue)',
    replacement: 'WRITE_BYTES',
    tests: [BATCH],
  },
  {
    name: 'content type left out of the size of an operation',
    file: 'client/operations.ts',
    text: 'value.value.length + UTF8_BYTES_PER_UNIT * value.contentType.length',
    replacement: 'value.value.length',
    tests: ['test/client/operations.test.ts'],
  },
  {
    name: 'large binary answer joined in one go',
    file: 'internal/rpc/unary/large-binary.ts',
    text: '        if (work > 0 && work + part.length > SLICE_BYTES) {',
    replacement: '        if (work < 0) {',
    tests: [SLICES],
  },
  {
    name: 'refused PUT that may be sent again at once',
    file: 'internal/server/keys-body.ts',
    text: 'if (connection !== undefined) restConnection(connection, 1_000 * seconds, clock);',
    replacement: '',
    tests: [ROOM],
  },
  {
    name: 'refused rpc that may be sent again at once',
    file: 'internal/rpc/unary/body.ts',
    text: '    if (reader !== undefined) exchange?.rest?.(restMsOf(error), reader.clock);',
    replacement: '    if (reader === undefined) exchange?.rest?.(restMsOf(error), undefined as never);',
    tests: [ROOM],
  },
  {
    name: 'resting connection that goes on reading once its refusal is out',
    file: 'internal/rpc/resting-connection.ts',
    text: "  socket.on('resume', keep);",
    replacement: '  keep();',
    tests: [ROOM],
    http1: 'node',
  },
  {
    name: 'body of known length whose buffer is copied as it grows',
    file: 'internal/rpc/body-pieces.ts',
    text: 'length <= this.#expected ? this.#expected : doubled',
    replacement: 'doubled',
    tests: ['test/rpc/body-pieces.test.ts'],
  },
  {
    name: 'slices of all long work begun in one turn',
    file: 'internal/platform/slice-queue.ts',
    text: 'this.#ready.splice(0, SLICES_PER_TURN)',
    replacement: 'this.#ready.splice(0)',
    tests: ['test/platform/slice-queue.test.ts'],
  },
  {
    name: 'all long works half done at once',
    file: 'internal/platform/slice-queue.ts',
    text: 'this.#works.size < WORKS_MAX',
    replacement: 'this.#works.size >= 0',
    tests: ['test/platform/slice-queue.test.ts'],
  },
  {
    name: 'place of a long work kept when it is given up',
    file: 'internal/platform/slices.ts',
    text: '    pace.end?.(slices);',
    replacement: '',
    tests: ['test/platform/slice-queue.test.ts'],
  },
  {
    name: 'writes of all connections in one turn, however large',
    file: 'internal/rpc/turns.ts',
    text: '      this.#spentBytes += bytes + WRITE_BYTES;',
    replacement: '      this.#spentBytes += WRITE_BYTES;',
    tests: [TURNS],
  },
  {
    name: 'large answers to all connections made in one turn',
    file: 'internal/rpc/turns.ts',
    text: '    this.#spentBytes += bytes + CALL_BYTES;',
    replacement: '    this.#spentBytes += CALL_BYTES;',
    tests: [TURNS],
  },
  {
    name: 'connections with little behind those with much',
    file: 'internal/rpc/turns.ts',
    text: '(writer.isHeavy ? this.#heavy : this.#light).push(writer);',
    replacement: 'this.#heavy.push(writer);',
    tests: [TURNS],
  },
  {
    name: 'large answers of a connection made all at once, in slices',
    file: 'internal/rpc/http2/driven-connection.ts',
    text: 'return this.#large === 0 && ',
    replacement: 'return ',
    tests: [TURNS],
  },
  {
    name: 'large Batches of a connection answered all at once, in slices',
    file: 'internal/wire/batch-bytes.ts',
    text: '      caller.beginLarge?.();',
    replacement: '',
    tests: [LARGE],
  },
  {
    name: 'large JSON answers of a connection made all at once, in slices',
    file: 'internal/rpc/unary/unary-call.ts',
    text: '    if (bytes instanceof Promise) this.#context.beginLarge();',
    replacement: '',
    tests: [LARGE],
  },
];
