/** What errors of calls mean. */
import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { callError } from '#dial/http2/connect-call.ts';
import { RefusalSchema, RoutingErrorSchema, RoutingReason } from '#gen/walnut/v1/errors_pb.ts';
import type { Failure } from '#routing/failure.ts';
import { CallError, errorOf } from '../../client/failures.ts';
import { judge } from '../../client/judge.ts';

const REFUSED = { desc: RefusalSchema, value: { nothingDone: true } } as const;
const routed = (reason: RoutingReason, address = '') =>
  ({ desc: RoutingErrorSchema, value: { reason, address } }) as const;
const refusal = (code: Code, ...more: ReturnType<typeof routed>[]): ConnectError =>
  new ConnectError('x', code, undefined, [REFUSED, ...more]);
const header = (code: Code, name: string, value: string): ConnectError =>
  new ConnectError('x', code, new Headers({ [name]: value }));

describe('an error of an attempt', () => {
  it.each<[string, unknown, Partial<Failure>]>([
    [
      'of a replica',
      refusal(Code.FailedPrecondition, routed(RoutingReason.NOT_LEADER, 'm:1')),
      { remedy: 'elsewhere', outcome: 'not_done', leaderHint: 'm:1' },
    ],
    [
      'of a replica of version 0.1',
      header(Code.FailedPrecondition, 'x-leader-hint', 'm:1'),
      { remedy: 'elsewhere', outcome: 'not_done', leaderHint: 'm:1' },
    ],
    [
      'of a value that is no number',
      refusal(Code.FailedPrecondition),
      { remedy: 'none', outcome: 'not_done' },
    ],
    [
      'of a position that is not reached',
      refusal(Code.Unavailable, routed(RoutingReason.NOT_YET, 'm:1')),
      { remedy: 'not_yet', outcome: 'not_done', leaderHint: 'm:1' },
    ],
    [
      'of a node that is loading',
      refusal(Code.Unavailable, routed(RoutingReason.NOT_NOW, 'm:1')),
      { remedy: 'later', outcome: 'not_done', leaderHint: 'm:1' },
    ],
    [
      'of a lost connection',
      new ConnectError('x', Code.Unavailable),
      { remedy: 'later', outcome: 'unknown' },
    ],
    [
      'of a connection that was not made',
      callError({ code: undefined, why: 'x', isUnsent: true }),
      { remedy: 'later', outcome: 'not_done' },
    ],
    [
      'of a reset stream',
      callError({ code: 2, why: 'x', isUnsent: false }),
      { remedy: 'later', outcome: 'unknown' },
    ],
    [
      'of time',
      new ConnectError('x', Code.DeadlineExceeded),
      { remedy: 'later', isLate: true, outcome: 'unknown' },
    ],
    ['of a full node', refusal(Code.ResourceExhausted), { remedy: 'none', outcome: 'not_done' }],
    [
      'of a busy node',
      header(Code.ResourceExhausted, 'retry-after', '2'),
      { remedy: 'not_yet', pauseMs: 2_000, outcome: 'unknown' },
    ],
    [
      'of a name that is not known',
      new ConnectError('x', Code.Aborted),
      { remedy: 'none', outcome: 'unknown' },
    ],
    ['of a bug', new ConnectError('x', Code.Internal), { remedy: 'none', outcome: 'unknown' }],
    [
      'of a group that does not own the slot',
      refusal(Code.FailedPrecondition, routed(RoutingReason.SHARD_MOVED, 'other:1')),
      { remedy: 'moved', outcome: 'not_done', leaderHint: undefined },
    ],
    [
      'of a node with a full disk',
      refusal(Code.ResourceExhausted, routed(RoutingReason.NOT_YET)),
      { remedy: 'not_yet', outcome: 'not_done' },
    ],
    ['of rights', new ConnectError('x', Code.PermissionDenied), { remedy: 'none', outcome: 'not_done' }],
    ['that is none of these', new TypeError('x'), { remedy: 'none', outcome: 'unknown' }],
  ])('%s', (_, error, meaning) => {
    expect(judge(error)).toMatchObject(meaning);
  });
});

describe('an error of one operation', () => {
  const result = (code: string, nothingDone = false) =>
    ({
      case: 'error',
      value: { $typeName: 'walnut.v1.BatchError', code, message: 'x', nothingDone },
    }) as const;
  it('has done nothing where that is said, unless it may be that of a repeat', () => {
    const told = (mayBeRepeat: boolean): string =>
      errorOf(result('deadline_exceeded', true), { isRead: false, mayBeRepeat, address: 'm:1', attempts: 1 })
        .outcome;
    expect([told(false), told(true)]).toEqual(['not_done', 'unknown']);
  });

  it.each<[string, boolean, boolean, string]>([
    ['invalid_argument', false, false, 'not_done'],
    ['invalid_argument', false, true, 'unknown'],
    ['invalid_argument', true, true, 'not_done'],
    ['unavailable', false, false, 'unknown'],
    ['aborted', false, false, 'unknown'],
    ['resource_exhausted', false, false, 'unknown'],
    ['data_loss', false, false, 'unknown'],
    ['failed_precondition', false, false, 'not_done'],
    ['resource_exhausted', true, false, 'not_done'],
    ['internal', true, false, 'not_done'],
  ])('%s, of a read: %s, maybe of a repeat: %s', (code, isRead, mayBeRepeat, outcome) => {
    const error = errorOf(result(code), { isRead, mayBeRepeat, address: 'm:1', attempts: 3 });
    expect([error.outcome, error.address, error.attempts]).toEqual([outcome, 'm:1', 3]);
    expect(error).toBeInstanceOf(ConnectError);
    expect(new ConnectError('x')).not.toBeInstanceOf(CallError);
  });
});
