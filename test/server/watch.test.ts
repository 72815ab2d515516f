/** Watch over every protocol, to the bytes that clients which are not ours read. */
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { WatchEndSchema } from '#gen/walnut/v1/errors_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Cause, Op } from '#gen/walnut/v1/types_pb.ts';
import { WalnutError } from '#model/errors.ts';
import type { WatchEvent, WatchMessage } from '#model/watch.ts';
import { SLICE_BYTES } from '#platform/slices.ts';
import { positionOf } from '#test/server/fake-node.ts';
import { start, until } from '#test/server/running.ts';
import { toResumeText } from '#wire/resume-text.ts';

const EVENT: WatchEvent = {
  op: 'set',
  cause: 'restored',
  key: 'k',
  value: new Uint8Array([0, 255]),
  version: positionOf(5),
  expireAtMs: 77,
  timestampMs: 66,
  previous: { key: 'k', value: new Uint8Array([9]), version: positionOf(4), expireAtMs: 0 },
  isPreviousUnknown: false,
  isInitial: false,
};

/** For copies of it: they have no bytes yet. */
const FRESH = { encoded: undefined, json: undefined };

function messageOf(
  lsn: number,
  events: readonly WatchEvent[],
  changes: Partial<WatchMessage> = {},
): WatchMessage {
  const flags = { canResume: true, isFragment: false, isInitialDone: false, wallShiftMs: 0 };
  return { events, position: positionOf(lsn), ...flags, ...changes };
}

const slow = new WalnutError('resource_exhausted', 'too slow', { resumeAfter: positionOf(5) });

const TRANSPORTS: Readonly<Record<string, (baseUrl: string) => Transport>> = {
  'Connect JSON over HTTP/1.1': (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false }),
  'Connect binary over HTTP/2': (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' }),
  'Connect binary over HTTP/1.1': (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  'gRPC-Web': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
};

describe.each(Object.keys(TRANSPORTS))('a watch by %s', (name) => {
  it('tells all of each event, and why it ends', async () => {
    const { node, baseUrl } = await start();
    node.watched = async function* () {
      yield messageOf(4, []);
      yield messageOf(4, [EVENT], { isFragment: true, canResume: false });
      const unknown = { previous: undefined, isPreviousUnknown: true, ...FRESH };
      yield messageOf(5, [{ ...EVENT, op: 'delete', ...unknown }]);
      throw slow;
    };
    const client = createClient(KVStore, (TRANSPORTS[name] as (url: string) => Transport)(baseUrl));
    const messages = [];
    let error: ConnectError | undefined;
    try {
      const request = { what: { case: 'prefix', value: 'k' }, withPrevious: true, ops: [Op.SET] } as const;
      for await (const message of client.watch({ ...request, ops: [Op.SET] })) messages.push(message);
    } catch (thrown) {
      error = ConnectError.from(thrown);
    }
    expect(node.calls.at(-1)?.argument).toMatchObject({
      target: { prefix: 'k' },
      ops: ['set'],
      withPrevious: true,
    });
    expect(messages.map(({ events, resume, fragment }) => [events.length, resume, fragment])).toEqual([
      [0, toResumeText(positionOf(4)), false],
      [1, '', true],
      [1, toResumeText(positionOf(5)), false],
    ]);
    expect(messages[1]?.events[0]).toMatchObject({
      op: Op.SET,
      cause: Cause.RESTORED,
      key: 'k',
      value: new Uint8Array([0, 255]),
      version: { lsn: 5n },
      expireAtMs: 77n,
      timestampMs: 66n,
      previous: { value: new Uint8Array([9]), version: { lsn: 4n } },
    });
    expect(messages[2]?.events[0]).toMatchObject({ op: Op.DELETE, previousUnknown: true });
    expect(error?.code).toBe(Code.ResourceExhausted);
    expect(error?.findDetails(WatchEndSchema)).toMatchObject([{ resume: toResumeText(positionOf(5)) }]);
  });

  it('has an outlet for all but JSON, whose messages come in order and are held back', async () => {
    const { node, baseUrl } = await start();
    const value = Buffer.alloc(100_000, 'v');
    const count = 30;
    let [waits, wasOpen] = [0, false];
    node.watched = async function* (_command, _signal, outlet) {
      yield messageOf(1, []);
      wasOpen = outlet?.isOpen === true;
      for (let lsn = 2; lsn < count; lsn++) {
        const message = messageOf(lsn, [{ ...EVENT, value, version: positionOf(lsn), ...FRESH }]);
        if (outlet === undefined || !wasOpen || lsn % 10 === 0) yield message;
        else {
          await new Promise<void>((resolve) => {
            if (outlet.send(message, resolve)) resolve();
            else waits++;
          });
        }
      }
      throw slow;
    };
    const client = createClient(KVStore, (TRANSPORTS[name] as (url: string) => Transport)(baseUrl));
    const lsns: number[] = [];
    const read = async (): Promise<void> => {
      for await (const { position } of client.watch({ what: { case: 'key', value: 'k' } }))
        lsns.push(Number(position?.lsn));
    };
    await expect(read()).rejects.toMatchObject({ code: Code.ResourceExhausted });
    expect(lsns).toEqual(Array.from({ length: count - 1 }, (_, i) => i + 1));
    expect([wasOpen, waits > 0]).toEqual(name.includes('JSON') ? [false, false] : [true, true]);
  });

  it('tells a value of more than a slice as it is, and what follows it', async () => {
    const { node, baseUrl } = await start();
    const value = Buffer.alloc(3 * SLICE_BYTES, 'walnut');
    node.watched = async function* () {
      yield messageOf(4, []);
      yield messageOf(5, [{ ...EVENT, value, ...FRESH }]);
      yield messageOf(6, [{ ...EVENT, ...FRESH }]);
      throw slow;
    };
    const client = createClient(KVStore, (TRANSPORTS[name] as (url: string) => Transport)(baseUrl));
    const values: Uint8Array[] = [];
    const read = async (): Promise<void> => {
      for await (const { events } of client.watch({ what: { case: 'key', value: 'k' } }))
        values.push(...events.map((event) => event.value));
    };
    await expect(read()).rejects.toMatchObject({ code: Code.ResourceExhausted });
    expect(values.map(({ length }) => length)).toEqual([value.length, EVENT.value.length]);
    expect(value.equals(values[0] as Uint8Array)).toBe(true);
  });

  it('sends nothing behind its end, though what it is made of still runs', async () => {
    const { node, baseUrl } = await start();
    const late = messageOf(9, [{ ...EVENT, key: 'late', ...FRESH }]);
    node.watched = async function* (_command, _signal, outlet) {
      yield messageOf(1, []);
      const goOn = async (): Promise<void> => {
        for (let i = 0; i < 2_000; i++) await outlet?.send(late, () => {});
      };
      void goOn();
      throw slow;
    };
    const client = createClient(KVStore, (TRANSPORTS[name] as (url: string) => Transport)(baseUrl));
    const read = async (): Promise<void> => {
      for await (const _ of client.watch({ what: { case: 'key', value: 'k' } }));
    };
    await expect(read()).rejects.toMatchObject({ code: Code.ResourceExhausted, rawMessage: 'too slow' });
  });

  it('ends at the node when its caller goes away', async () => {
    const { node, baseUrl } = await start();
    let isOver = false;
    node.watched = async function* (_command, signal) {
      try {
        yield messageOf(4, []);
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      } finally {
        isOver = true;
      }
    };
    const client = createClient(KVStore, (TRANSPORTS[name] as (url: string) => Transport)(baseUrl));
    const aborter = new AbortController();
    const request = { what: { case: 'key', value: 'k' } } as const;
    const stream = client.watch(request, { signal: aborter.signal })[Symbol.asyncIterator]();
    await stream.next();
    aborter.abort();
    await stream.next().catch(() => undefined);
    await until(() => isOver);
  });

  it('refuses contradictory requests before anything is watched', async () => {
    const { node, baseUrl } = await start();
    const client = createClient(KVStore, (TRANSPORTS[name] as (url: string) => Transport)(baseUrl));
    const stream = client.watch({})[Symbol.asyncIterator]();
    await expect(stream.next()).rejects.toMatchObject({ code: Code.InvalidArgument });
    expect(node.calls).toEqual([]);
  });
});
