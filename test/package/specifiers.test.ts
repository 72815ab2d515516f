import { expect, it } from 'vitest';
import { withPlainImports } from '../../package/specifiers.ts';

it.each([
  ["import { a } from './b.ts';", "import { a } from './b.js';"],
  ["import type { A } from '../b/c.ts';", "import type { A } from '../b/c.js';"],
  ["export { a } from '#wire/a.ts';", "export { a } from '../../internal/wire/a.js';"],
  ["const a = await import('#wire/a.ts');", "const a = await import('../../internal/wire/a.js');"],
  ["let a: import('./a.ts').A;", "let a: import('./a.js').A;"],
  ["import './a.ts';", "import './a.js';"],
  ['import type { A } from "./a_pb.ts";', 'import type { A } from "./a_pb.js";'],
  ["import { a } from 'b';", "import { a } from 'b';"],
  ["const file = 'cmd/master.ts';", "const file = 'cmd/master.ts';"],
])('%s becomes %s', (source, expected) => {
  expect(withPlainImports(source, 'cmd/run/x.ts')).toBe(expected);
});

it('is relative also within one room', () => {
  expect(withPlainImports("import '#wire/a.ts';", 'internal/wire/b.ts')).toBe("import './a.js';");
});
