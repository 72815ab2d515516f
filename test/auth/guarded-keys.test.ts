/** The port as a caller sees it who may read `a:` and write `b:`, and both for `ab:`. */
import { describe, expect, it } from 'vitest';
import { GuardedKeys } from '#auth/guarded-keys.ts';
import type {
  BatchOperation,
  GetCommand,
  ScanAnswer,
  ScanCommand,
  SetCommand,
  Update,
  UpdatesCommand,
} from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { NO_POSITION } from '#model/position.ts';
import type { WatchCommand, WatchEvent, WatchMessage } from '#model/watch.ts';
import { createStore } from '#storage/store.ts';
import { at, set, UNLIMITED } from '#test/storage/helpers.ts';

const RIGHTS = { read: ['a:', 'ab:'], write: ['ab:', 'b:'] };
const VALUE = new Uint8Array([1]);
const entryOf = (key: string) => ({ key, value: VALUE, expireAtMs: 5, version: NO_POSITION });
const RECEIPT = { minAcks: 0, timeoutMs: 0 };
const setOf = (key: string): SetCommand => ({
  ...RECEIPT,
  key,
  value: VALUE,
  expiry: { kind: 'default' },
  returnPrevious: true,
});

const STORE = createStore({ limits: UNLIMITED });
for (const [i, key] of ['b:1', 'a:1', 'c', 'c2', 'a:2', 'b:2', 'ab:1', 'c3'].entries())
  STORE.apply(set(key), at(i + 1));

/** Records 1 to 5; that of LSN 3 is a batch. */
const UPDATES: Update[] = [
  ['a:1', 1],
  ['b:1', 2],
  ['a:2', 3],
  ['b:2', 3],
  ['ab:2', 3],
  ['a:3', 4],
  ['c', 5],
].map(([key, lsn]) => ({
  ...entryOf(String(key)),
  position: at(Number(lsn)),
  timestampMs: 0,
  op: 'set',
  cause: 'client',
}));

/** Answers everything, with all that an answer can tell. */
function open(): { guarded: GuardedKeys; asked: unknown[]; messages: WatchMessage[] } {
  const asked: unknown[] = [];
  const messages: WatchMessage[] = [];
  const written = (command: { key: string }) => {
    asked.push(command.key);
    const entry = entryOf(command.key);
    return {
      applied: true,
      position: NO_POSITION,
      previous: entry,
      current: entry,
      entry,
      value: 7n,
      expireAtMs: 5,
      durabilityReached: 'accepted' as const,
      replicasAcked: 0,
    };
  };
  const resultOf = ({ kind, command }: BatchOperation) =>
    kind === 'get'
      ? { kind, answer: { entry: entryOf(command.key), asOf: NO_POSITION, stalenessMs: 0 } }
      : { kind, answer: written(command) };
  const port = {
    get: ({ key }: { key: string }) => ({ entry: entryOf(key), asOf: NO_POSITION, stalenessMs: 0 }),
    set: written,
    delete: written,
    increment: written,
    touch: written,
    batch: (operations: readonly BatchOperation[]) => operations.map(resultOf),
    namedBatch: async (operations: readonly BatchOperation[]) => operations.map(resultOf),
    atomicBatch: async ({ operations }: { operations: readonly BatchOperation[] }) => ({
      results: operations.map(resultOf),
    }),
    scan: (command: ScanCommand) => {
      const freshness = { asOf: NO_POSITION, stalenessMs: 0 };
      if (command.countOnly === true) return { ...freshness, entries: [], ...STORE.count(command, 0) };
      return { ...freshness, ...STORE.scan(command, 0) };
    },
    getUpdates: async (command: UpdatesCommand) => {
      asked.push(command);
      return { updates: UPDATES, frames: VALUE, last: at(9) };
    },
    deletePrefix: async ({ prefix }: { prefix: string }) => asked.push(prefix),
    explain: async ({ key }: { key: string }) => asked.push(key),
    watch: async function* (command: WatchCommand) {
      asked.push(command);
      yield* messages;
    },
  };
  return { guarded: new GuardedKeys(port as unknown as KeyValuePort, RIGHTS), asked, messages };
}

const codeOf = async (run: () => unknown): Promise<string | undefined> => {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (!(error instanceof WalnutError)) throw error;
    expect(error.details.nothingDone).toBe(true);
    return error.code;
  }
};
const DENIED = 'permission_denied';

describe('a read of one key', () => {
  it.each([
    ['a:k', undefined],
    ['ab:k', undefined],
    ['b:k', DENIED],
    ['a', DENIED],
    ['', DENIED],
    ['A:k', DENIED],
  ])('of %j: %j', async (key, code) => {
    const { guarded } = open();
    const signal = new AbortController().signal;
    expect(await codeOf(() => guarded.get({ key, waitMs: 0 }))).toBe(code);
    expect(await codeOf(() => guarded.explain({ key, changes: 0 }, signal))).toBe(code);
    const watched = { ...WATCH, target: { kind: 'key', key } } as const;
    expect(await codeOf(() => guarded.watch(watched, signal))).toBe(code);
  });
});

describe('a fill lease', () => {
  it('needs the right to write, in a batch too', async () => {
    const { guarded } = open();
    const ask = (key: string) => ({ key, waitMs: 0, fill: { leaseMs: 1_000 } }) as GetCommand;
    expect(await codeOf(() => guarded.get(ask('ab:k')))).toBeUndefined();
    expect(await codeOf(() => guarded.get(ask('a:k')))).toBe(DENIED);
    expect(await codeOf(() => guarded.get(ask('b:k')))).toBe(DENIED);
    const [result] = await guarded.batch([{ kind: 'get', command: ask('a:k') }]);
    expect(result).toMatchObject({ kind: 'error', error: { code: DENIED } });
  });
});

describe('a write of one key', () => {
  const writes = (guarded: GuardedKeys, key: string) => [
    () => guarded.set(setOf(key)),
    () => guarded.delete({ ...RECEIPT, key, returnPrevious: true }),
    () => guarded.increment({ ...setOf(key), delta: 1n, initial: 0n }),
    () => guarded.touch({ ...RECEIPT, key, expiry: { kind: 'keep' }, returnValue: true }),
  ];

  it.each(['a:k', 'c', ''])('of %j is refused, and does not reach the port', async (key) => {
    const { guarded, asked } = open();
    for (const write of writes(guarded, key)) expect(await codeOf(write)).toBe(DENIED);
    expect(asked).toEqual([]);
  });

  it('tells nothing of what is stored where the key may not be read', async () => {
    const left = { previous: undefined, current: undefined, entry: undefined, value: 0n, expireAtMs: 0 };
    const nothing = { ...left, isLeftOut: true };
    for (const write of writes(open().guarded, 'b:k')) expect(await write()).toMatchObject(nothing);
    for (const write of writes(open().guarded, 'ab:k'))
      expect(await write()).toMatchObject({ previous: entryOf('ab:k'), value: 7n, expireAtMs: 5 });
  });
});

const BATCH: BatchOperation[] = [
  { kind: 'get', command: { key: 'b:1', waitMs: 0 } },
  { kind: 'set', command: setOf('b:2') },
  { kind: 'set', command: setOf('a:3') },
  { kind: 'get', command: { key: 'a:4', waitMs: 0 } },
  { kind: 'set', command: setOf('ab:5') },
];

describe('a batch', () => {
  it('refuses what is denied, carries the rest out, and keeps the order', async () => {
    const { guarded, asked } = open();
    const results = await guarded.batch(BATCH);
    expect(results.map((result) => (result.kind === 'error' ? result.error.code : result.kind))).toEqual([
      DENIED,
      'set',
      DENIED,
      'get',
      'set',
    ]);
    expect(asked).toEqual(['b:2', 'ab:5']);
    expect(results[1]).toMatchObject({ answer: { previous: undefined } });
    expect(results[4]).toMatchObject({ answer: { previous: entryOf('ab:5') } });
  });

  it('that is atomic is refused whole, naming the operation', async () => {
    const { guarded, asked } = open();
    const command = { ...RECEIPT, operations: BATCH.slice(1), answerBytesMax: 100 };
    await expect(guarded.atomicBatch(command)).rejects.toThrow('operations[1]: you may not write this key');
    expect(asked).toEqual([]);
    const allowed = await guarded.atomicBatch({ ...command, operations: BATCH.slice(1, 2) });
    expect(allowed.results[0]).toMatchObject({ answer: { previous: undefined } });
  });
});

describe('a batch with one name', () => {
  const id = { name: { kind: 'request', requestId: 'r' }, checksum: 1 } as const;
  const setsOf = (...keys: string[]) => keys.map((key) => ({ kind: 'set', command: setOf(key) }) as const);

  it('is refused whole for one key that may not be written, and shows no value that may not be read', async () => {
    const { guarded, asked } = open();
    expect(await codeOf(() => guarded.namedBatch(setsOf('ab:1', 'a:1'), id))).toBe('permission_denied');
    expect(asked).toEqual([]);
    const results = await guarded.namedBatch(setsOf('ab:1', 'b:1'), id);
    expect(results).toMatchObject([
      { answer: { previous: { key: 'ab:1' } } },
      { answer: { previous: undefined, current: undefined } },
    ]);
  });
});

describe('a scan', () => {
  const ALL: ScanCommand = { prefix: '', cursor: '', limit: 10, keysOnly: true };
  const scan = (more: Partial<ScanCommand>) => open().guarded.scan({ ...ALL, ...more }) as ScanAnswer;

  it.each([
    ['', ['a:1', 'a:2', 'ab:1']],
    ['a', ['a:1', 'a:2', 'ab:1']],
    ['ab', ['ab:1']],
    ['a:2', ['a:2']],
    ['b:', []],
    ['c', []],
  ])('of %j has only what may be read, and counts only that', (prefix, keys) => {
    expect(scan({ prefix }).entries.map(({ key }) => key)).toEqual(keys);
    expect(scan({ prefix, countOnly: true })).toMatchObject({ entries: [], count: keys.length });
  });

  it('has pages that end at keys which may be read, so that nobody counts the others by them', () => {
    const pages: string[][] = [];
    let cursor = '';
    do {
      const page = scan({ cursor, limit: 1 });
      pages.push(page.entries.map(({ key }) => key));
      cursor = page.nextCursor;
    } while (cursor !== '');
    expect(pages).toEqual([['a:1'], ['a:2'], ['ab:1'], []]);
  });

  it('of what may not be read has one page, and refuses a bad cursor and a bad limit all the same', () => {
    expect(scan({ prefix: 'c', limit: 1 })).toMatchObject({ entries: [], nextCursor: '' });
    expect(scan({ prefix: 'c', countOnly: true })).toMatchObject({ count: 0, nextCursor: '' });
    expect(() => scan({ prefix: 'c', cursor: 'x' })).toThrow('cursor is malformed');
    expect(() => scan({ prefix: 'c', limit: -1 })).toThrow('limit is -1');
  });
});

describe('calls on many keys', () => {
  it('deletes by prefix only where every key with it may be written', async () => {
    const { guarded, asked } = open();
    const run = (prefix: string) =>
      codeOf(() => guarded.deletePrefix({ ...RECEIPT, prefix, cursor: '', limit: 0 }));
    expect([await run('b:'), await run('b:x'), await run('b'), await run(''), await run('a:')]).toEqual([
      undefined,
      undefined,
      DENIED,
      DENIED,
      DENIED,
    ]);
    expect(asked).toEqual(['b:', 'b:x']);
  });

  it('gives updates of readable keys, and no frames', async () => {
    const { guarded } = open();
    const ask = (format: 'entries' | 'frames') =>
      guarded.getUpdates({ after: NO_POSITION, format, bytesMax: 0 });
    const { updates, last } = await ask('entries');
    expect([updates.map(({ key }) => key), last]).toEqual([['a:1', 'a:2', 'ab:2', 'a:3'], at(9)]);
    await expect(ask('frames')).rejects.toThrow(
      /may not read every key, which frames are about: .* must grant it, or ask for entries$/,
    );
  });

  it.each([
    [1, 1, ['a:1']],
    [12, 1, ['a:1']],
    [13, 3, ['a:1', 'a:2', 'ab:2']],
    [17, 9, ['a:1', 'a:2', 'ab:2', 'a:3']],
  ])(
    'ends a page of %i bytes of updates at LSN %i, whatever the size of others',
    async (bytesMax, lsn, keys) => {
      const { guarded, asked } = open();
      const { updates, last } = await guarded.getUpdates({ after: NO_POSITION, format: 'entries', bytesMax });
      expect([updates.map(({ key }) => key), last]).toEqual([keys, at(lsn)]);
      expect(asked).toEqual([{ after: NO_POSITION, format: 'entries', bytesMax: 0 }]);
    },
  );
});

const WATCH: WatchCommand = {
  target: { kind: 'prefix', prefix: '' },
  after: undefined,
  ops: undefined,
  withPrevious: true,
  keysOnly: false,
  progressEveryMs: 0,
  isInitial: false,
};

describe('a watch', () => {
  const eventOf = (key: string): WatchEvent =>
    ({ key, previous: entryOf(key), isPreviousUnknown: false, encoded: VALUE }) as unknown as WatchEvent;
  const messageOf = (keys: string[], more: Partial<WatchMessage> = {}): WatchMessage =>
    ({ events: keys.map(eventOf), isFragment: false, isInitialDone: false, ...more }) as WatchMessage;
  const watch = async (sent: WatchMessage[], command = WATCH) => {
    const { guarded, messages, asked } = open();
    messages.push(...sent);
    const told = await Array.fromAsync(guarded.watch(command, new AbortController().signal));
    return { told, keys: told.map(({ events }) => events.map(({ key }) => key)), asked };
  };

  it('tells changes of readable keys, and sends no message that has no other', async () => {
    const progress = messageOf([]);
    const { keys } = await watch([progress, messageOf(['b:1', 'a:1']), messageOf(['c']), progress]);
    expect(keys).toEqual([[], ['a:1'], []]);
  });

  it('ends a record of which it told a part, and says when the initial events are complete', async () => {
    const { keys } = await watch([
      messageOf(['a:1'], { isFragment: true }),
      messageOf(['c'], { isFragment: true }),
      messageOf(['c']),
      messageOf(['c'], { isInitialDone: true }),
    ]);
    expect(keys).toEqual([['a:1'], [], []]);
  });

  it('tells what was there before only to who may write the key', async () => {
    const { told } = await watch([messageOf(['a:1', 'ab:1'])]);
    expect(told[0]?.events).toEqual([
      { ...eventOf('a:1'), previous: undefined, isPreviousUnknown: true, encoded: undefined },
      eventOf('ab:1'),
    ]);
  });

  it('watches one prefix where no other may be read', async () => {
    const target = { kind: 'prefix', prefix: 'ab' } as const;
    expect((await watch([], { ...WATCH, target })).asked).toMatchObject([{ target: { prefix: 'ab:' } }]);
  });
});
