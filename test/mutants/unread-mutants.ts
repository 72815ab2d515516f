/** Bugs by which a caller learns what it may not read, or by which one method stands for another. */
import type { Mutant } from './mutant.ts';

const GUARDED = 'test/auth/unread-errors.test.ts';

export const UNREAD_MUTANTS: readonly Mutant[] = [
  {
    name: 'unread: the error of a write quotes the value',
    file: 'internal/auth/without-values.ts',
    text: '  return error instanceof WalnutError ? errorWithoutValue(error) : error;',
    replacement: '  return error;',
    tests: [GUARDED],
  },
  {
    name: 'unread: an error in a batch quotes the value',
    file: 'internal/auth/without-values.ts',
    text: "  if (result.kind === 'error') return { kind: 'error', error: errorWithoutValue(result.error) };",
    replacement: "  if (result.kind === 'error') return result;",
    tests: [GUARDED],
  },
  {
    name: 'unread: an atomic batch of readable and other keys tells the values of all',
    file: 'internal/auth/guarded-keys.ts',
    text: 'throw operations.every((each)',
    replacement: 'throw operations.some((each)',
    tests: [GUARDED],
  },
  {
    name: 'unread: an error of one operation loses its words without values',
    file: 'internal/model/errors.ts',
    text: '    ...(withoutValue === undefined ? {} :',
    replacement: '    ...(withoutValue !== undefined ? {} :',
    tests: [GUARDED],
  },
  {
    name: 'unread: a read is judged as Explain and served as Get',
    file: 'internal/server/keys-request.ts',
    text: "return new URLSearchParams(query).getAll('explain').some((value) => value !== 'false');",
    replacement: 'return true;',
    tests: ['test/server/auth-rights.test.ts'],
  },
  {
    name: 'unread: a route serves another method than it was judged as',
    file: 'internal/server/keys-route.ts',
    text: 'return operation === EXPLAIN ?',
    replacement: "return operation === EXPLAIN && !query.includes('=') ?",
    tests: ['test/server/auth-rights.test.ts'],
  },
  {
    name: 'unread: the size of an answer counts values that are not shown',
    file: 'internal/auth/guarded-keys.ts',
    text: 'this.#port.atomicBatch({ ...command, isShown }, signal)',
    replacement: 'this.#port.atomicBatch({ ...command, isShown: isShown && undefined }, signal)',
    tests: [GUARDED],
  },
  {
    name: 'unread: a condition that is not met tells a writer that the key is missing',
    file: 'internal/server/keys-call.ts',
    text: "const now = !mayRead ? '' :",
    replacement: "const now = mayRead === undefined ? '' :",
    tests: ['test/server/auth-rights.test.ts'],
  },
  {
    name: 'unread: a form of another site is taken for a link',
    file: 'internal/rpc/host-policy.ts',
    text: " && (verb === 'GET' || verb === 'HEAD');",
    replacement: ';',
    tests: ['test/server/host-policy.test.ts'],
  },
  {
    name: 'unread: an answer does not say that what is stored is left out',
    file: 'internal/auth/without-values.ts',
    text: '  return { ...(shown as Answer), isLeftOut: true };\n',
    replacement: '  return shown as Answer;\n',
    tests: ['test/auth/guarded-keys.test.ts'],
  },
];
