/** The calls of observers survive the wire, and what is missing is named. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  ObserveRequestSchema,
  ObserveResponseSchema,
  RegisterObserverRequestSchema,
  RegisterObserverResponseSchema,
} from '#gen/walnut/v1/replication_pb.ts';
import { NO_LSN, toLsn } from '#model/position.ts';
import type {
  ObserveRequest,
  RegisterAnswer,
  RegisterRequest,
  ReplicateRequest,
} from '#model/replication.ts';
import * as codec from '#wire/observer-codec.ts';

const ID = '0123456789abcdef0123456789abcdef';
const TAIL = { epoch: 4_294_967_297, lsn: toLsn(7), crc: 0xdead_beef };

const REGISTRATION: RegisterRequest = {
  nodeId: ID,
  incarnation: 'first',
  advertise: '',
  logId: ID,
  tail: TAIL,
  upstreamPath: [ID],
  fullResyncReason: 'why',
  applyDelayMs: 0,
  term: 3,
  formatLevel: 1,
  isObserver: true,
};
const ANSWER: RegisterAnswer = {
  masterNodeId: ID,
  logId: ID,
  term: 3,
  epochs: [{ epoch: TAIL.epoch, firstLsn: toLsn(1) }],
  latest: TAIL,
  logClockMs: 5,
  verdict: { kind: 'snapshot', reason: 'far behind' },
  address: '',
  group: { replicas: ['a:1'], removed: [], nodes: [{ address: 'a:1', nodeId: ID }] },
  formatLevel: 1,
};
const QUESTION: ObserveRequest = {
  nodeId: ID,
  incarnation: 'first',
  logId: ID,
  tail: TAIL,
  answer: {
    verdict: { kind: 'ok' },
    nodeId: ID,
    durable: { epoch: TAIL.epoch, lsn: toLsn(6) },
    appliedLsn: toLsn(7),
    hotKeys: ['a', 'b'],
    digestMismatch: { lsn: toLsn(5), stated: ID, found: ID },
  },
  isLeaving: true,
};
const PUSH: ReplicateRequest = {
  masterNodeId: ID,
  replicaNodeId: ID,
  logId: ID,
  term: 3,
  previous: TAIL,
  frames: new Uint8Array([1, 2, 3]),
  durableLsn: toLsn(9),
  logClockMs: 5,
  ackWhenDurable: false,
  digest: ID,
  group: undefined,
};

describe('an observer on the wire', () => {
  it('registers, and is answered', () => {
    const asked = toBinary(RegisterObserverRequestSchema, codec.fromRegisterObserverRequest(REGISTRATION));
    expect(codec.toRegisterObserverRequest(fromBinary(RegisterObserverRequestSchema, asked))).toEqual(
      REGISTRATION,
    );
    const answered = toBinary(RegisterObserverResponseSchema, codec.fromRegisterObserverAnswer(ANSWER));
    expect(codec.toRegisterObserverAnswer(fromBinary(RegisterObserverResponseSchema, answered))).toEqual(
      ANSWER,
    );
  });

  it('asks, and gets a push', () => {
    const asked = toBinary(ObserveRequestSchema, codec.fromObserveRequest(QUESTION));
    expect(codec.toObserveRequest(fromBinary(ObserveRequestSchema, asked))).toEqual(QUESTION);
    const answered = toBinary(ObserveResponseSchema, codec.fromPush(PUSH));
    expect(codec.toPush(fromBinary(ObserveResponseSchema, answered))).toEqual(PUSH);
  });

  it('must say what it must, and has no address', () => {
    const registration = codec.fromRegisterObserverRequest({ ...REGISTRATION, advertise: 'a:1' });
    expect(() => codec.toRegisterObserverRequest(registration)).toThrow(
      /replica.advertise is set: expected none/,
    );
    expect(() => codec.toRegisterObserverRequest(create(RegisterObserverRequestSchema))).toThrow(
      /replica is absent/,
    );
    expect(() => codec.toRegisterObserverAnswer(create(RegisterObserverResponseSchema))).toThrow(
      /master is absent/,
    );
    expect(() => codec.toPush(create(ObserveResponseSchema))).toThrow(/push is absent/);
    const { answer: _, ...question } = codec.fromObserveRequest({
      ...QUESTION,
      tail: { ...TAIL, lsn: NO_LSN },
    });
    expect(() => codec.toObserveRequest(create(ObserveRequestSchema, question))).toThrow(/answer is absent/);
  });
});
