/** What a user that may not read a key learns of its value by the errors of writes, on a real master. */
import { describe, expect, it } from 'vitest';
import { GuardedKeys } from '#auth/guarded-keys.ts';
import type { BatchOperation } from '#model/commands.ts';
import { COUNTER_MAX } from '#model/counter.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { incrementOf, setOf } from '#test/engine/rig.ts';
import { threeNodes } from '#test/node/three-nodes.ts';

const RIGHTS = { read: ['ab:'], write: ['ab:', 'b:'] };
const ATOMIC = { answerBytesMax: 10_000, minAcks: 0, timeoutMs: 0 };
const NUMBER = /12345/;
const TEXT = /secret/;

async function open() {
  const { group, master } = await threeNodes();
  for (const prefix of ['b:', 'ab:']) {
    await group.set(master, `${prefix}n`, '12345');
    await group.set(master, `${prefix}t`, 'secret');
  }
  const guarded = new GuardedKeys(master.node as unknown as KeyValuePort, RIGHTS);
  return { guarded, until: <T>(work: Promise<T>) => group.until(work) };
}

const add = (key: string): BatchOperation => ({
  kind: 'increment',
  command: incrementOf(key, { delta: COUNTER_MAX }),
});
const touch = (key: string): BatchOperation => ({
  kind: 'touch',
  command: { key, expiry: { kind: 'keep' }, returnValue: true, minAcks: 0, timeoutMs: 0 },
});
const set = (key: string): BatchOperation => ({ kind: 'set', command: setOf(key, 'x') });

const messageOf = async (run: () => unknown): Promise<string> => {
  try {
    await run();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('there was no error');
};

describe.each([
  ['t', TEXT, 'has a value that is no number. Expected'],
  ['n', NUMBER, 'has a number to which adding 9223372036854775807 exceeds'],
])('an Increment of %s', (name, value, words) => {
  it('that fails does not quote the value to a user that may not read the key', async () => {
    const { guarded, until } = await open();
    const single = (key: string) =>
      messageOf(async () => guarded.increment(incrementOf(key, { delta: COUNTER_MAX })));
    expect(await single(`b:${name}`)).toMatch(`key "b:${name}" ${words}`);
    expect(await single(`b:${name}`)).not.toMatch(value);
    expect(await single(`ab:${name}`)).toMatch(value);

    const results = await until(guarded.batch([add(`b:${name}`), add(`ab:${name}`)]));
    const [unread, readable] = results.map((each) => (each.kind === 'error' ? each.error.message : ''));
    expect(unread).toMatch(words);
    expect(unread).not.toMatch(value);
    expect(readable).toMatch(value);
  });

  it('that fails an atomic batch does not quote the value', async () => {
    const { guarded } = await open();
    const atomic = (...operations: BatchOperation[]) =>
      messageOf(() => guarded.atomicBatch({ ...ATOMIC, operations }));
    const mixed = await atomic(set('ab:x'), add(`b:${name}`));
    expect(mixed).toMatch(`operations[1]: key "b:${name}" ${words}`);
    expect(mixed).not.toMatch(value);
    expect(await atomic(set('ab:x'), add(`ab:${name}`))).toMatch(value);
  });
});

describe('an atomic batch whose answer would be too large', () => {
  const absent = (key: string): BatchOperation => ({
    kind: 'set',
    command: setOf(key, 'x', { condition: { kind: 'absent' } }),
  });

  it.each([
    ['a Touch', touch],
    ['a condition that is not met', absent],
  ])('counts no value that is not shown: %s', async (_, operation) => {
    const { guarded, until } = await open();
    const run = (...keys: string[]) =>
      until(guarded.atomicBatch({ ...ATOMIC, answerBytesMax: 6, operations: keys.map(operation) }));
    await expect(run('ab:t', 'ab:t')).rejects.toMatchObject({ code: 'resource_exhausted' });
    await run('b:t', 'b:t', 'ab:t');
  });
});
