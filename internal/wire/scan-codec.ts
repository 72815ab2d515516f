/** Converts Scan, DeletePrefix and GetUpdates between protobuf and the model; in both directions if peers need it. */
import {
  type DeletePrefixRequest,
  type DeletePrefixResponse,
  type GetUpdatesRequest,
  type GetUpdatesResponse,
  type ScanRequest,
  type ScanResponse,
  UpdateFormat,
  type Update as UpdateMessage,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { Op, Cause as WireCause } from '#gen/walnut/v1/types_pb.ts';
import type {
  DeletePrefixAnswer,
  DeletePrefixCommand,
  ScanAnswer,
  ScanCommand,
  Update,
  UpdatesAnswer,
  UpdatesCommand,
} from '#model/commands.ts';
import type { Cause } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import { checkPrefix, DELETE_PREFIX_LIMIT_MAX, SCAN_LIMIT_MAX } from '#model/limits.ts';
import { fromDurability } from '#wire/durability.ts';
import { toReceiptOptions } from '#wire/kv-codec.ts';
import { checkText, toSafeNumber } from '#wire/numbers.ts';
import { fromEntry, fromPosition, toPositionOrNone } from '#wire/position-codec.ts';

/** Longest cursor accepted; a node's own cursors are far shorter. */
const CURSOR_CHARACTERS_MAX = 4_096;
/** Most bytes of records that one GetUpdates may request. */
export const UPDATES_BYTES_MAX = 16 * 1_024 * 1_024;

export function toScanCommand(request: ScanRequest): ScanCommand {
  const ofEntries = request.keysOnly ? 'keys_only' : request.withModified ? 'with_modified' : undefined;
  if (request.countOnly && ofEntries !== undefined)
    throw invalidArgument(`count_only and ${ofEntries} exclude each other: a count has no entries`);
  return {
    ...toPage(request, SCAN_LIMIT_MAX),
    keysOnly: request.keysOnly,
    countOnly: request.countOnly,
    withModified: request.withModified,
  };
}

export function toDeletePrefixCommand(request: DeletePrefixRequest): DeletePrefixCommand {
  if (request.prefix === '' && !request.all)
    throw invalidArgument('prefix is empty: expected a prefix, or all to delete every entry');
  if (request.prefix !== '' && request.all)
    throw invalidArgument('prefix and all are both given: expected all only with an empty prefix');
  return { ...toPage(request, DELETE_PREFIX_LIMIT_MAX), ...toReceiptOptions(request) };
}

export function fromDeletePrefixAnswer(answer: DeletePrefixAnswer): DeletePrefixResponse {
  return {
    $typeName: 'walnut.v1.DeletePrefixResponse',
    deleted: answer.deleted,
    nextCursor: answer.nextCursor,
    position: fromPosition(answer.position),
    durabilityReached: fromDurability(answer.durabilityReached),
    replicasAcked: answer.replicasAcked,
  };
}

function toPage(
  request: Pick<ScanRequest, 'prefix' | 'cursor' | 'limit'>,
  limitMax: number,
): Pick<ScanCommand, 'prefix' | 'cursor' | 'limit'> {
  const prefix = checkPrefix(request.prefix);
  if (request.limit > limitMax) {
    throw invalidArgument(`limit is ${request.limit}: expected at most ${limitMax}`);
  }
  return { prefix, cursor: checkText(request.cursor, 'cursor', CURSOR_CHARACTERS_MAX), limit: request.limit };
}

export function fromScanAnswer(answer: ScanAnswer): ScanResponse {
  return {
    $typeName: 'walnut.v1.ScanResponse',
    entries: answer.entries.map(fromEntry),
    nextCursor: answer.nextCursor,
    asOf: fromPosition(answer.asOf),
    stalenessMs: BigInt(Math.max(0, Math.floor(answer.stalenessMs))),
    count: answer.count ?? 0,
  };
}

export function toUpdatesCommand(request: GetUpdatesRequest): UpdatesCommand {
  if (request.maxBytes > UPDATES_BYTES_MAX) {
    throw invalidArgument(`max_bytes is ${request.maxBytes}: expected at most ${UPDATES_BYTES_MAX}`);
  }
  const { after, sinceMs } = request;
  if (after !== undefined && sinceMs !== undefined)
    throw invalidArgument('after and since_ms exclude each other: expected one of them, or neither');
  return {
    after: toPositionOrNone(after, 'after'),
    ...(sinceMs === undefined ? {} : { sinceMs: toSafeNumber(sinceMs, 'since_ms') }),
    format: toFormat(request.format),
    bytesMax: request.maxBytes,
  };
}

export function fromUpdatesCommand(command: UpdatesCommand): GetUpdatesRequest {
  return {
    $typeName: 'walnut.v1.GetUpdatesRequest',
    ...(command.sinceMs === undefined
      ? { after: fromPosition(command.after) }
      : { sinceMs: BigInt(command.sinceMs) }),
    format: command.format === 'frames' ? UpdateFormat.FRAMES : UpdateFormat.ENTRIES,
    maxBytes: command.bytesMax,
  };
}

function toFormat(format: UpdateFormat): UpdatesCommand['format'] {
  switch (format) {
    case UpdateFormat.UNSPECIFIED:
    case UpdateFormat.ENTRIES:
      return 'entries';
    case UpdateFormat.FRAMES:
      return 'frames';
    default:
      throw invalidArgument(
        `format is ${format}: expected UPDATE_FORMAT_ENTRIES (1) or UPDATE_FORMAT_FRAMES (2)`,
      );
  }
}

export function fromUpdatesAnswer(answer: UpdatesAnswer): GetUpdatesResponse {
  return {
    $typeName: 'walnut.v1.GetUpdatesResponse',
    entries: answer.updates.map(fromUpdate),
    frames: answer.frames,
    last: fromPosition(answer.last),
    latest: fromPosition(answer.latest),
    earliest: fromPosition(answer.earliest),
  };
}

export function toUpdatesAnswer(response: GetUpdatesResponse): UpdatesAnswer {
  return {
    updates: response.entries.map(toUpdate),
    frames: response.frames,
    last: toPositionOrNone(response.last, 'last'),
    latest: toPositionOrNone(response.latest, 'latest'),
    earliest: toPositionOrNone(response.earliest, 'earliest'),
  };
}

/** Causes as they are sent. */
export const CAUSES: Readonly<Record<Cause, WireCause>> = {
  client: WireCause.CLIENT,
  expired: WireCause.EXPIRED,
  evicted: WireCause.EVICTED,
  restored: WireCause.RESTORED,
};

export const OPS: Readonly<Record<Update['op'], Op>> = {
  set: Op.SET,
  delete: Op.DELETE,
  touch: Op.TOUCH,
};

export function toOp(op: Op): Update['op'] {
  if (op === Op.TOUCH) return 'touch';
  return op === Op.SET ? 'set' : 'delete';
}

export function fromUpdate(update: Update): UpdateMessage {
  return {
    $typeName: 'walnut.v1.Update',
    position: fromPosition(update.position),
    timestampMs: BigInt(update.timestampMs),
    op: OPS[update.op],
    cause: CAUSES[update.cause],
    key: update.key,
    value: update.value,
    expireAtMs: BigInt(update.expireAtMs),
    contentType: update.contentType ?? '',
  };
}

function toUpdate(message: UpdateMessage): Update {
  return {
    position: toPositionOrNone(message.position, 'position'),
    timestampMs: toSafeNumber(message.timestampMs, 'timestamp_ms'),
    op: toOp(message.op),
    cause: toCause(message.cause),
    key: message.key,
    value: message.value,
    expireAtMs: toSafeNumber(message.expireAtMs, 'expire_at_ms'),
    ...(message.contentType === '' ? {} : { contentType: message.contentType }),
  };
}

export function toCause(wire: WireCause): Cause {
  for (const cause of ['client', 'expired', 'evicted', 'restored'] as const) {
    if (CAUSES[cause] === wire) return cause;
  }
  throw invalidArgument(`cause is ${wire}: expected 1 to 4`);
}
