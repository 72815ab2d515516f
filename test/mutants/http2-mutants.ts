/** Bugs in HTTP/2 and HPACK, most of which others have shipped. */
import type { Mutant } from './mutant.ts';

const FLOW = 'test/http/flow-control.test.ts';
const FRAMES = 'test/http/frames.test.ts';
const HPACK = 'test/http/hpack.test.ts';
const LIMITS = 'test/http/limits.test.ts';
const OUTPUT = 'test/http/output.test.ts';

export const HTTP2_MUTANTS: readonly Mutant[] = [
  {
    name: 'room of a call whose body its peer has cut kept for a while',
    file: 'internal/rpc/http2/codec-exchange.ts',
    text: 'if (!this.#stream.hasRemoteEnded) this.#endBody(false);',
    replacement: '',
    tests: ['test/rpc/http2/driver.test.ts'],
  },
  {
    name: 'room of a request whose body its peer has cut kept for a while',
    file: 'internal/rpc/http2/codec-call.ts',
    text: '    else if (!this.#stream.hasRemoteEnded) this.request.destroy();\n',
    replacement: '',
    tests: ['test/rpc/http2/driver.test.ts'],
  },
  {
    name: 'a new buffer outside the heap for each turn of large answers',
    file: 'internal/http/http2/output.ts',
    text: '    if (free === undefined) return;',
    replacement: '    if (free === undefined || buffer.length > POOLED_BYTES_MIN) return;',
    tests: [OUTPUT],
  },
  {
    name: 'output buffers kept without a bound',
    file: 'internal/http/http2/output.ts',
    text: '    if (this.#freeBytes + buffer.length > FREE_BYTES_MAX) return;',
    replacement: '',
    tests: [OUTPUT],
  },
  {
    name: 'window credit lost with padding',
    file: 'internal/http/http2/inbound.ts',
    text: 'if (padding > 0) credits.giveBackBoth(stream, padding);',
    replacement: '',
    tests: [FLOW],
  },
  {
    name: 'window credit lost with streams that are reset',
    file: 'internal/http/http2/core.ts',
    text: 'if (!this.isOver) this.credits.settle(stream);',
    replacement: '',
    tests: [FLOW],
  },
  {
    name: 'window credit lost with data of streams that were refused',
    file: 'internal/http/http2/inbound.ts',
    text: '      credits.giveBack(length);\n      return this.#refuse(id, verdict);',
    replacement: '      return this.#refuse(id, verdict);',
    tests: [FLOW],
  },
  {
    name: 'credit too small for a wide window kept back from a narrow one',
    file: 'internal/http/http2/credits.ts',
    text: '      stream.receiveWindow += change;',
    replacement: '      stream.receiveWindow += change;\n      if (change < 0) continue;',
    tests: [FLOW],
  },
  {
    name: 'header memo kept though the table has changed',
    file: 'internal/http/hpack/head-reader.ts',
    text: 'if (this.#decoder.changes !== changesBefore) this.#forget();',
    replacement: 'if (this.#decoder.changes !== changesBefore) return head;',
    tests: [HPACK],
  },
  {
    name: 'header memo compares with what was read over it',
    file: 'internal/http/hpack/head-reader.ts',
    text: 'block: new Uint8Array(block)',
    replacement: 'block',
    tests: [HPACK, 'test/http/cuts.test.ts'],
  },
  {
    name: 'header blocks that come once push out what comes again',
    file: 'internal/http/hpack/head-reader.ts',
    text: 'if (last === whole) this.#remember(',
    replacement: 'if (last !== whole) this.#remember(',
    tests: [HPACK],
  },
  {
    name: 'header memo takes trailers for a request',
    file: 'internal/http/hpack/head-reader.ts',
    text: 'memo.role === role && ',
    replacement: '',
    tests: [HPACK],
  },
  {
    name: 'table size update taken above the setting',
    file: 'internal/http/hpack/hpack-decoder.ts',
    text: 'if (size > this.#sizeAllowed) return',
    replacement: 'if (size > 2 * this.#sizeAllowed) return',
    tests: [HPACK],
  },
  {
    name: 'table size update taken after a field',
    file: 'internal/http/hpack/hpack-decoder.ts',
    text: "if ((first & 0xe0) === 0x20) return 'table size update after a field';",
    replacement: '',
    tests: [HPACK],
  },
  {
    name: 'lowest table size between two header blocks forgotten',
    file: 'internal/http/hpack/hpack-encoder.ts',
    text: 'this.#lowest = Math.min(size, this.#lowest ?? size);',
    replacement: 'this.#lowest = size;',
    tests: [HPACK],
  },
  {
    name: 'queued trailers encoded before their turn',
    file: 'internal/http/http2/outbound.ts',
    text: '    stream.queuedTrailers = block;',
    replacement:
      '    stream.queuedTrailers = new Uint8Array(this.#encoder.encode(block instanceof Uint8Array ? [] : block));',
    tests: [HPACK],
  },
  {
    name: 'rapid reset not counted',
    file: 'internal/http/http2/inbound.ts',
    text: 'if (!this.#core.isClient) this.#core.countReset();',
    replacement: '',
    tests: [LIMITS],
  },
  {
    name: 'resets that the peer provokes not counted',
    file: 'internal/http/http2/core.ts',
    text: 'if (isProvoked) this.countReset();',
    replacement: 'void isProvoked;',
    tests: [LIMITS],
  },
  {
    name: 'place of a reset stream free before its work has ended',
    file: 'internal/http/http2/core.ts',
    text: '    this.line?.delete(stream);\n    this.#close(stream);',
    replacement: '    this.line?.delete(stream);\n    this.#finish(stream);',
    tests: [LIMITS],
  },
  {
    name: 'reset stream left in the line of those that send',
    file: 'internal/http/http2/core.ts',
    text: '    this.line?.delete(stream);\n',
    replacement: '',
    tests: [FLOW],
  },
  {
    name: 'new streams served though nobody reads the answers',
    file: 'internal/http/http2/head-intake.ts',
    text: ' || core.output.length >= OUTPUT_BYTES_HARD',
    replacement: ' || core.output.length < 0 * OUTPUT_BYTES_HARD',
    tests: [LIMITS],
  },
  {
    name: 'less content than announced taken for all of it',
    file: 'internal/http/http2/inbound.ts',
    text: 'stream.contentLeft < 0 || (isEnd && stream.contentLeft > 0)',
    replacement: 'stream.contentLeft < 0',
    tests: [FRAMES],
  },
  {
    name: 'Huffman padding of zeros taken',
    file: 'internal/http/hpack/huffman.ts',
    text: 'return MAY_END[node] === 1 ? ',
    replacement: 'return MAY_END[node] !== 2 ? ',
    tests: [HPACK],
  },
  {
    name: 'output buffer written to while the kernel may still read it',
    file: 'internal/http/http2/output.ts',
    text: '    this.#taken = this.#buffer;\n',
    replacement: '    this.#taken = this.#buffer;\n    this.reuse();\n',
    tests: ['test/http/output.test.ts'],
  },
  {
    name: 'table changed by a header block that is refused half-way',
    file: 'internal/http/hpack/hpack-encoder.ts',
    text: '    checkFields(fields);\n    const changesBefore = this.#changes;',
    replacement: '    const changesBefore = this.#changes;',
    tests: [HPACK],
  },
  {
    name: 'number of a stream passed over taken for a used one',
    file: 'internal/http/http2/stream-table.ts',
    text: '(this.#used << steps) | 1)',
    replacement: '(this.#used << 1) | 1)',
    tests: [FRAMES],
  },
];
