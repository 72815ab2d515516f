/** Bugs in how single calls in JSON are read and answered without messages. */
import type { Mutant } from './mutant.ts';

const TESTS = ['test/server/kv-json.test.ts'];
const REQUEST = 'internal/wire/json-request.ts';
const ANSWERS = 'internal/wire/json-answers.ts';

export const JSON_MUTANTS: readonly Mutant[] = [
  {
    name: 'field of JSON that is given twice',
    file: REQUEST,
    text: 'name === undefined || (given & name.excludes) !== 0 ||',
    replacement: 'name === undefined ||',
    tests: TESTS,
  },
  {
    name: 'two deadlines in one request of JSON',
    file: REQUEST,
    text: 'excludes: (field & EXPIRY) === 0 ? field : EXPIRY,',
    replacement: 'excludes: field,',
    tests: TESTS,
  },
  {
    name: 'name in JSON that only begins like one that is known',
    file: REQUEST,
    text: '    if (json[at + length] !== QUOTE) return false;\n',
    replacement: '',
    tests: TESTS,
  },
  {
    name: 'what follows a request in JSON not looked at',
    file: REQUEST,
    text: '(given & KEY) === 0 || this.#sign() !== undefined)',
    replacement: '(given & KEY) === 0)',
    tests: TESTS,
  },
  {
    name: 'control characters in a key of JSON',
    file: REQUEST,
    text: 'byte < SPACE || byte === BACKSLASH',
    replacement: 'byte === BACKSLASH',
    tests: TESTS,
  },
  {
    name: 'escapes in a key of JSON taken for letters',
    file: REQUEST,
    text: 'byte < SPACE || byte === BACKSLASH',
    replacement: 'byte < SPACE',
    tests: TESTS,
  },
  {
    name: 'key of JSON that is no UTF-8',
    file: REQUEST,
    text: 'length === 0 || (bits >= 0x80 && !isUtf8(key.subarray(0, length)))',
    replacement: 'length === 0',
    tests: TESTS,
  },
  {
    name: 'number of JSON that is too large to be exact',
    file: REQUEST,
    text: 'most = Number.MAX_SAFE_INTEGER',
    replacement: 'most = Infinity',
    tests: TESTS,
  },
  {
    name: 'number of JSON with zeros before it',
    file: REQUEST,
    text: '(digits > 1 || isNegative)',
    replacement: 'isNegative',
    tests: TESTS,
  },
  {
    name: 'long value answered in JSON in one go',
    file: 'internal/wire/kv-calls.ts',
    text: 'findShort(bytes, offset, length, valueBytesMax)',
    replacement: 'find(bytes, offset, length)',
    tests: TESTS,
  },
  {
    name: 'touch in JSON without a deadline',
    file: REQUEST,
    text: '    if (kind === TOUCH && (given & EXPIRY) === 0) return false;\n',
    replacement: '',
    tests: TESTS,
  },
  {
    name: 'value in JSON cut short where its padding is wrong',
    file: 'internal/wire/json-base64.ts',
    text: '  if (digits % 4 === 1) return -1;\n',
    replacement: '',
    tests: TESTS,
  },
  {
    name: 'answer in JSON with the freshness of an earlier one',
    file: 'internal/wire/json-calls.ts',
    text: 'if (asOf !== this.#asOf || stalenessMs !== this.#stalenessMs) {',
    replacement: 'if (this.#asOf === undefined) {',
    tests: TESTS,
  },
  {
    name: 'deadline missing in an answer in JSON',
    file: ANSWERS,
    text: '  return expireAtMs === 0 ?',
    replacement: '  return expireAtMs >= 0 ?',
    tests: TESTS,
  },
  {
    name: 'Get in JSON that must wait not left to the general way',
    file: 'internal/wire/kv-calls.ts',
    text: '      if (encode === undefined) return undefined;\n',
    replacement: '',
    tests: TESTS,
  },
  {
    name: 'short value in JSON with a sign that is no base64',
    file: 'internal/wire/json-base64.ts',
    text: '  return seen > 63 ? -1 : at - start;',
    replacement: '  return at - start;',
    tests: TESTS,
  },
  {
    name: 'last byte of a short value in JSON cut short',
    file: 'internal/wire/json-base64.ts',
    text: 'target[at++] = (b << 4) | (c >>> 2);',
    replacement: 'target[at++] = b << 4;',
    tests: TESTS,
  },
  {
    name: 'value of a command in JSON overwritten by the next request',
    file: REQUEST,
    text: 'return { ...command, value: Uint8Array.from(command.value) };',
    replacement: 'return command;',
    tests: TESTS,
  },
];
