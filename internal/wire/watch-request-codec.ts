/** Watch, Explain and Scan as their callers make them: commands to requests, responses to the model. Pure. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  DeletePrefixRequestSchema,
  DeletePrefixResponse,
  WatchEvent as EventMessage,
  ExplainRequestSchema,
  ExplainResponse,
  ScanRequestSchema,
  ScanResponse,
  WatchRequestSchema,
  WatchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { DeletePrefixAnswer, DeletePrefixCommand, ScanAnswer, ScanCommand } from '#model/commands.ts';
import type { ExplainAnswer, ExplainCommand } from '#model/explain.ts';
import type { WatchCommand, WatchEvent, WatchMessage } from '#model/watch.ts';
import { toDurability } from '#wire/durability.ts';
import { fromReceiptOptions, toEntry } from '#wire/kv-request-codec.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromPosition, toPositionOrNone } from '#wire/position-codec.ts';
import { OPS, toCause, toOp } from '#wire/scan-codec.ts';

type WatchInit = MessageInitShape<typeof WatchRequestSchema>;

export function fromScanCommand(command: ScanCommand): MessageInitShape<typeof ScanRequestSchema> {
  const { prefix, cursor, limit, keysOnly, countOnly, withModified } = command;
  return {
    ...{ prefix, cursor, limit, keysOnly },
    countOnly: countOnly === true,
    withModified: withModified === true,
  };
}

export function toScanAnswer(response: ScanResponse, { countOnly }: ScanCommand): ScanAnswer {
  return {
    entries: response.entries.map(toEntry),
    nextCursor: response.nextCursor,
    asOf: toPositionOrNone(response.asOf, 'as_of'),
    stalenessMs: toSafeNumber(response.stalenessMs, 'staleness_ms'),
    ...(countOnly === true ? { count: response.count } : {}),
  };
}

export function fromDeletePrefixCommand(
  command: DeletePrefixCommand,
): MessageInitShape<typeof DeletePrefixRequestSchema> {
  const { prefix, cursor, limit } = command;
  return { prefix, cursor, limit, all: prefix === '', ...fromReceiptOptions(command) };
}

export function toDeletePrefixAnswer(response: DeletePrefixResponse): DeletePrefixAnswer {
  return {
    deleted: response.deleted,
    nextCursor: response.nextCursor,
    position: toPositionOrNone(response.position, 'position'),
    durabilityReached: toDurability(response.durabilityReached) ?? 'accepted',
    replicasAcked: response.replicasAcked,
  };
}

export function fromWatchCommand(command: WatchCommand): WatchInit {
  const { target, ops, withPrevious, keysOnly, progressEveryMs, isInitial } = command;
  return {
    what:
      target.kind === 'key' ? { case: 'key', value: target.key } : { case: 'prefix', value: target.prefix },
    from: fromStart(command),
    ops: ops === undefined ? [] : ops.map((op) => OPS[op]),
    ...{ withPrevious, keysOnly, progressEveryMs },
    initial: isInitial,
  };
}

function fromStart({ after, sinceMs }: WatchCommand): NonNullable<WatchInit['from']> {
  if (after !== undefined) return { case: 'after', value: fromPosition(after) };
  return sinceMs === undefined ? { case: undefined } : { case: 'sinceMs', value: BigInt(sinceMs) };
}

/** Times of its events are wall time. */
export function toWatchMessage(response: WatchResponse): WatchMessage {
  return {
    events: response.events.map(toWatchEvent),
    position: toPositionOrNone(response.position, 'position'),
    canResume: response.resume !== '',
    isFragment: response.fragment,
    isInitialDone: response.initialDone,
    wallShiftMs: 0,
  };
}

function toWatchEvent(event: EventMessage): WatchEvent {
  const { key, value, contentType, version, previous, previousUnknown, initial } = event;
  return {
    op: toOp(event.op),
    cause: toCause(event.cause),
    key,
    value,
    ...(contentType === '' ? {} : { contentType }),
    version: toPositionOrNone(version, 'version'),
    expireAtMs: toSafeNumber(event.expireAtMs, 'expire_at_ms'),
    timestampMs: toSafeNumber(event.timestampMs, 'timestamp_ms'),
    previous: previous && toEntry(previous),
    isPreviousUnknown: previousUnknown,
    isInitial: initial,
  };
}

export function fromExplainCommand(command: ExplainCommand): MessageInitShape<typeof ExplainRequestSchema> {
  return { key: command.key, changes: command.changes };
}

/** An entry that has expired and is not deleted yet is told by its changes only. */
export function toExplainAnswer(response: ExplainResponse): ExplainAnswer {
  const { found, version, expireAtMs, valueBytes, memoryBytes, modifiedMs, accessedMs } = response;
  const number = (value: bigint, field: string): number => toSafeNumber(value, field);
  return {
    entry: found
      ? {
          version: toPositionOrNone(version, 'version'),
          expireAtMs: number(expireAtMs, 'expire_at_ms'),
          valueBytes: number(valueBytes, 'value_bytes'),
          memoryBytes: number(memoryBytes, 'memory_bytes'),
          isExpired: false,
          modifiedMs: number(modifiedMs, 'modified_ms'),
          accessedMs: number(accessedMs, 'accessed_ms'),
        }
      : undefined,
    changes: response.changes.map(toWatchEvent),
    sets: number(response.sets, 'sets'),
    deletes: number(response.deletes, 'deletes'),
    waitingChanges: number(response.waitingChanges, 'waiting_changes'),
    searchedFrom: toPositionOrNone(response.searchedFrom, 'searched_from'),
    isComplete: response.complete,
    lagRecords: number(response.lagRecords, 'lag_records'),
    asOf: toPositionOrNone(response.asOf, 'as_of'),
    stalenessMs: number(response.stalenessMs, 'staleness_ms'),
    wallShiftMs: 0,
  };
}
