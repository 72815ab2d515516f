/** Calls as their callers make them: what is sent is read as what was meant, and so is the answer. */
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  BatchRequestSchema,
  BatchResponseSchema,
  DeletePrefixRequestSchema,
  ScanRequestSchema,
  WatchRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchOperation, BatchResult, GetCommand, SetCommand } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { toLsn } from '#model/position.ts';
import type { WatchCommand } from '#model/watch.ts';
import { fromAtomicAnswer, toAtomicBatch } from '#wire/atomic-codec.ts';
import { fromBatchResults, toBatchOperations } from '#wire/batch-codec.ts';
import { fromAtomicBatch, fromBatch, toAtomicAnswer, toBatchResults } from '#wire/batch-request-codec.ts';
import { toDeletePrefixCommand, toScanCommand } from '#wire/scan-codec.ts';
import { fromWatchMessage, toWatchCommand } from '#wire/watch-codec.ts';
import {
  fromDeletePrefixCommand,
  fromScanCommand,
  fromWatchCommand,
  toWatchMessage,
} from '#wire/watch-request-codec.ts';

const LIMITS = { valueBytesMax: 100, answerBytesMax: 1_000 };
const at = (lsn: number) => ({ epoch: 2 ** 40, lsn: toLsn(lsn) });
const receipt = { durability: 'local', minAcks: 2, timeoutMs: 70 } as const;
const value = new Uint8Array([1, 2]);
const named = {
  name: { kind: 'client', clientId: 2n ** 63n, sequence: 9, index: 0, answeredThrough: 8 },
  since: at(3),
} as const;
const asked = { key: 'k', waitMs: 5, maxStalenessMs: 6, withModified: true, isLinearizable: false };
const get: GetCommand = { ...asked, atLeast: at(4), fill: undefined };
const set: SetCommand = {
  key: 'é',
  value,
  expiry: { kind: 'ttl', ttlMs: 3 },
  condition: undefined,
  returnPrevious: true,
  ...receipt,
  id: named,
  contentType: 'a/b',
};

const OPERATIONS: BatchOperation[] = [
  { kind: 'get', command: get },
  {
    kind: 'get',
    command: { ...get, atLeast: undefined, waitMs: 0, fill: { leaseMs: 8, refreshBeforeMs: 7 } },
  },
  { kind: 'set', command: set },
  {
    kind: 'set',
    command: { ...set, expiry: { kind: 'keep' }, condition: { kind: 'fill_lease', token: 't' } },
  },
  { kind: 'set', command: { ...set, expiry: { kind: 'default' }, condition: { kind: 'absent' } } },
  {
    kind: 'set',
    command: {
      ...set,
      expiry: { kind: 'at', expireAtMs: 0 },
      condition: { kind: 'version', version: at(5) },
    },
  },
  {
    kind: 'delete',
    command: {
      key: 'k',
      condition: { kind: 'version', version: at(1) },
      returnPrevious: false,
      ...receipt,
      id: { name: { kind: 'request', requestId: 'r' } },
    },
  },
  {
    kind: 'increment',
    command: {
      key: 'k',
      delta: -4n,
      initial: 9n,
      expiry: { kind: 'at', expireAtMs: 8 },
      condition: { kind: 'present' },
      returnPrevious: false,
      ...receipt,
    },
  },
  { kind: 'touch', command: { key: 'k', expiry: { kind: 'ttl', ttlMs: 1 }, returnValue: true, ...receipt } },
];

const entry = { key: 'k', value, version: at(2), expireAtMs: 77, contentType: 'a/b', modifiedMs: 5_000 };
const written = {
  applied: true,
  position: at(6),
  previous: entry,
  current: undefined,
  durabilityReached: 'local',
  replicasAcked: 2,
  isRepeat: true,
} as const;
const RESULTS: BatchResult[] = [
  { kind: 'get', answer: { entry, asOf: at(9), stalenessMs: 3 } },
  {
    kind: 'get',
    answer: {
      entry: undefined,
      asOf: at(9),
      stalenessMs: 0,
      fill: { kind: 'lease', token: 't', expiresInMs: 4 },
    },
  },
  { kind: 'set', answer: written },
  { kind: 'set', answer: { ...written, applied: false, previous: undefined, current: entry } },
  { kind: 'error', error: new WalnutError('resource_exhausted', 'full') },
  { kind: 'set', answer: written },
  { kind: 'delete', answer: { ...written, isLeftOut: true } },
  { kind: 'increment', answer: { ...written, previous: undefined, value: -7n, expireAtMs: 8 } },
  { kind: 'touch', answer: { ...written, previous: undefined, entry, expireAtMs: 77 } },
];

const describeError = (error: unknown) => ({
  code: (error as WalnutError).code,
  message: (error as Error).message,
});

describe('a Batch', () => {
  it('is read by a node as it was meant, and so are its results here', () => {
    const request = create(BatchRequestSchema, fromBatch(OPERATIONS));
    const parsed = toBatchOperations(request, LIMITS);
    expect(parsed.operations).toEqual(OPERATIONS);
    const response = create(BatchResponseSchema, fromBatchResults(parsed, RESULTS, LIMITS, describeError));
    expect(toBatchResults(OPERATIONS, response)).toEqual(RESULTS);
  });

  it('that is atomic keeps its own receipt and name', () => {
    const operations = OPERATIONS.slice(2, 3).map(
      ({ command }): BatchOperation => ({
        kind: 'set',
        command: { ...(command as SetCommand), durability: undefined, minAcks: 0, timeoutMs: 0 },
      }),
    );
    const command = { operations, ...receipt, id: named, answerBytesMax: LIMITS.answerBytesMax };
    const read = toAtomicBatch(create(BatchRequestSchema, fromAtomicBatch(command)), LIMITS);
    expect(read).toMatchObject({
      ...receipt,
      id: named,
      operations: [{ kind: 'set', command: { key: 'é' } }],
    });
    const answer = {
      isCommitted: false,
      position: at(3),
      results: [undefined],
      durabilityReached: 'local',
      replicasAcked: 1,
    } as const;
    const response = create(BatchResponseSchema, fromAtomicAnswer(answer, describeError));
    expect(toAtomicAnswer(command, response)).toEqual(answer);
  });

  it('whose results are fewer, or of another kind, is not understood', () => {
    const parsed = toBatchOperations(create(BatchRequestSchema, fromBatch(OPERATIONS)), LIMITS);
    const response = create(BatchResponseSchema, fromBatchResults(parsed, RESULTS, LIMITS, describeError));
    expect(() => toBatchResults(OPERATIONS.slice(1), response)).toThrow('9 results for 8 operations');
    expect(() => toBatchResults([...OPERATIONS].reverse(), response)).toThrow(
      'the result of a get for a touch',
    );
  });
});

describe('other calls', () => {
  it('are read by a node as they were meant', () => {
    const page = { prefix: 'p', cursor: 'c', limit: 4 };
    const scan = { ...page, keysOnly: true, countOnly: false, withModified: true };
    expect(toScanCommand(create(ScanRequestSchema, fromScanCommand(scan)))).toEqual(scan);
    for (const prefix of ['p', '']) {
      const deletion = { ...page, ...receipt, prefix };
      const request = create(DeletePrefixRequestSchema, fromDeletePrefixCommand(deletion));
      expect(toDeletePrefixCommand(request)).toEqual(deletion);
    }
    const watch: WatchCommand = {
      target: { kind: 'prefix', prefix: 'p' },
      after: at(4),
      ops: ['set', 'touch'],
      withPrevious: true,
      keysOnly: true,
      progressEveryMs: 200,
      isInitial: false,
    };
    for (const each of [
      watch,
      { ...watch, after: undefined, sinceMs: 9 },
      { ...watch, after: undefined, isInitial: true },
    ])
      expect(toWatchCommand(create(WatchRequestSchema, fromWatchCommand(each)))).toEqual(each);
  });

  it('tell changes in wall time', () => {
    const event = {
      op: 'set',
      cause: 'client',
      key: 'k',
      value,
      contentType: 'a/b',
      version: at(2),
      expireAtMs: 90,
      timestampMs: 50,
      previous: entry,
      isPreviousUnknown: false,
      isInitial: true,
    } as const;
    const message = {
      events: [event],
      position: at(2),
      canResume: true,
      isFragment: true,
      isInitialDone: false,
      wallShiftMs: 10,
    };
    const told = toWatchMessage(fromWatchMessage(message));
    expect(told).toEqual({
      ...message,
      events: [{ ...event, expireAtMs: 100, timestampMs: 60, previous: { ...entry, expireAtMs: 87 } }],
      wallShiftMs: 0,
    });
  });
});
