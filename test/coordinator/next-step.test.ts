import { describe, expect, it } from 'vitest';
import type { Heartbeat, Observation } from '#cluster/heartbeat.ts';
import type { ClusterNode, Group } from '#cluster/shard-map.ts';
import { nextStep, PLANNED_MS } from '#coordinator/next-step.ts';
import { NO_POSITION, toLsn } from '#model/position.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';

const NOW_MS = 100_000;

const group: Group = {
  id: 'g1',
  logId: 'l',
  voters: ['a', 'b', 'c'].map((node) => ({ node, incarnation: 1 })),
  term: 7,
  leader: { node: 'a', incarnation: 1, tail: NO_POSITION },
  lastLeader: '',
  next: undefined,
  withdrawn: 0,
  grants: undefined,
};
const next = { term: 8, node: 'b' };

function hear(node: string, fields: Partial<Heartbeat> = {}, agoMs = 0): [string, Observation] {
  const role = node === 'a' ? 'master' : 'replica';
  const heartbeat = heartbeatOf(node, { role, term: 7, ...fields });
  const sinceMs = { roleSinceMs: 0, epochSinceMs: 0, noWritesSinceMs: undefined, fewAcksSinceMs: undefined };
  return [node, { heartbeat, heardMs: NOW_MS - agoMs, ...sinceMs }];
}

interface Case {
  readonly record?: Partial<Group>;
  readonly heard?: [string, Observation][];
  readonly plannedMs?: number;
  readonly draining?: string;
  /** Terms that voters stated in answers. */
  readonly answered?: Readonly<Record<string, number>>;
  readonly judgingSinceMs?: number;
}

function step({
  record = {},
  heard = [],
  plannedMs = 0,
  draining = '',
  answered = {},
  judgingSinceMs = 0,
}: Case) {
  const nodes = ['a', 'b', 'c'].map((name): [string, ClusterNode] => {
    return [name, { name, address: name, zone: '', status: draining.includes(name) ? 'draining' : 'active' }];
  });
  const isLed = !('leader' in record);
  const observations = new Map([
    hear('a', isLed ? {} : { role: 'replica', term: 6 }),
    hear('b'),
    hear('c'),
    ...heard,
  ]);
  return nextStep({
    group: { ...group, ...record },
    observations,
    termOf: (node) => answered[node] ?? observations.get(node)?.heartbeat.term,
    nowMs: NOW_MS,
    judgingSinceMs,
    leaderSinceMs: 0,
    nextSinceMs: NOW_MS - plannedMs,
    nodes: new Map(nodes),
  });
}

const silent = hear('a', {}, 2_000);
const further = hear('c', { tail: { epoch: 0, lsn: toLsn(9) } });

describe('the next step', () => {
  it.each<[string, Case, object]>([
    ['is none where the leader leads', {}, { kind: 'none' }],
    ['is to claim where there is no leader', { record: { leader: undefined } }, { kind: 'claim' }],
    ['is the question where the leader is silent', { heard: [silent] }, { kind: 'question' }],
    [
      'is the question where the leader follows another term',
      { heard: [hear('a', { term: 6, role: 'replica' })] },
      { kind: 'question' },
    ],
    [
      'is an alarm where a voter saw a term that was never given',
      { heard: [hear('c', { term: 8 })] },
      { kind: 'alarm' },
    ],
    [
      'is an alarm where a voter answered with a term that was never given',
      { answered: { c: 8 } },
      { kind: 'alarm' },
    ],
    [
      'is to wait where the leader does not lead and the coordinator is new',
      { heard: [hear('a', { role: 'replica' })], judgingSinceMs: NOW_MS - 1_400 },
      { kind: 'wait' },
    ],
    [
      'is to wait where there is no leader and the coordinator is new',
      { record: { leader: undefined }, judgingSinceMs: NOW_MS - 1_400 },
      { kind: 'wait' },
    ],
    [
      'is to wait where there is no leader and too few are heard',
      {
        record: { leader: undefined },
        heard: ['a', 'b'].map((node) => hear(node, { role: 'replica' }, 2_000)),
      },
      {
        kind: 'wait',
        why: expect.stringContaining('2 voters have to grant a term, and a and b are not heard'),
      },
    ],
    [
      'is to wait where there is no leader and nobody is heard, without whom none can be led by force either',
      {
        record: { leader: undefined },
        heard: ['a', 'b', 'c'].map((node) => hear(node, { role: 'replica' }, 2_000)),
      },
      {
        kind: 'wait',
        why: 'no voter of g1 is heard (a, b, c): none of them runs, or the coordinator is cut off from them',
      },
    ],
    [
      'is to wait where a record asks for the grants of all, and one is not heard',
      {
        record: { leader: undefined, grants: { term: 7, count: 3, voters: [] } },
        heard: [hear('c', {}, 2_000)],
      },
      { kind: 'wait', why: expect.stringContaining('3 voters have to grant a term, and c') },
    ],
    [
      'is to wait where a record names whose grants count, and only others are heard',
      {
        record: { leader: undefined, grants: { term: 7, count: 1, voters: [{ node: 'c', incarnation: 1 }] } },
        heard: [hear('c', {}, 2_000)],
      },
      { kind: 'wait', why: expect.stringContaining('1 voter has to grant a term, and c is not heard') },
    ],
    [
      'is to wait where the record has no voters',
      { record: { leader: undefined, voters: [] } },
      { kind: 'wait', why: expect.stringContaining('its record has no voters') },
    ],
    [
      'is to wait where nobody is heard',
      { heard: ['a', 'b', 'c'].map((node) => hear(node, { role: 'replica' }, 2_000)) },
      { kind: 'wait', why: expect.stringContaining('no voter of g1 is heard (a, b, c)') },
    ],
    [
      'is to wait where the only voter is not heard',
      { heard: [silent], record: { voters: [{ node: 'a', incarnation: 1 }] } },
      { kind: 'wait', why: expect.stringContaining('no voter of g1 is heard (a)') },
    ],
    [
      'is to wait where only the coordinator does not hear the leader',
      {
        heard: [
          silent,
          ...['b', 'c'].map((node) => hear(node, { role: 'replica', lastAck: { term: 7, agoMs: 0 } })),
        ],
      },
      { kind: 'wait', why: expect.stringContaining('only the coordinator does not hear a') },
    ],
    [
      'is an alarm where another voter leads the term of the leader',
      { heard: [silent, hear('c', { role: 'master' })] },
      {
        kind: 'alarm',
        why: expect.stringContaining('c leads term 7 of g1, which the metadata store gave to a:'),
      },
    ],
    [
      'is an alarm where a voter leads a term that nobody was given',
      { record: { leader: undefined }, heard: [hear('c', { role: 'master' })] },
      { kind: 'alarm', why: expect.stringContaining('gave to nobody yet') },
    ],
    [
      'is an alarm before anything else',
      { heard: [hear('c', { term: 8 })], record: { leader: undefined } },
      { kind: 'alarm' },
    ],
    [
      'is to hand over where it is planned',
      { record: { next }, heard: [hear('c', { term: 8 })] },
      { kind: 'hand_over', next },
    ],
    [
      'is to record that the planned one leads',
      { record: { next }, heard: [hear('b', { term: 8, role: 'master' })] },
      { kind: 'confirm' },
    ],
    [
      'is that also where the old one is silent',
      { record: { next }, heard: [silent, hear('b', { term: 8, role: 'master' })] },
      { kind: 'confirm' },
    ],
    [
      'is the question where the old one is silent and the planned one does not lead',
      { record: { next }, heard: [silent] },
      { kind: 'question' },
    ],
    [
      'is to withdraw a plan that came to nothing for 10 s where the leader takes writes',
      { record: { next }, plannedMs: PLANNED_MS },
      { kind: 'withdraw' },
    ],
    [
      'is the question where a plan came to nothing for 10 s and the leader takes none',
      { record: { next }, plannedMs: PLANNED_MS, heard: [hear('a', { whyNoWrites: 'handing over' })] },
      { kind: 'question', isByItsOwnWord: false },
    ],
    ['is to plan for a node that drains', { draining: 'a', heard: [further] }, { kind: 'plan', to: 'c' }],
    [
      'passes over others that drain, however advanced',
      { draining: 'ac', heard: [further] },
      { kind: 'plan', to: 'b' },
    ],
    [
      'is none for a node that drains where too many plans came to nothing',
      { draining: 'a', record: { withdrawn: 7 + 512 } },
      { kind: 'none' },
    ],
    ['is none where all others drain too', { draining: 'abc' }, { kind: 'none' }],
    [
      'is none for a node that drains where a failure would lack grants',
      { draining: 'a', heard: [hear('b', {}, 2_000)] },
      { kind: 'none' },
    ],
  ])('%s', (_, given, expected) => {
    expect(step(given)).toMatchObject(expected);
  });

  it('is to tell a new leader that does not say so yet', () => {
    const waiting = { ...group, leader: { node: 'c', incarnation: 1, tail: NO_POSITION } };
    const view = {
      observations: new Map([hear('a', { role: 'replica' }), hear('b'), hear('c')]),
      nodes: new Map(),
      termOf: () => 7,
    };
    const times = { nowMs: NOW_MS, judgingSinceMs: 0, leaderSinceMs: NOW_MS - 500, nextSinceMs: 0 };
    expect(nextStep({ group: waiting, ...view, ...times })).toEqual({ kind: 'take_over' });
  });
});
