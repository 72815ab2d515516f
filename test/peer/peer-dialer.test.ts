import { getEventListeners } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WalnutError } from '#model/errors.ts';
import { toLsn } from '#model/position.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { EPOCH, LOG_ID, NODE_ID, positionOf } from '#test/server/fake-node.ts';
import { onCleanup, type Running, start, until } from '#test/server/running.ts';

const TIMEOUT = { timeoutMs: 5_000 };
const SNAPSHOT = { logId: LOG_ID, nodeId: NODE_ID };
const TAIL = { epoch: EPOCH, lsn: toLsn(3), crc: 0xffff_ffff };
const REGISTER = {
  nodeId: NODE_ID,
  incarnation: 'i-1',
  advertise: ':8081',
  logId: LOG_ID,
  tail: TAIL,
  upstreamPath: [NODE_ID],
  fullResyncReason: 'digest_mismatch: at LSN 3',
  applyDelayMs: 0,
  term: 0,
  formatLevel: 1,
};
const PUSH = {
  masterNodeId: NODE_ID,
  logId: LOG_ID,
  term: 1,
  previous: TAIL,
  frames: new Uint8Array([1, 2, 3]),
  durableLsn: toLsn(4),
  logClockMs: 1_700_000_000_000,
  ackWhenDurable: true,
  digest: NODE_ID,
};

function link(address: string, clock = new VirtualClock()): PeerLink {
  const made = createPeerDialer({ clock }).dial(address);
  onCleanup(() => made.close());
  return made;
}

async function linked(): Promise<{ running: Running; peer: PeerLink; clock: VirtualClock }> {
  const running = await start();
  const clock = new VirtualClock();
  return { running, clock, peer: link(running.server.address, clock) };
}

async function failureOf(promise: Promise<unknown>): Promise<WalnutError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WalnutError);
  return error as WalnutError;
}

describe('a link', () => {
  it('carries requests and answers unchanged', async () => {
    const { running, peer } = await linked();
    const registered = await peer.register(REGISTER, TIMEOUT);
    expect(running.node.calls[0]).toEqual({ port: 'register', argument: REGISTER, extra: '127.0.0.1' });
    expect(registered).toEqual({
      masterNodeId: NODE_ID,
      logId: LOG_ID,
      term: 1,
      epochs: [{ epoch: EPOCH, firstLsn: 1 }],
      latest: { epoch: EPOCH, lsn: 9, crc: 0xdead_beef },
      logClockMs: 1_234,
      verdict: { kind: 'snapshot', reason: 'the log begins at 5' },
      address: '10.0.0.1:8081',
      group: { replicas: ['10.0.0.1:8081', 'b:2'], removed: ['c:3'], nodes: [] },
      formatLevel: 1,
    });

    const pushed = await peer.replicate(PUSH, TIMEOUT);
    const seen = running.node.calls[1]?.argument as typeof PUSH;
    expect({ ...seen, frames: Uint8Array.from(seen.frames) }).toEqual(PUSH);
    expect(pushed).toEqual({
      verdict: { kind: 'need', tail: { epoch: EPOCH, lsn: 3, crc: 17 } },
      hotKeys: [],
      durable: positionOf(3),
      appliedLsn: 3,
    });

    const command = { after: positionOf(2), format: 'entries' as const, bytesMax: 1_000 };
    const updates = await peer.getUpdates(command, TIMEOUT);
    expect(running.node.calls[2]?.argument).toEqual(command);
    expect(updates.updates).toMatchObject([{ key: 'k', op: 'set', cause: 'restored', timestampMs: 7 }]);
    expect(await peer.status(TIMEOUT)).toEqual({ ...running.node.status(), uptimeMs: 12_345 });
  });

  it('takes frames up to the limit of the format', async () => {
    const { running, peer } = await linked();
    await peer.replicate({ ...PUSH, frames: new Uint8Array(64 * 1_024 * 1_024) }, TIMEOUT);
    expect(running.node.calls[0]?.argument).toMatchObject({ frames: { length: 64 * 1_024 * 1_024 } });
  });

  it('streams a snapshot, and stops the sender when the reader stops', async () => {
    const { running, peer } = await linked();
    const chunks = [];
    for await (const { offset, totalBytes, bytes } of peer.fetchSnapshot(SNAPSHOT, TIMEOUT)) {
      chunks.push([offset, totalBytes, [...bytes]]);
    }
    expect(chunks).toEqual([
      [0, 5, [1, 2, 3]],
      [3, 5, [4, 5]],
    ]);

    // The limit is the peer's: a reader may take its time.
    const { clock } = await linked();
    const slow = link(running.server.address, clock);
    const offsets = [];
    for await (const { offset } of slow.fetchSnapshot(SNAPSHOT, TIMEOUT)) {
      offsets.push(offset);
      await clock.advance(TIMEOUT.timeoutMs);
    }
    expect(offsets).toEqual([0, 3]);

    // Far more than sockets buffer: a sender that were not stopped could not end.
    running.node.snapshot = Array.from({ length: 1_000 }, () => new Uint8Array(100_000));
    for await (const _ of peer.fetchSnapshot(SNAPSHOT, TIMEOUT)) break;
    const signal = running.node.calls[2]?.extra as AbortSignal;
    await until(() => signal.aborted);
  });
});

describe('a refusal', () => {
  it.each([
    ['not_master', { leaderHint: 'm:8080' }, 'not_master'],
    ['unavailable', { leaderHint: 'm:8080' }, 'unavailable'],
    ['discarded_history', {}, 'discarded_history'],
    ['out_of_range', { earliest: positionOf(7) }, 'out_of_range'],
    ['failed_precondition', {}, 'failed_precondition'],
    ['already_exists', {}, 'already_exists'],
    ['invalid_argument', {}, 'invalid_argument'],
    ['resource_exhausted', {}, 'resource_exhausted'],
    // What broke over there is no verdict about the request.
    ['storage_failed', {}, 'unavailable'],
    ['internal', {}, 'unavailable'],
    ['cancelled', {}, 'unavailable'],
  ] as const)('%s arrives with its hints', async (code, details, expected) => {
    const { running, peer } = await linked();
    running.node.failure = new WalnutError(code, 'because', details);
    const command = { after: positionOf(2), format: 'frames' as const, bytesMax: 0 };
    const failure = await failureOf(peer.getUpdates(command, TIMEOUT));
    expect(failure.code).toBe(expected);
    expect(failure.message).toBe(`${running.server.address}: because`);
    expect(failure.details).toMatchObject(details);
  });

  it('in the middle of a snapshot arrives too', async () => {
    const { running, peer } = await linked();
    running.node.failure = new WalnutError('failed_precondition', 'another log');
    const first = peer.fetchSnapshot(SNAPSHOT, TIMEOUT)[Symbol.asyncIterator]().next();
    expect((await failureOf(first)).code).toBe('failed_precondition');
  });
});

describe('a call that is over', () => {
  it('leaves no timer and no listener, however it ended', async () => {
    const { running, peer, clock } = await linked();
    const { signal } = new AbortController();
    await peer.register(REGISTER, { ...TIMEOUT, signal });
    for await (const _ of peer.fetchSnapshot(SNAPSHOT, { ...TIMEOUT, signal })) break;
    const closing = link(running.server.address, clock);
    const fetching = (async () => {
      for await (const _ of closing.fetchSnapshot(SNAPSHOT, TIMEOUT)) closing.close();
    })();
    expect((await failureOf(fetching)).message).toContain('closed');
    // The connection looks once more at its calls, and finds none.
    await clock.advance(1_000);
    expect(clock.pendingTimers).toBe(0);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

describe('a peer that cannot be reached', () => {
  it('is unavailable when nobody listens', async () => {
    const { running, peer } = await linked();
    await running.server.close(0);
    const failure = await failureOf(peer.status(TIMEOUT));
    expect(failure.code).toBe('unavailable');
    expect(failure.message).toContain(running.server.address);
  });

  it.each(['no host:80', 'host', ''])('is unavailable when its address is %j', async (address) => {
    expect((await failureOf(link(address).status(TIMEOUT))).code).toBe('unavailable');
    const fetching = (async () => {
      for await (const _ of link(address).fetchSnapshot(SNAPSHOT, TIMEOUT)) break;
    })();
    const failure = await failureOf(fetching);
    expect(failure).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('expected host:port'),
    });
  });

  it('is unavailable when it accepts and says nothing', async () => {
    let accepted = 0;
    const mute = createServer((socket) => {
      accepted += 1;
      onCleanup(() => {
        socket.destroy();
      });
    });
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    onCleanup(() => {
      mute.close();
    });
    const { port } = mute.address() as { port: number };
    const clock = new VirtualClock();
    const peer = link(`127.0.0.1:${port}`, clock);

    const pushed = failureOf(peer.replicate(PUSH, { timeoutMs: 250 }));
    const chunk = failureOf(peer.fetchSnapshot(SNAPSHOT, { timeoutMs: 250 })[Symbol.asyncIterator]().next());
    await until(() => accepted === 2);
    await clock.advance(250);
    expect(await pushed).toMatchObject({ code: 'unavailable', message: expect.stringContaining('250 ms') });
    expect(await chunk).toMatchObject({ code: 'unavailable', message: expect.stringContaining('250 ms') });

    const caller = new AbortController();
    const cancelled = failureOf(peer.status({ timeoutMs: 250, signal: caller.signal }));
    // The one before ended with its call: nothing had come on it.
    await until(() => accepted === 3);
    caller.abort();
    expect((await cancelled).code).toBe('cancelled');

    const open = failureOf(peer.status({ timeoutMs: 250 }));
    peer.close();
    expect(await open).toMatchObject({ code: 'unavailable', message: expect.stringContaining('closed') });
    expect((await failureOf(peer.status(TIMEOUT))).message).toContain('closed');
  });

  it('takes calls again when the peer is back', async () => {
    const { running, peer } = await linked();
    await peer.status(TIMEOUT);
    await running.server.close(0);
    await failureOf(peer.status(TIMEOUT));
    await start({ port: running.server.port });
    expect((await peer.status(TIMEOUT)).nodeId).toBe(NODE_ID);
  });
});
