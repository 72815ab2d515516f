/** What the tool advises after a node refused: the command names the address that was asked. */
import { expect, it } from 'vitest';
import { CallError } from '../../cmd/walnut/call/call-error.ts';
import { describeFailure } from '../../cmd/walnut/cli-error.ts';

it.each(['unavailable', 'resource_exhausted', 'deadline_exceeded'] as const)(
  'the advice after %s asks the node that answered',
  (code) => {
    const { advice } = describeFailure(new CallError(code, 'why'), 'cache.example:8081');
    expect(advice).toContain('walnut status --address cache.example:8081');
    expect(advice).not.toContain('The node');
  },
);
