/** What a call shows of one group to its session, and what of it is lost. */
import { describe, expect, it } from 'vitest';
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { GroupSeen } from '#model/group-seen.ts';
import { type Position, toLsn } from '#model/position.ts';

const at = (epoch: number, lsn: number, group?: string): Position => ({
  epoch,
  lsn: toLsn(lsn),
  ...(group === undefined ? {} : { group }),
});
/** What the session has seen of the group, its newest last, and of another one. */
const [EARLIER, NEWEST, OF_OTHER] = [at(4, 9), at(2 ** 32 + 4, 3), at(7, 7)];
const SEEN = [at(4, 9, 'g1'), at(7, 7, 'g2'), at(2 ** 32 + 4, 3, 'g1')];
const OWN = at(1, 1);
const lost = new WalnutError('discarded_history', 'gone');

/** `epochs`: those of histories that were discarded. */
function open(epochs: readonly number[] = [], seen = SEEN) {
  const proven: string[] = [];
  const read = async (atLeast: Position | undefined): Promise<Position | undefined> => {
    if (atLeast !== undefined && epochs.includes(atLeast.epoch)) throw lost;
    return atLeast;
  };
  const one = new GroupSeen({
    group: 'g1',
    seen,
    ownOf: (named) => (named?.epoch === OF_OTHER.epoch ? undefined : named),
    prove: async ({ key }, { earlier }) => {
      proven.push(`${key} ${earlier.map(({ epoch }) => epoch)}`);
      for (const position of earlier) await read(position);
    },
  });
  const lostBy = async (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => 'shown',
      (error: WalnutError) => error.details.lostGroup ?? error.code,
    );
  return { one, proven, read, lostBy };
}

const get = (key: string, atLeast?: Position): BatchOperation => ({
  kind: 'get',
  command: { key, waitMs: 0, atLeast },
});
const write = (key: string, since?: Position, isNamed = true): BatchOperation => {
  const name = { kind: 'client', clientId: 1n, sequence: 1, index: 0, answeredThrough: 0 } as const;
  const receipt = { minAcks: 0, timeoutMs: 0, returnPrevious: false };
  const command = { key, delta: 1n, initial: 0n, expiry: { kind: 'default' as const }, ...receipt };
  return { kind: 'increment', command: isNamed ? { ...command, id: { name, since } } : command };
};

describe('a read of a session', () => {
  it.each<[string, Position | undefined, Position | undefined, string[]]>([
    ['what the session has seen, and proves what is earlier', undefined, NEWEST, ['k 4']],
    ['what it names itself, and proves nothing', OWN, OWN, []],
    ['what the session has seen where it names a position of another group', OF_OTHER, NEWEST, ['k 4']],
  ])('shows %s', async (_, atLeast, shown, asked) => {
    const { one, read, proven } = open();
    expect(await one.reading({ key: 'k', waitMs: 0, atLeast }, read)).toEqual(shown);
    expect(proven).toEqual(asked);
  });

  it.each<[string, number[], Position | undefined, string]>([
    ['the newest', [NEWEST.epoch], undefined, 'g1'],
    ['an earlier one', [EARLIER.epoch], undefined, 'g1'],
    ['its own', [OWN.epoch], OWN, 'discarded_history'],
    ['one of the session while it names its own', [NEWEST.epoch, EARLIER.epoch], OWN, 'shown'],
  ])(
    'tells the group where what is lost is %s, if that is of the session',
    async (_, epochs, atLeast, said) => {
      const { one, read, lostBy } = open(epochs);
      expect(await lostBy(one.reading({ key: 'k', waitMs: 0, atLeast }, read))).toBe(said);
    },
  );
});

describe('a Batch of a session', () => {
  it('shows in each Get what the session has seen, unless it names its own, and says it with named writes', async () => {
    const { one, proven } = open();
    const given = [get('a', OWN), get('b'), write('c'), write('d', OWN), write('e', undefined, false)];
    const named = (await one.operations(given)).map(({ kind, command }) =>
      kind === 'get' ? command.atLeast : command.id?.since,
    );
    expect(named).toEqual([OWN, NEWEST, NEWEST, OWN, undefined]);
    // The key of a read that shows what was seen: its caller may not be allowed to read others.
    expect(proven).toEqual(['b 4']);
  });

  it('proves nothing where no Get shows what the session has seen', async () => {
    const { one, proven, lostBy } = open([EARLIER.epoch]);
    expect(await lostBy(one.operations([get('a', OWN), write('b')]))).toBe('shown');
    expect(proven).toEqual([]);
    expect(await lostBy(one.operations([get('a')]))).toBe('g1');
  });

  it('tells the group with the results that were to show what the session has seen', () => {
    const error: BatchResult = { kind: 'error', error: lost };
    const results = open().one.results([get('a', OWN), get('b'), write('c')], [error, error, error]);
    expect(results.map((one) => one.kind === 'error' && one.error.details.lostGroup)).toEqual([
      ...[undefined, 'g1', undefined],
    ]);
  });

  it.each<[string, BatchOperation[], string | undefined]>([
    ['that shows what was seen', [get('a'), write('b')], 'g1'],
    ['that names its own positions', [get('a', OWN), write('b')], undefined],
    ['of both, of which nobody says which one is lost', [get('a', OWN), get('b')], undefined],
    ['without a Get', [write('b')], undefined],
  ])('that is atomic, %s, tells the group where that is lost', (_, given, group) => {
    const told = open().one.atomicError(given, lost) as WalnutError;
    expect([told.code, told.details.lostGroup]).toEqual(['discarded_history', group]);
  });

  it('tells no group where the session has seen nothing of it', () => {
    const { one } = open([], [at(7, 7, 'g2')]);
    expect((one.atomicError([get('a')], lost) as WalnutError).details.lostGroup).toBeUndefined();
  });
});
