/** The list of known replicas in MANIFEST: how it changes, and that it cannot grow without limit. */
import { describe, expect, it } from 'vitest';
import { KNOWN_REPLICAS_MAX, REMOVED_REPLICAS_MAX } from '#model/limits.ts';
import {
  type KnownReplicas,
  removedAs,
  withAdded,
  withKnown,
  withRegistered,
  withRemoved,
} from '#replication/known-replicas.ts';

const NONE: KnownReplicas = { added: [], removed: [] };
const nobody = (): boolean => false;
const node = (nodeId: string, address: string) => ({ nodeId, address });
const registered = (list: KnownReplicas, nodeId: string, address: string) =>
  withRegistered(list, node(nodeId, address), nobody);

/** As many as fit, each with its own node, then the operator's where it has none. */
function full(hasNodes: boolean): KnownReplicas {
  const added = Array.from({ length: KNOWN_REPLICAS_MAX }, (_, i) => `r${i}:1`);
  const nodes = hasNodes ? added.map((address, i) => node(`n${i}`, address)) : [];
  return { added, removed: [], nodes };
}

describe('a node that registers', () => {
  it('at one address after another is known by the last one only', () => {
    let list = NONE;
    for (let i = 0; i < 600; i++) list = registered(list, 'a', `host-${i}:1`);
    expect(list).toEqual({ added: ['host-599:1'], removed: [], nodes: [node('a', 'host-599:1')] });
  });

  it('takes the address of the one that was there', () => {
    const list = registered(registered(NONE, 'a', 'x:1'), 'b', 'x:1');
    expect(list).toEqual({ added: ['x:1'], removed: [], nodes: [node('b', 'x:1')] });
  });

  it('again changes nothing', () => {
    const list = registered(NONE, 'a', 'x:1');
    expect(registered(list, 'a', 'x:1')).toBe(list);
  });

  it('is learned for an address of version 0.1, which has no node ids', () => {
    const list = registered({ added: ['x:1', 'y:1'], removed: ['z:1'] }, 'a', 'x:1');
    expect(list).toEqual({ added: ['x:1', 'y:1'], removed: ['z:1'], nodes: [node('a', 'x:1')] });
  });

  it('with others by the hundred takes the place of the oldest that is not live', () => {
    const list = withRegistered(full(true), node('new', 'new:1'), (address) => address === 'r0:1');
    expect(list.added).toHaveLength(KNOWN_REPLICAS_MAX);
    expect(list.added.slice(0, 2)).toEqual(['r0:1', 'r2:1']);
    expect(list.added.at(-1)).toBe('new:1');
    expect(list.nodes).toHaveLength(KNOWN_REPLICAS_MAX);
  });

  it('never pushes out what an operator added, nor what is live', () => {
    const refusal = /this node remembers 128 replicas, as many as it can: .* walnut remove-replica HOST:PORT/;
    expect(() => withRegistered(full(false), node('new', 'new:1'), nobody)).toThrow(refusal);
    expect(() => withRegistered(full(true), node('new', 'new:1'), () => true)).toThrow(refusal);
    expect(() => withAdded(full(false), 'new:1', nobody)).toThrow(refusal);
  });
});

describe('a removed replica', () => {
  it('is its node too: it does not come back by another address', () => {
    const list = withRemoved(registered(NONE, 'a', 'x:1'), 'x:1', undefined);
    expect(list).toEqual({ added: [], removed: ['x:1'], nodes: [node('a', 'x:1')] });
    expect(removedAs(list, node('a', 'y:1'))).toBe('x:1');
    expect(removedAs(list, node('b', 'x:1'))).toBe('x:1');
    expect(removedAs(list, node('b', 'y:1'))).toBeUndefined();
    expect(registered(list, 'a', 'y:1')).toBe(list);
  });

  it('that is added again may register, from where it is by then', () => {
    const back = withAdded(withRemoved(NONE, 'x:1', 'a'), 'x:1', nobody);
    expect(back).toEqual({ added: ['x:1'], removed: [], nodes: [node('a', 'x:1')] });
    expect(registered(back, 'a', 'y:1')).toEqual({
      added: ['y:1'],
      removed: [],
      nodes: [node('a', 'y:1')],
    });
  });

  it('is forgotten where hundreds were removed after it', () => {
    let list = withRemoved(NONE, 'x:1', 'a');
    for (let i = 0; i < REMOVED_REPLICAS_MAX; i++) list = withRemoved(list, `r${i}:1`, `n${i}`);
    expect(list.removed).toHaveLength(REMOVED_REPLICAS_MAX);
    expect(list.nodes).toHaveLength(REMOVED_REPLICAS_MAX);
    expect(removedAs(list, node('a', 'x:1'))).toBeUndefined();
  });
});

it('a node that is to hear of it besides is added, unless removed', () => {
  expect(withKnown({ added: ['a:1'], removed: ['b:1'], nodes: [] }, ['a:1', 'b:1', 'c:1'])).toEqual({
    added: ['a:1', 'c:1'],
    removed: ['b:1'],
    nodes: [],
  });
});
