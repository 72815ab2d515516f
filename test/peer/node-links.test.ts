/** What errors of nodes mean to routing, and what callers of a gateway are told of them. */
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { notYet, WalnutError } from '#model/errors.ts';
import { ConnectNodeLinks } from '#peer/node-links.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { fromError } from '#wire/error-codec.ts';

const links = new ConnectNodeLinks({ clock: new VirtualClock() });
const lost = (isUnsent: boolean, code = Code.Unavailable): ConnectError =>
  new ConnectError('lost', code, undefined, undefined, { code: undefined, why: 'lost', isUnsent });
const shard = { slot: 1, group: 'g2', address: 'b:1', mapEpoch: 3 };
const refused = (code: WalnutError['code'], details: WalnutError['details'] = {}): ConnectError =>
  fromError(new WalnutError(code, 'why', details));

describe('an error of a node', () => {
  it.each([
    ['a connection that could not be opened', lost(true), 'not_done', 'later'],
    ['a connection that broke', lost(false), 'unknown', 'later'],
    ['a connection that broke with an error of HTTP/2', lost(false, Code.Internal), 'unknown', 'later'],
    ['a call that took too long', new ConnectError('late', Code.DeadlineExceeded), 'unknown', 'later'],
    ['no lease, with nothing done', refused('unavailable', { nothingDone: true }), 'not_done', 'later'],
    ['no lease, after the write was accepted', refused('unavailable'), 'unknown', 'later'],
    ['a position not reached', fromError(notYet('why', 'b:1')), 'unknown', 'not_yet'],
    ['a replica', refused('not_master', { leaderHint: 'b:1' }), 'not_done', 'elsewhere'],
    ['another owner', refused('shard_moved', { shard, nothingDone: true }), 'not_done', 'moved'],
    ['a forgotten name', refused('aborted'), 'unknown', 'none'],
    ['a bug', refused('internal'), 'unknown', 'none'],
    [
      'a node with a full disk',
      refused('resource_exhausted', { nothingDone: true, isNotYet: true }),
      'not_done',
      'not_yet',
    ],
    ['a full node', refused('resource_exhausted', { nothingDone: true }), 'not_done', 'none'],
    ['a wrong request', refused('invalid_argument'), 'not_done', 'none'],
    ['an answer that is not understood', new WalnutError('invalid_argument', 'what'), 'unknown', 'none'],
  ] as const)('that is %s', (_, error, outcome, remedy) => {
    expect(links.judge(error)).toMatchObject({ outcome, remedy });
  });

  it('that names the leader is followed there', () => {
    expect(links.judge(refused('not_master', { leaderHint: 'b:1' })).leaderHint).toBe('b:1');
  });

  it('is told with what is known of the write, and without a node to go to', () => {
    const told = (error: ConnectError, outcome: 'not_done' | 'unknown'): WalnutError =>
      links.toError(error, { outcome, address: 'a:1', attempts: 2 });
    const replica = told(refused('not_master', { leaderHint: 'b:1' }), 'not_done');
    expect(replica).toMatchObject({ code: 'unavailable', message: 'a:1: why (after 2 attempts)' });
    expect(replica.details).toMatchObject({ nothingDone: true });
    expect(replica.details.leaderHint).toBeUndefined();
    const broken = told(lost(false, Code.Internal), 'unknown');
    expect(broken).toMatchObject({ code: 'unavailable', details: { nothingDone: undefined } });
    expect(broken.message).toContain('its outcome is unknown');
    // A refusal of a repeat says nothing of the attempt before it.
    expect(
      told(refused('unavailable', { nothingDone: true }), 'unknown').details.nothingDone,
    ).toBeUndefined();
    expect(told(new ConnectError('late', Code.DeadlineExceeded), 'unknown').code).toBe('unavailable');
  });

  it('that is about the request is its caller’s to see, and no sign of a node that sends nonsense', () => {
    const wrong = links.toError(refused('invalid_argument'), {
      outcome: 'not_done',
      address: 'a:1',
      attempts: 1,
    });
    expect(wrong).toMatchObject({ code: 'invalid_argument', message: 'a:1: why' });
    expect(wrong.details.cause).toBeUndefined();
    const nonsense = new WalnutError('invalid_argument', 'two results');
    expect(links.toError(nonsense, { outcome: 'unknown', address: 'a:1', attempts: 1 })).toMatchObject({
      code: 'internal',
      message: 'a:1: answered with invalid data: two results; its outcome is unknown',
    });
  });

  it('of an address that cannot be called is one like any other', async () => {
    expect(() => links.linkTo('nowhere')).toThrow('expected host:port');
  });
});
