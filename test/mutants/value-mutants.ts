/** Planted bugs of large values: memory that is written to again, and bytes out of order. */
import type { Mutant } from './mutant.ts';

const DRIVER = 'test/rpc/http1/driver.test.ts';
const RECORDS = 'test/engine/record-codec.test.ts';
const IN_PLACE = 'test/engine/record-in-place.test.ts';

export const VALUE_MUTANTS: readonly Mutant[] = [
  {
    name: 'room around a value that two records take',
    file: 'internal/platform/roomy-bytes.ts',
    text: '!given.delete(bytes)',
    replacement: '!given.has(bytes)',
    tests: ['test/platform/roomy-bytes.test.ts', IN_PLACE],
  },
  {
    name: 'record that is written over the value of the one before',
    file: 'internal/engine/records/payload-writer.ts',
    text: 'isFull || this.#isAdopted',
    replacement: 'isFull',
    tests: [IN_PLACE],
  },
  {
    name: 'victims that a value in place loses',
    file: 'internal/engine/records/payload-writer.ts',
    text: '    this.buffer.copy(whole, 0, this.#start, this.#at);\n',
    replacement: '',
    tests: [IN_PLACE],
  },
  {
    name: 'record that is written over the one before it',
    file: 'internal/engine/records/payload-writer.ts',
    text: '    this.#start = this.#at;\n',
    replacement: '',
    tests: [RECORDS],
  },
  {
    name: 'record that loses what was written when it outgrows its buffer',
    file: 'internal/engine/records/payload-writer.ts',
    text: '    buffer.copy(this.buffer, 0, start, start + written);\n',
    replacement: '',
    tests: [RECORDS],
  },
  {
    name: 'stored value in memory that is read into again',
    file: 'internal/storage/own-values.ts',
    text: 'this.#values[id] = isFinal && isMostOfBuffer(value) ? value',
    replacement: 'this.#values[id] = isMostOfBuffer(value) ? value',
    tests: ['test/storage/kept-values.test.ts'],
  },
  {
    name: 'small value that keeps a large buffer',
    file: 'internal/storage/own-values.ts',
    text: 'this.#values[id] = isFinal && isMostOfBuffer(value) ? value',
    replacement: 'this.#values[id] = isFinal ? value',
    tests: ['test/storage/kept-values.test.ts'],
  },
  {
    name: 'ring of records in memory that is read into again',
    file: 'internal/engine/feed/frame-ring.ts',
    text: 'frame.isFinal && bytes >= this.#chunkBytes &&',
    replacement: 'bytes >= this.#chunkBytes &&',
    tests: ['test/engine/frame-ring.test.ts'],
  },
  {
    name: 'ring of records that writes to what a reader has a view of',
    file: 'internal/engine/feed/frame-ring.ts',
    text: '      chunk.isLent = true;\n',
    replacement: '',
    tests: ['test/engine/frame-ring.test.ts'],
  },
  {
    name: 'ring of records that writes to the memory of a frame',
    file: 'internal/engine/feed/frame-ring.ts',
    text: 'isLent: own !== undefined',
    replacement: 'isLent: false',
    tests: ['test/engine/frame-ring.test.ts'],
  },
  {
    name: 'ring of records that leaves every chunk to the collector',
    file: 'internal/engine/feed/frame-ring.ts',
    text: 'if (!dropped.isLent && dropped.buffer',
    replacement: 'if (dropped.count < 0 && dropped.buffer',
    tests: ['test/engine/frame-ring.test.ts'],
  },
  {
    name: 'ring of records that keeps a buffer twice as long as it counts',
    file: 'internal/engine/feed/frame-ring.ts',
    text: ' && isMostOfBuffer(frame.bytes)',
    replacement: '',
    tests: ['test/engine/frame-ring.test.ts'],
  },
  {
    name: 'chunk of a body that overtakes those that wait',
    file: 'internal/rpc/http2/codec-request.ts',
    text: 'this.readableLength > 0 || this.destroyed',
    replacement: 'this.destroyed',
    tests: ['test/rpc/codec-request.test.ts'],
  },
  {
    name: 'body of a request read over by another connection',
    file: 'internal/rpc/http2/codec-request.ts',
    text: 'isOwn ? chunk : Buffer.from(chunk)',
    replacement: 'chunk',
    tests: ['test/rpc/codec-request.test.ts', DRIVER],
  },
  {
    name: 'body that is received and never credited',
    file: 'internal/rpc/http2/codec-request.ts',
    text: '      this.#port.credit(chunk.length);\n',
    replacement: '',
    tests: ['test/rpc/codec-request.test.ts'],
  },
  {
    name: 'segment of a value at the place of the one before',
    file: 'internal/server/value-pieces.ts',
    text: '    at += used;\n',
    replacement: '',
    tests: ['test/server/value-pieces.test.ts'],
  },
  {
    name: 'chunks of a body left to the collector',
    file: 'internal/rpc/http-io.ts',
    text: '        if (isNodeHttp1(request)) giveBack(chunk);\n',
    replacement: '',
    tests: ['test/rpc/codec-request.test.ts'],
  },
];
