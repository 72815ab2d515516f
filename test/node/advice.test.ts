/** What a node without data tells an operator: which of the others holds what it lacks, and the command. */
import { describe, expect, it } from 'vitest';
import { makeEpoch, NO_POSITION, toLsn } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import { adviceFor, holdsOther, leaderFor } from '#node/advice.ts';
import type { Asked } from '#node/ask-replicas.ts';
import type { Self } from '#node/self.ts';

const EMPTY: Self = {
  nodeId: 'self',
  address: 'self:1',
  logId: '',
  tail: NO_POSITION,
  term: 0,
  upstream: 'up:1',
};

function asked(name: string, logId: string, lsn: number, changes: Partial<NodeStatus> = {}): Asked {
  const position = { epoch: lsn === 0 ? 0 : makeEpoch(1, 1), lsn: toLsn(lsn) };
  const status = { nodeId: name, logId, term: 1, role: 'replica', state: 'catching_up', position };
  return { address: `${name}:1`, status: { durableLsn: 0, ...status, ...changes } as NodeStatus };
}

const leading = { role: 'master', state: 'serving' } as const;
const fenced = { role: 'master', state: 'fenced' } as const;
const AT = (lsn: number) => `${makeEpoch(1, 1)}-${lsn}`;

describe('an empty node', () => {
  it.each<[string, Asked[], string]>([
    ['nobody answers', [], 'this node has no data; start the node at up:1, or promote one that has the data'],
    [
      'those that answer are empty, too',
      [asked('one', '', 0)],
      'this node has no data; start the node at up:1, or promote one that has the data',
    ],
    [
      'one holds data',
      [asked('one', 'a', 5), asked('two', '', 0)],
      `no node leads and this one has no data; one:1 is furthest, at ${AT(5)}: walnut promote --address one:1 ` +
        '(up:1 does not answer: if it is gone)',
    ],
    [
      'two hold data of one log, one more',
      [asked('one', 'a', 5), asked('two', 'a', 7), asked('up', '', 0)],
      `no node leads and this one has no data; two:1 is furthest, at ${AT(7)}: walnut promote --address two:1`,
    ],
    [
      'the node that it follows is a master that is over',
      [asked('up', 'a', 5, fenced), asked('two', 'a', 7)],
      `no node leads and this one has no data; two:1 is furthest, at ${AT(7)}: walnut promote --address two:1`,
    ],
    [
      'they hold two logs',
      [asked('one', 'a', 5), asked('two', 'b', 7), asked('up', '', 0)],
      'no node leads and this one has no data; others have different logs, so promote the right one: ' +
        `walnut promote --address one:1 (log a, at ${AT(5)}), or walnut promote --address two:1 (log b, at ${AT(7)})`,
    ],
    ['one leads: it follows by itself', [asked('one', 'a', 5, leading), asked('two', 'b', 9)], ''],
    [
      'two lead different logs',
      [asked('one', 'a', 5, leading), asked('two', 'b', 9, leading)],
      'this node has no data, and it is not known which group it belongs to: one:1 leads log a, two:1 leads log b; ' +
        'set master.address to the right one and start this node again',
    ],
  ])('where %s', (_case, others, advice) => {
    expect(adviceFor(EMPTY, others)).toBe(advice);
  });

  it.each([
    ['none leads', fenced, 'a coordinator decides who leads: walnut cluster status'],
    ['one leads', leading, ''],
  ])('of a cluster names no promotion where %s', (_, one, advice) => {
    const others = [asked('one', 'a', 5, one), asked('two', 'a', 7)];
    expect(adviceFor({ ...EMPTY, isMember: true }, others)).toBe(advice);
    expect(adviceFor({ ...EMPTY, logId: 'a', isMember: true }, others)).toBe(advice);
  });

  it('follows the only one that leads', () => {
    const one = asked('one', 'a', 5, leading);
    expect(leaderFor(EMPTY, [one, asked('two', 'b', 9)])).toBe(one);
  });
});

describe('a node has another history than a master', () => {
  const self: Self = { ...EMPTY, logId: 'a', tail: { epoch: makeEpoch(1, 1), lsn: toLsn(9) }, term: 1 };
  const quarantined = { state: 'quarantined' } as const;

  it.each<[string, Asked, boolean, boolean]>([
    ['of the same log, quarantined by it', asked('one', 'a', 5, quarantined), true, true],
    ['of the same log, quarantined by another', asked('one', 'a', 5, quarantined), false, false],
    ['of the same log, catching up', asked('one', 'a', 5), true, false],
    ['of another log, quarantined', asked('one', 'b', 5, quarantined), false, true],
    ['of another log that nobody leads', asked('one', 'b', 5), false, true],
    ['of another log that it leads', asked('one', 'b', 5, leading), false, false],
    ['without records', asked('one', 'b', 0, quarantined), true, false],
  ])('%s', (_case, one, isRegistered, holds) => {
    expect(holdsOther(self, one, isRegistered)).toBe(holds);
  });
});
