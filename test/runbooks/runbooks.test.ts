/**
 * The runbooks of docs/operations.md, each from its first symptom to health, by
 * the commands it states in their order, typed at real nodes on real ports.
 */
import { describe, expect, it } from 'vitest';
import './data-runbooks.ts';
import './leader-runbooks.ts';
import { argumentsOf, untyped } from './runbook.ts';

describe('the runbooks', () => {
  it('state no command that no test types', () => {
    expect(untyped()).toEqual([]);
  });

  it('name a place for each word in capitals', () => {
    expect(argumentsOf('walnut a --x DIR [--y | --z] N', { DIR: '/d', N: '1 2' })).toEqual([
      'a',
      '--x',
      '/d',
      '1',
      '2',
    ]);
    expect(() => argumentsOf('walnut a DIR', {})).toThrow(/what is DIR/);
  });
});
