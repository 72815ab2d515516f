/** Watches that go on by themselves: against nodes that answer as told, and against a real one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { WatchEndSchema } from '#gen/walnut/v1/errors_pb.ts';
import { type WatchResponse, WatchResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { codeBlocksOf } from '#test/doubles/markdown.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { readText } from '#test/house/source-files.ts';
import { connect } from '../../client/connect.ts';
import { resumingWatch, type WatchInit } from '../../client/resuming-watch.ts';
import { watchUsers } from './watch-example.ts';

it('goes as the example of the README does, which is typed here and tells each change', async () => {
  const shown = codeBlocksOf(readText('client/README.md')).find(({ heading }) =>
    heading.startsWith('Watching'),
  );
  const lines = (shown?.text ?? 'none').trimEnd().split('\n');
  expect(readText('test/client/watch-example.ts')).toContain(lines.map((line) => `  ${line}`).join('\n'));
  const directory = mkdtempSync(join(tmpdir(), 'walnut-watch-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  onTestFinished(() => master.stop());
  await using client = connect(master.address);
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  onTestFinished(() => log.mockRestore());
  const watching = watchUsers(client);
  const writing = new AbortController();
  const writes = (async () => {
    // The watch tells what is written after it has begun.
    for (let i = 0; i < 1_000 && !writing.signal.aborted; i++)
      await client.set('user:last', Buffer.from('1'));
  })();
  await watching;
  writing.abort();
  await writes;
  expect(log.mock.calls).toContainEqual(['user:last', 'has changed']);
});

const PREFIX = { what: { case: 'prefix', value: '' } } as const;

type Step =
  | { readonly keys: string[]; readonly resume: string; readonly fragment?: boolean }
  | ConnectError
  | 'silence';

function messageOf({
  keys,
  resume,
  fragment = false,
}: Exclude<Step, ConnectError | 'silence'>): WatchResponse {
  return create(WatchResponseSchema, { events: keys.map((key) => ({ key })), resume, fragment });
}

/** A watch of a node that does the steps of each attempt in turn. */
function watched(
  attempts: Step[][],
  patienceMs = 60_000,
  request: WatchInit = PREFIX,
  onBreak: (error: ConnectError) => void = () => undefined,
) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const aborter = new AbortController();
  const open = async function* (init: WatchInit, signal: AbortSignal) {
    asked.push(init.from?.case === 'resume' ? init.from.value : init.initial === true ? 'initial' : '-');
    for (const step of attempts[asked.length - 1] ?? []) {
      if (step instanceof ConnectError) throw step;
      if (step === 'silence') {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        throw new ConnectError('aborted here', Code.Canceled);
      }
      yield messageOf(step);
    }
    throw new ConnectError('gone', Code.Unavailable);
  };
  const messages: WatchResponse[] = [];
  let error: unknown;
  const done = (async () => {
    const options = { clock, signal: aborter.signal, patienceMs, onBreak };
    for await (const message of resumingWatch(open, request, options)) messages.push(message);
  })().catch((thrown: unknown) => {
    error = thrown;
  });
  return {
    clock,
    asked,
    aborter,
    done,
    keys: () => messages.flatMap(({ events }) => events.map(({ key }) => key)),
    code: () => (error instanceof ConnectError ? error.code : undefined),
  };
}

const start = { keys: [], resume: 'r0' };

describe('a watch that is broken off', () => {
  it('goes on after the last whole record, so that each change is given once', async () => {
    const slow = new ConnectError('slow', Code.ResourceExhausted, undefined, [
      { desc: WatchEndSchema, value: { resume: 'r2' } },
    ]);
    const one = watched([
      [
        start,
        { keys: ['a'], resume: 'r1' },
        { keys: ['b1'], resume: '', fragment: true },
        new ConnectError('x', Code.Unavailable),
      ],
      [
        { keys: [], resume: 'r1' },
        { keys: ['b1'], resume: '', fragment: true },
        { keys: ['b2'], resume: 'r2' },
        slow,
      ],
      [{ keys: ['c'], resume: 'r3' }],
    ]);
    await one.clock.advance(10_000);
    expect(one.keys()).toEqual(['a', 'b1', 'b2', 'c']);
    expect(one.asked.slice(0, 4)).toEqual(['-', 'r1', 'r2', 'r3']);
    one.aborter.abort();
    await one.clock.advance(10);
    await one.done;
    expect(one.code()).toBeUndefined();
  });

  it('gives a node up that tells nothing', async () => {
    const one = watched([[start, 'silence'], [{ keys: ['a'], resume: 'r1' }]]);
    await one.clock.advance(29_000);
    expect(one.asked).toEqual(['-']);
    await one.clock.advance(3_000);
    expect(one.keys()).toEqual(['a']);
  });

  it('goes on where what it tells its caller throws or rejects', async () => {
    const steps: Step[][] = [[start], [{ keys: ['a'], resume: 'r1' }], [{ keys: ['b'], resume: 'r2' }]];
    let breaks = 0;
    const onBreak = (): unknown => {
      if (breaks++ > 0) return Promise.reject(new Error('of the caller'));
      throw new Error('of the caller');
    };
    const one = watched(steps, 60_000, PREFIX, onBreak);
    await one.clock.advance(1_000);
    expect([one.keys(), one.code()]).toEqual([['a', 'b'], undefined]);
  });

  it('is over after its patience, with the last error', async () => {
    const one = watched([[start]], 5_000);
    await one.clock.advance(20_000);
    expect(one.code()).toBe(Code.Unavailable);
    expect(one.asked.length).toBeGreaterThan(3);
    expect(one.asked.length).toBeLessThan(12);
  });

  it('is over at once where going on does not help', async () => {
    for (const code of [Code.OutOfRange, Code.DataLoss, Code.InvalidArgument, Code.ResourceExhausted]) {
      const one = watched([[start, new ConnectError('no', code)]]);
      await one.clock.advance(1_000);
      expect([one.code(), one.asked.length]).toEqual([code, 1]);
    }
  });

  it('before the first message, or before initial_done, tells its caller', async () => {
    const first = watched([[new ConnectError('down', Code.Unavailable)]]);
    await first.clock.advance(1_000);
    expect([first.code(), first.asked]).toEqual([Code.Unavailable, ['-']]);
    const early = watched([[{ keys: ['a'], resume: '' }]], 60_000, { ...PREFIX, initial: true });
    await early.clock.advance(1_000);
    expect([early.code(), early.asked]).toEqual([Code.Unavailable, ['initial']]);
    const late = watched([[{ keys: ['a'], resume: 'r1' }], []], 60_000, { ...PREFIX, initial: true });
    await late.clock.advance(200);
    expect(late.asked.slice(0, 2)).toEqual(['initial', 'r1']);
  });
});

describe('WalnutClient.watch', () => {
  const cleanups: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  it('tells what a real node changes, and ends with the client', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'walnut-watch-'));
    cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
    const master = await RunningMaster.start(directory);
    cleanups.push(() => master.stop());
    const client = connect({ address: master.address });
    await client.set('user:a', Buffer.from('1'));
    const told: string[] = [];
    for await (const { events, initialDone } of client.watch({ prefix: 'user:' }, { initial: true })) {
      for (const { key, initial } of events) told.push(`${key} ${initial}`);
      if (initialDone) await client.set('user:b', Buffer.from('2'));
      if (told.length === 2) break;
    }
    expect(told).toEqual(['user:a true', 'user:b false']);
    const ended = (async () => {
      for await (const message of client.watch({ key: 'user:a' })) expect(message.events).toEqual([]);
    })();
    await client.get('user:a');
    await client.close();
    await ended;
  });
});
