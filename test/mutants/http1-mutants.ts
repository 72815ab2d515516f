/** Bugs in the reading of HTTP/1.1, most of which let requests be smuggled. */
import type { Mutant } from './mutant.ts';

const REQUESTS = 'test/http/http1/requests.test.ts';
const PARSER = 'internal/http/http1/parse-head.ts';
const READER = 'internal/http/http1/request-reader.ts';

export const HTTP1_MUTANTS: readonly Mutant[] = [
  {
    name: 'compressed body stored as its value',
    file: 'internal/http/http1/request-rules.ts',
    text: "return coding.toLowerCase() === 'chunked';",
    replacement: "return coding.toLowerCase().endsWith('chunked');",
    tests: [REQUESTS],
  },
  {
    name: 'body with a length and chunks handed over',
    file: PARSER,
    text: 'if (this.#coding !== undefined && this.#length !== undefined) {',
    replacement: 'if (false as boolean) {',
    tests: [REQUESTS],
  },
  {
    name: 'the later of two lengths taken',
    file: PARSER,
    text: "if (this.#length !== undefined) return 'more than one Content-Length';",
    replacement: '',
    tests: [REQUESTS],
  },
  {
    name: 'chunked body read as none',
    file: PARSER,
    text: "this.#rare = 'a body that is coded';",
    replacement: '',
    tests: [REQUESTS],
  },
  {
    name: 'one of two Hosts taken',
    file: PARSER,
    text: 'if (this.#hosts > 1)',
    replacement: 'if (this.#hosts > 2)',
    tests: [REQUESTS],
  },
  {
    name: 'field name with a blank before its colon taken',
    file: PARSER,
    text: 'if (colon === to || bytes[colon] !== COLON) return',
    replacement: 'if (colon === to) return',
    tests: [REQUESTS],
  },
  {
    name: 'line that ends without CR taken',
    file: READER,
    text: "if (octet === LF && bytes[at - 1] !== CR) return this.#refuse('a line that ends without CR');",
    replacement: '',
    tests: [REQUESTS],
  },
  {
    name: 'memo of a head compares with what was read over it (HTTP/1.1)',
    file: READER,
    text: 'this.#memo = Buffer.from(this.#bytes.subarray(from, end));',
    replacement: 'this.#memo = this.#bytes.subarray(from, end);',
    tests: [REQUESTS],
  },
  {
    name: 'memo of a head compares its beginning alone (HTTP/1.1)',
    file: READER,
    text: 'this.#bytes.compare(this.#memo, 0, length, this.#at, end) === 0',
    replacement: 'this.#bytes.compare(this.#memo, 0, 8, this.#at, this.#at + 8) === 0',
    tests: [REQUESTS],
  },
  {
    name: 'octets of a request lost that is handed over in pieces',
    file: READER,
    text: 'const rest = this.#bytes.subarray(this.#at);',
    replacement: 'const rest = this.#bytes.subarray(this.#seen);',
    tests: [REQUESTS],
  },
  {
    name: 'request read before the one before it is answered',
    file: READER,
    text: "this.#state = head.contentLength === 0 ? 'whole' : 'reading';",
    replacement: "this.#state = 'reading';",
    tests: [REQUESTS],
  },
];
