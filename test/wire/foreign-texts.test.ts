/** What another node says for people is shown, logged and persisted here, so it has a bound. */
import { ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { NO_LSN, NO_POSITION } from '#model/position.ts';
import type { RegisterAnswer } from '#model/replication.ts';
import { toPeerError } from '#peer/peer-errors.ts';
import * as leadership from '#wire/leadership-codec.ts';
import { fromRegisterAnswer, toRegisterAnswer } from '#wire/replication-codec.ts';

const LONG = 'x'.repeat(1_000_000);
const CUT = `${'x'.repeat(1_023)}…`;
const ID = 'a'.repeat(32);

const ANSWER: RegisterAnswer = {
  masterNodeId: ID,
  logId: ID,
  term: 1,
  epochs: [],
  latest: { epoch: 0, lsn: NO_LSN, crc: 0 },
  logClockMs: 0,
  verdict: { kind: 'conflict', reason: LONG },
  address: 'one:1',
  group: { replicas: [], removed: [], nodes: [] },
};

describe('text of another node', () => {
  it.each(['conflict', 'snapshot'] as const)('is cut in the verdict %s, which MANIFEST keeps', (kind) => {
    const answer = toRegisterAnswer(fromRegisterAnswer({ ...ANSWER, verdict: { kind, reason: LONG } }));
    expect(answer.verdict).toEqual({ kind, reason: CUT });
  });

  it('is cut in refusals of a claim and of a take-over', () => {
    const claim = {
      nodeId: ID,
      isGranted: false,
      hasNoVote: false,
      term: 1,
      reason: LONG,
      tail: NO_POSITION,
    };
    expect(leadership.toClaimAnswer(leadership.fromClaimAnswer(claim)).reason).toBe(CUT);
    const takeOver = { nodeId: ID, isAccepted: false, reason: LONG };
    expect(leadership.toTakeOverAnswer(leadership.fromTakeOverAnswer(takeOver)).reason).toBe(CUT);
  });

  it('is cut in errors, also within a character', () => {
    const { message } = toPeerError(new ConnectError(`${'x'.repeat(1_022)}\u{1f600}${LONG}`), 'one:1');
    expect(message.length).toBeLessThan(1_100);
    expect(message.isWellFormed()).toBe(true);
  });

  it('is refused where it stands for an id', () => {
    for (const field of ['masterNodeId', 'logId'] as const) {
      const sent = fromRegisterAnswer({ ...ANSWER, verdict: { kind: 'continue' }, [field]: LONG });
      expect(() => toRegisterAnswer(sent)).toThrow('expected 32 lower-case hex digits');
    }
  });
});
