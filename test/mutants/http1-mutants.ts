/** Bugs in the reading of HTTP/1.1, most of which let requests be smuggled. */
import type { Mutant } from './mutant.ts';

const REQUESTS = 'test/http/http1/requests.test.ts';
const SIMILAR = 'test/http/http1/similar-heads.test.ts';
const PARSER = 'internal/http/http1/parse-head.ts';
const MEMO = 'internal/http/http1/head-memo.ts';
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
    file: MEMO,
    text: 'else this.#bytes = Buffer.from(bytes.subarray(from, to));',
    replacement: 'else this.#bytes = bytes.subarray(from, to);',
    tests: [REQUESTS],
  },
  {
    name: 'memo of a head compares its beginning alone (HTTP/1.1)',
    file: MEMO,
    text: 'return bytes.compare(this.#bytes, 0, length, from, to) === 0',
    replacement: 'return bytes.compare(this.#bytes, 0, 8, from, from + 8) === 0',
    tests: [REQUESTS],
  },
  {
    name: 'control characters taken in the value of one call',
    file: MEMO,
    text: 'if (octet <= 0x20 || octet >= 0x7f) break;',
    replacement: 'if (octet === 0x0d) break;',
    tests: [SIMILAR],
  },
  {
    name: 'octets behind the values of one call taken without a look',
    file: MEMO,
    text: 'const to = this.#skipEqual(bytes, at, kept, this.#bytes.length);',
    replacement: 'const to = at + this.#bytes.length - kept;',
    tests: [SIMILAR],
  },
  {
    name: 'length that is no number taken from a head like the one before',
    file: MEMO,
    text: 'if (!isLength(value)) return undefined;',
    replacement: '',
    tests: [SIMILAR],
  },
  {
    name: 'body as long as that of the head before',
    file: MEMO,
    text: 'length = Number(value);',
    replacement: '',
    tests: [SIMILAR],
  },
  {
    name: 'values of one call looked for where the head before the last had them',
    file: MEMO,
    text: 'values.push({ at: value.at, from: start - from, to: at - from });',
    replacement: 'values.push(value);',
    tests: [SIMILAR],
  },
  {
    name: 'plan before the last taken as the plan of a head like it',
    file: 'internal/rpc/http1/request-start.ts',
    text: 'head.derived ??= planOf(head, listener)',
    replacement: 'head.derived ??= head.derivedBefore ?? planOf(head, listener)',
    tests: ['test/rpc/http1/second-opinion.test.ts'],
  },
  {
    name: 'deadline of the call before',
    file: 'internal/rpc/request-listener.ts',
    text: 'const shape = rpcAdapter.unaryPath.reshape(before.shape, headers);',
    replacement: 'const { shape } = before;',
    tests: ['test/rpc/similar-heads.test.ts'],
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
