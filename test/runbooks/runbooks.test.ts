/**
 * Runs each runbook of docs/operations.md from its first symptom to health, with the
 * commands that it states, in their order, on real nodes and ports.
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
