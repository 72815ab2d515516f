/** Every error of the client: one kind, with an outcome that the table of the manual has for its code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Code, ConnectError, createRouterTransport, type Transport } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import type { Outcome } from '#routing/failure.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { ROOT } from '#test/house/source-files.ts';
import { fromError } from '#wire/error-codec.ts';
import { SENT_CODES } from '#wire/error-codes.ts';
import { text } from '../../client/codecs.ts';
import { CallError } from '../../client/failures.ts';
import { Session } from '../../client/session.ts';
import { WalnutClient, type WalnutClientOptions } from '../../client/walnut-client.ts';
import { SimulatedGroup } from './simulated-group.ts';

const OUTCOMES: readonly Outcome[] = ['done', 'not_done', 'unknown'];
/** The texts of the client's files. */
const SOURCES = readdirSync(join(ROOT, 'client'))
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(ROOT, 'client', name), 'utf8'));
/** Of other services, or of routes that are no rpcs. */
const NEVER = ['already_exists'];

/** The rows of the table: what outcomes each code has. */
function readTable(): ReadonlyMap<string, readonly Outcome[]> {
  const manual = readFileSync(join(ROOT, 'client/README.md'), 'utf8');
  const section = manual.split('\n## Errors\n')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  return new Map(
    rows.flatMap((row) => {
      const [codes = '', when = '', outcomes = '', next = ''] = row.slice(2).split(' | ');
      expect([when.length > 0, next.length > 2]).toEqual([true, true]);
      const named = OUTCOMES.filter((one) => outcomes.includes(`\`${one}\``));
      return [...codes.matchAll(/`([A-Z_]+)`/g)].map(([, code = '']) => [code, named] as const);
    }),
  );
}

const TABLE = readTable();

function nameOf(code: Code): string {
  return (Code[code] as string).replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase();
}

type Options = Readonly<Record<string, unknown>>;
type Call = (client: WalnutClient, options?: Options) => Promise<unknown>;
const VALUE = Buffer.from('1');

/** Every method that a node is called for. */
const READS: Readonly<Record<string, Call>> = {
  get: (client, options) => client.get('k', options),
  count: (client, options) => client.count('k', options),
  scan: (client, options) => client.scan('k', options).next(),
  awaitDurable: (client, options) => client.awaitDurable(options),
  getUpdates: (client, options) => client.getUpdates(options),
  explain: (client, options) => client.explain('k', 0, options),
  watch: (client, options) => client.watch({ key: 'k' }, options).next(),
  getOrSet: (client, options) =>
    client.getOrSet('k', () => 'v', {
      ...{ ttlMs: 1, codec: text(), loadAfterMs: Number.POSITIVE_INFINITY },
      ...options,
    }),
};
const WRITES: Readonly<Record<string, Call>> = {
  set: (client, options) => client.set('k', VALUE, options),
  delete: (client, options) => client.delete('k', options),
  increment: (client, options) => client.increment('k', options),
  touch: (client, options) => client.touch('k', { ttlMs: 1, ...options }),
  atomic: (client, options) => client.atomic([{ set: { key: 'k', value: VALUE } }], options),
  deletePrefix: (client, options) => client.deletePrefix('k', options),
};
const CALLS = { ...READS, ...WRITES };
const NO_CALLS = ['constructor', 'close', 'map'];

/** A node whose every rpc fails so. */
function failing(error: ConnectError): Transport {
  const fail = (): never => {
    throw error;
  };
  const fails = (): AsyncIterable<never> => ({
    [Symbol.asyncIterator]: () => ({ next: async () => fail() }),
  });
  return createRouterTransport(({ service }) =>
    service(
      KVStore,
      Object.fromEntries(
        KVStore.methods.map(({ localName, methodKind }) => [
          localName,
          methodKind === 'unary' ? fail : fails,
        ]),
      ),
    ),
  );
}

function open(transport: Transport, options: Partial<WalnutClientOptions> = {}) {
  const clock = new VirtualClock();
  const seams = { clock, random: new SeededRandom(1), open: () => ({ transport, close: () => undefined }) };
  const session = Session.from('s1.4294967297-1');
  const client = new WalnutClient({ addresses: ['m:1'], timeoutMs: 1_000, session, ...options }, seams);
  const failure = async (call: Promise<unknown>): Promise<CallError> => {
    let end: { readonly error: unknown } | undefined;
    call.then(
      () => (end = { error: 'none' }),
      (error: unknown) => (end = { error }),
    );
    for (let i = 0; i < 20 && end === undefined; i++) await clock.settle();
    if (end === undefined) await clock.advanceUntil(() => end !== undefined, 120_000);
    expect(end?.error).toBeInstanceOf(CallError);
    return end?.error as CallError;
  };
  return { client, failure, clock };
}

/** Its outcome is one that the table has for its code. */
function expectTold(error: CallError, isRead: boolean, method = ''): void {
  expect([nameOf(error.code), TABLE.get(nameOf(error.code))]).toEqual([
    nameOf(error.code),
    expect.arrayContaining([error.outcome]),
  ]);
  if (isRead) expect([method, error.outcome]).toEqual([method, 'not_done']);
  expect(error.rawMessage).not.toBe('');
}

describe('the table of errors', () => {
  it('has every code that nodes answer to these calls, and that the client throws itself', () => {
    const sent = Object.values(SENT_CODES).map(({ code }) => code);
    const answered = sent.filter((code) => !NEVER.includes(code)).map((code) => code.toUpperCase());
    const own = SOURCES.flatMap((source) => [...source.matchAll(/\bCode\.([A-Z][A-Za-z]+)/g)]).map(
      ([, name]) => nameOf(Code[name as keyof typeof Code]),
    );
    expect([...new Set([...answered, ...own])].filter((code) => !TABLE.has(code))).toEqual([]);
    expect([...TABLE.values()].filter((outcomes) => outcomes.length === 0)).toEqual([]);
  });

  it('is of all methods of the client', () => {
    const methods = Object.getOwnPropertyNames(WalnutClient.prototype).filter(
      (name) => typeof Object.getOwnPropertyDescriptor(WalnutClient.prototype, name)?.value === 'function',
    );
    expect(methods.filter((name) => !NO_CALLS.includes(name)).sort()).toEqual(Object.keys(CALLS).sort());
  });
});

describe('an error that a node answers', () => {
  const codes = Object.keys(SENT_CODES).filter((code) => !['shard_moved', ...NEVER].includes(code));
  it.each(codes)('of the code %s is told with its outcome by every method', async (code) => {
    for (const nothingDone of [false, true])
      for (const [method, call] of Object.entries(CALLS)) {
        const answer = fromError(
          new WalnutError(code as ErrorCode, `${method} failed`, nothingDone ? { nothingDone } : {}),
        );
        const { client, failure } = open(failing(answer));
        const error = await failure(call(client));
        const isRead = method in READS;
        expectTold(error, isRead, method);
        expect([error.code, error.address, error.attempts > 0]).toEqual([answer.code, 'm:1', true]);
        if (nothingDone) expect(error.outcome).toBe('not_done');
      }
  });

  it('of something that is no node is told too', async () => {
    for (const code of [Code.Unknown, Code.Unimplemented, Code.NotFound])
      for (const [method, call] of Object.entries(CALLS)) {
        const { client, failure } = open(failing(new ConnectError('<html>', code)));
        const error = await failure(call(client));
        expectTold(error, method in READS, method);
        if (code === Code.Unimplemented) expect(error.outcome).toBe('not_done');
      }
  });
});

describe('an error of the client itself', () => {
  const transport = failing(new ConnectError('lost', Code.Unavailable));

  it.each(Object.entries(CALLS))('is told by %s: closed, given up, or wrong', async (method, call) => {
    const isRead = method in READS;
    const { client, failure } = open(transport);
    const wrong = await failure((async () => call(client, { noSuchOption: 1 }))());
    expect([wrong.code, wrong.outcome]).toEqual([Code.InvalidArgument, 'not_done']);
    expect(wrong.message).toMatch(/unknown option "noSuchOption": expected/);
    if (method !== 'watch') {
      const given = await failure(call(client, { signal: AbortSignal.abort() }));
      expect([given.code, given.outcome]).toEqual([Code.Canceled, 'not_done']);
      expectTold(given, isRead);
    }
    const closing = open(transport);
    await closing.client.close();
    const closed = await closing.failure((async () => call(closing.client))());
    expect([closed.code, closed.outcome]).toEqual([Code.Canceled, 'not_done']);
    expect(closed.message).toContain('is closed');
  });

  it.each(['set', 'atomic'])(
    'comes in time for the first %s, which a position is asked for before',
    async (method) => {
      const { client, failure, clock } = open(transport, { session: new Session() });
      const error = await failure((CALLS[method] as Call)(client));
      expect([error.code, error.outcome]).toEqual([Code.Unavailable, 'not_done']);
      expect(clock.monotonicMs()).toBeLessThanOrEqual(1_000);
    },
  );

  it.each<[Partial<WalnutClientOptions>, string]>([
    [{ address: 'a:1' }, 'm:1 is not called, since address is the only node: expected addresses'],
    [
      { addresses: ['a:1'], token: 'walnut_a' },
      'm:1 is not called, since a token goes in clear text to named',
    ],
  ])('says of a replica why its master is not called, with %o', async (options, why) => {
    const group = new SimulatedGroup(['m:1', 'a:1']);
    const opened = { addresses: undefined, session: new Session(), ...options };
    const { client, failure } = open(group.transportTo('a:1'), opened as Partial<WalnutClientOptions>);
    const error = await failure(client.set('k', VALUE));
    expect([error.code, error.outcome]).toEqual([Code.FailedPrecondition, 'not_done']);
    expect(error.rawMessage).toContain(why);
  });

  it('is told where a value cannot be encoded or decoded', async () => {
    const group = new SimulatedGroup(['m:1']);
    const { client, failure } = open(group.transportTo('m:1'), { session: new Session() });
    await client.set('k', Buffer.from([0xff]));
    const wrong = await failure(client.getOrSet('k', () => 'v', { ttlMs: 1, codec: text() }));
    expect([wrong.code, wrong.outcome]).toEqual([Code.FailedPrecondition, 'not_done']);
    expect(wrong.message).toContain('the value of "k" cannot be decoded');
    const options = { ttlMs: 1, codec: text() };
    const lost = open(transport);
    const unwritten = await lost.failure(lost.client.getOrSet('k', () => '\ud800', options));
    expect([unwritten.code, unwritten.outcome]).toEqual([Code.InvalidArgument, 'not_done']);
    expect(unwritten.message).toContain('the value of "k" cannot be encoded');
  });

  it('says what was expected, where an argument is wrong', () => {
    const texts = SOURCES.flatMap((source) => [
      ...source.matchAll(/\binvalid\(\s*(['"`][\s\S]*?)\s*\);/g),
    ]).map(([, message]) => message);
    expect(texts.length).toBeGreaterThan(40);
    expect(
      texts.filter((message = '') => !/expected|begin again|cannot be (used|encoded)/.test(message)),
    ).toEqual([]);
  });
});
