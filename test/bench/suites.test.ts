import { expect, it } from 'vitest';
import { askedBy, MIXED_CALLS } from '../../bench/mixed/mixed-bench.ts';
import { SUITES } from '../../bench/suites.ts';
import { USAGE } from '../../bench/usage.ts';

it('the help tells what each suite does', () => {
  const told = Object.keys(SUITES).filter((name) => new RegExp(`^  ${name} +\\S`, 'm').test(USAGE));
  expect(told).toEqual(Object.keys(SUITES));
});

it('the bare server of the mixed suite can tell its calls apart, and reads all of them in clear text', () => {
  expect(MIXED_CALLS.filter(({ isTls }) => isTls)).toEqual([]);
  const byAsked = Map.groupBy(MIXED_CALLS, askedBy);
  for (const calls of byAsked.values())
    for (const { body } of calls) expect(Buffer.compare(body, calls[0]?.body ?? Buffer.of())).toBe(0);
});
