import { describe, expect, it } from 'vitest';
import { type Heartbeat, type Observation, observe } from '#cluster/heartbeat.ts';
import { isDownByItsOwnWord, judgeMaster } from '#cluster/judge-master.ts';
import type { Group } from '#cluster/shard-map.ts';
import { NO_POSITION } from '#model/position.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';

const NOW_MS = 100_000;
const TERM = 7;

function heartbeat(node: string, fields: Partial<Heartbeat> = {}): Heartbeat {
  const role = node === 'a' ? 'master' : 'replica';
  return heartbeatOf(node, { clusterId: 'c', role, term: TERM, mapEpoch: 1, ackedByVoters: 9, ...fields });
}

interface Said extends Partial<Heartbeat> {
  /** Milliseconds since the last heartbeat. */
  readonly ago?: number;
  /** For how long it has said the same. */
  readonly forMs?: number;
}

function observation(node: string, { ago = 100, forMs = 60_000, ...fields }: Said): Observation {
  const said = heartbeat(node, fields);
  return {
    heartbeat: said,
    heardMs: NOW_MS - ago,
    roleSinceMs: NOW_MS - forMs,
    epochSinceMs: NOW_MS - forMs,
    noWritesSinceMs: said.whyNoWrites === '' ? undefined : NOW_MS - forMs,
    fewAcksSinceMs: said.ackedByVoters > 1 ? undefined : NOW_MS - forMs,
  };
}

function judge(said: Record<string, Said>, ages: { judging?: number; leader?: number } = {}, names = 'abc') {
  const group: Group = {
    id: 'g1',
    logId: 'l',
    voters: [...names].map((node) => ({ node, incarnation: 1 })),
    term: TERM,
    leader: { node: 'a', incarnation: 1, tail: NO_POSITION },
    lastLeader: '',
    next: undefined,
    withdrawn: 0,
    grants: undefined,
  };
  const observations = new Map(Object.entries(said).map(([node, each]) => [node, observation(node, each)]));
  const verdict = judgeMaster({
    group,
    observations,
    nowMs: NOW_MS,
    judgingSinceMs: NOW_MS - (ages.judging ?? 60_000),
    leaderSinceMs: NOW_MS - (ages.leader ?? 60_000),
  });
  return verdict.kind === 'down' && verdict.isByItsOwnWord ? 'down by its own word' : verdict.kind;
}

const acks = (agoMs: number, term = TERM): Said => ({ lastAck: { term, agoMs } });
const silent: Said = { ago: 1_500 };

describe('a master', () => {
  it.each([
    ['is heard', { a: { ago: 1_499 }, b: {} }, 'up'],
    ['is silent', { a: silent, b: {} }, 'down'],
    ['was never heard', { b: {} }, 'down'],
    ['is silent, and so is everybody', { a: silent, b: silent, c: silent }, 'left'],
    ['is silent, and a voter acks its pushes', { a: silent, b: acks(800), c: {} }, 'left'],
    ['is silent, and a voter acked too long ago', { a: silent, b: acks(901), c: {} }, 'down'],
    ['is silent, and a voter acked a push of another term', { a: silent, b: acks(0, TERM - 1) }, 'down'],
    ['is silent, and only a node that is no voter acks', { a: silent, b: {}, z: acks(0) }, 'down'],
    ['came back with another disk', { a: { incarnation: 2 }, b: {} }, 'down'],
    [
      'is silent, and the acking voter has another disk',
      { a: silent, b: { ...acks(0), incarnation: 2 }, c: {} },
      'down',
    ],
    ['takes no writes', { a: { whyNoWrites: 'no space' }, b: {} }, 'down by its own word'],
    ['takes no writes for a moment', { a: { whyNoWrites: 'no space', forMs: 1_499 }, b: {} }, 'left'],
    ['takes no writes, as everybody', { a: { whyNoWrites: 'x' }, b: { whyNoWrites: 'x' } }, 'left'],
    [
      'is acked by too few, and the others are fine',
      { a: { ackedByVoters: 0 }, b: {}, c: {} },
      'down by its own word',
    ],
    ['is acked by too few, as any other would be', { a: { ackedByVoters: 0 }, b: {} }, 'left'],
    ['is acked by too few for a moment', { a: { ackedByVoters: 0, forMs: 2_999 }, b: {}, c: {} }, 'up'],
    ['follows somebody else', { a: { role: 'replica' }, b: {} }, 'down by its own word'],
    ['has followed for a moment only', { a: { role: 'replica', forMs: 1_499 }, b: {} }, 'left'],
    ['leads another term', { a: { term: TERM - 1 }, b: {} }, 'down by its own word'],
  ] as const)('that %s', (_, said, expected) => {
    expect(judge(said)).toBe(expected);
  });

  it('is left alone by a coordinator that was active for a moment only', () => {
    expect(judge({ a: silent, b: {} }, { judging: 1_499 })).toBe('left');
  });

  it('is left alone while it waits for its first write', () => {
    const waiting = { a: { whyNoWrites: 'waits', forMs: 1_600 }, b: {}, c: {} };
    expect(judge(waiting, { leader: 1_650 + 1_499 })).toBe('left');
    expect(judge(waiting, { leader: 1_650 + 1_500 })).toBe('down by its own word');
    expect(judge({ a: { ackedByVoters: 0 }, b: {}, c: {} }, { leader: 3_100 })).toBe('left');
  });

  it('that is silent is down at once, however new it is as a leader', () => {
    expect(judge({ a: silent, b: {}, c: {} }, { leader: 0 })).toBe('down');
  });

  it('of five needs two voters that ack', () => {
    expect(judge({ a: silent, b: acks(0), c: {} }, {}, 'abcde')).toBe('down');
    expect(judge({ a: silent, b: acks(0), c: acks(0) }, {}, 'abcde')).toBe('left');
  });
});

describe('observations', () => {
  it('keep since when a node says the same, and ignore heartbeats that are overtaken', () => {
    const at = (nowMs: number, fields: Partial<Heartbeat>, before?: Observation) =>
      observe(before, heartbeat('a', fields), nowMs, 1);
    const first = at(0, { sequence: 1, whyNoWrites: 'loading', ackedByVoters: 0 });
    const second = at(300, { sequence: 2, whyNoWrites: 'no space', ackedByVoters: 0 }, first);
    expect([second.noWritesSinceMs, second.fewAcksSinceMs, second.roleSinceMs]).toEqual([0, 0, 0]);
    expect(at(400, { sequence: 1 }, second)).toBe(second);
    const third = at(600, { sequence: 3, ackedByVoters: 1, term: TERM + 1 }, second);
    expect([third.noWritesSinceMs, third.fewAcksSinceMs, third.roleSinceMs]).toEqual([
      undefined,
      undefined,
      600,
    ]);
    expect(at(900, { sequence: 1, process: 'restarted' }, third).heardMs).toBe(900);
  });

  it('say that a node is down by its own word after 1.5 s', () => {
    const said = (forMs: number) => observation('b', { whyNoWrites: 'no space', forMs });
    expect([1_499, 1_500].map((forMs) => isDownByItsOwnWord(said(forMs), NOW_MS))).toEqual([false, true]);
    expect(isDownByItsOwnWord(undefined, NOW_MS)).toBe(false);
  });
});
