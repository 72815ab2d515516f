/**
 * Get, Set, Delete, Increment and Touch between protobuf and the model, as pure synchronous
 * functions: rpcs, the unary path and Batch share them.
 *
 * Everything a request can have wrong by itself is found here and thrown as
 * `invalid_argument` naming the field and what was expected. `SetCommand.value`
 * is a view of the request's buffer: a caller that keeps it makes a copy.
 */
import type {
  AwaitDurableRequest,
  AwaitDurableResponse,
  DeleteRequest,
  DeleteResponse,
  FillLease,
  GetRequest,
  GetResponse,
  IncrementRequest,
  IncrementResponse,
  SetRequest,
  SetResponse,
  TouchRequest,
  TouchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type {
  AwaitDurableCommand,
  Condition,
  DeleteCommand,
  DurableAnswer,
  Expiry,
  FillAnswer,
  FillWish,
  GetAnswer,
  GetCommand,
  IncrementAnswer,
  IncrementCommand,
  ReceiptOptions,
  SetCommand,
  TouchAnswer,
  TouchCommand,
  WriteAnswer,
} from '#model/commands.ts';
import { invalidArgument } from '#model/errors.ts';
import {
  CONTENT_TYPE_CHARACTERS_MAX,
  checkKey,
  checkMinAcks,
  checkValue,
  FILL_LEASE_MS_MAX,
  FILL_TOKEN_CHARACTERS_MAX,
} from '#model/limits.ts';
import { fromDurability, toDurability } from '#wire/durability.ts';
import { checkText, checkWaitMs, toSafeNumber } from '#wire/numbers.ts';
import { fromEntry, fromPosition, toPosition } from '#wire/position-codec.ts';
import { toWriteId } from '#wire/write-id.ts';

const NO_BYTES = new Uint8Array(0);
const DEFAULT_EXPIRY: Expiry = { kind: 'default' };
const KEEP_EXPIRY: Expiry = { kind: 'keep' };
const IF_ABSENT: Condition = { kind: 'absent' };
const IF_PRESENT: Condition = { kind: 'present' };

export function toGetCommand(request: GetRequest): GetCommand {
  checkKey(request.key);
  const { atLeast, maxStalenessMs } = request;
  return {
    key: request.key,
    atLeast: atLeast === undefined ? undefined : toPosition(atLeast, 'at_least'),
    waitMs: checkWaitMs(request.waitMs, 'wait_ms'),
    maxStalenessMs:
      maxStalenessMs === undefined ? undefined : toSafeNumber(maxStalenessMs, 'max_staleness_ms'),
    withModified: request.withModified,
    isLinearizable: checkLinearizable(request),
    fill: toFillWish(request),
  };
}

function checkLinearizable({ linearizable, fillLeaseMs }: GetRequest): boolean {
  if (!linearizable || fillLeaseMs === 0) return linearizable;
  throw invalidArgument('linearizable is given with fill_lease_ms: expected one of them');
}

function toFillWish({ fillLeaseMs, refreshBeforeMs }: GetRequest): FillWish | undefined {
  if (fillLeaseMs === 0) {
    if (refreshBeforeMs === 0n) return undefined;
    throw invalidArgument('refresh_before_ms is given without fill_lease_ms: expected both');
  }
  if (fillLeaseMs > FILL_LEASE_MS_MAX) {
    throw invalidArgument(
      `fill_lease_ms is ${fillLeaseMs}: expected at most ${FILL_LEASE_MS_MAX} milliseconds`,
    );
  }
  return { leaseMs: fillLeaseMs, refreshBeforeMs: toSafeNumber(refreshBeforeMs, 'refresh_before_ms') };
}

export function fromGetAnswer(answer: GetAnswer): GetResponse {
  const { entry } = answer;
  return {
    $typeName: 'walnut.v1.GetResponse',
    found: entry !== undefined,
    value: entry === undefined ? NO_BYTES : entry.value,
    version: entry === undefined ? undefined : fromPosition(entry.version),
    expireAtMs: entry === undefined ? 0n : BigInt(entry.expireAtMs),
    modifiedMs: BigInt(entry?.modifiedMs ?? 0),
    contentType: entry?.contentType ?? '',
    asOf: fromPosition(answer.asOf),
    stalenessMs: BigInt(Math.max(0, Math.floor(answer.stalenessMs))),
    fillWaitMs: answer.fill?.kind === 'wait' ? answer.fill.waitMs : 0,
    ...(answer.fill?.kind === 'lease' ? { fillLease: fromFillLease(answer.fill) } : {}),
  };
}

function fromFillLease({ token, expiresInMs }: Extract<FillAnswer, { kind: 'lease' }>): FillLease {
  return { $typeName: 'walnut.v1.FillLease', token, expiresInMs };
}

export function toSetCommand(request: SetRequest, valueBytesMax: number): SetCommand {
  checkKey(request.key);
  checkValue(request.value, valueBytesMax);
  return {
    key: request.key,
    value: request.value,
    expiry: toExpiry(request.expiry),
    condition: toSetCondition(request.condition),
    returnPrevious: request.returnPrevious,
    ...toReceiptOptions(request),
    ...toWriteId(request),
    ...toContentType(request.contentType),
  };
}

/** Absent where none is given. Throws `invalid_argument` for what no header could say. */
export function toContentType(contentType: string): { contentType?: string } {
  if (contentType === '') return {};
  if (contentType.length <= CONTENT_TYPE_CHARACTERS_MAX && /^[\x20-\x7e]+$/.test(contentType))
    return { contentType };
  throw invalidArgument(
    `content_type has ${contentType.length} characters, or others than printable ASCII: expected at most ${CONTENT_TYPE_CHARACTERS_MAX}, from space to ~`,
  );
}

export function fromSetAnswer(answer: WriteAnswer): SetResponse {
  return { $typeName: 'walnut.v1.SetResponse', applied: answer.applied, ...fromWriteAnswer(answer) };
}

export function toDeleteCommand(request: DeleteRequest): DeleteCommand {
  checkKey(request.key);
  const { condition } = request;
  return {
    key: request.key,
    condition: condition.case === undefined ? undefined : toVersionCondition(condition.value),
    returnPrevious: request.returnPrevious,
    ...toReceiptOptions(request),
    ...toWriteId(request),
  };
}

export function fromDeleteAnswer(answer: WriteAnswer): DeleteResponse {
  return { $typeName: 'walnut.v1.DeleteResponse', deleted: answer.applied, ...fromWriteAnswer(answer) };
}

export function toIncrementCommand(request: IncrementRequest): IncrementCommand {
  checkKey(request.key);
  return {
    key: request.key,
    delta: request.delta ?? 1n,
    initial: request.initial,
    expiry: toExpiry(request.expiry),
    condition: toSetCondition(request.condition),
    returnPrevious: false,
    ...toReceiptOptions(request),
    ...toWriteId(request),
  };
}

export function fromIncrementAnswer(answer: IncrementAnswer): IncrementResponse {
  const { previous: _, ...fields } = fromWriteAnswer(answer);
  return {
    $typeName: 'walnut.v1.IncrementResponse',
    applied: answer.applied,
    value: answer.value,
    expireAtMs: BigInt(answer.expireAtMs),
    ...fields,
  };
}

export function toTouchCommand(request: TouchRequest): TouchCommand {
  checkKey(request.key);
  if (request.expiry.case === undefined) {
    throw invalidArgument('expiry is not set: expected ttl_ms, or expire_at_ms, where 0 means never');
  }
  return {
    key: request.key,
    expiry: toExpiry(request.expiry),
    returnValue: request.returnValue,
    ...toReceiptOptions(request),
    ...toWriteId(request),
  };
}

export function fromTouchAnswer(answer: TouchAnswer): TouchResponse {
  const { previous: _, current: __, ...fields } = fromWriteAnswer(answer);
  return {
    $typeName: 'walnut.v1.TouchResponse',
    touched: answer.applied,
    expireAtMs: BigInt(answer.expireAtMs),
    ...(answer.entry === undefined ? {} : { entry: fromEntry(answer.entry) }),
    ...fields,
  };
}

function toExpiry(expiry: SetRequest['expiry']): Expiry {
  switch (expiry.case) {
    case undefined:
      return DEFAULT_EXPIRY;
    case 'ttlMs':
      if (expiry.value === 0n) throw invalidArgument('ttl_ms is 0: expected at least 1 millisecond');
      return { kind: 'ttl', ttlMs: toSafeNumber(expiry.value, 'ttl_ms', 1) };
    case 'expireAtMs':
      return { kind: 'at', expireAtMs: toSafeNumber(expiry.value, 'expire_at_ms') };
    case 'keepTtl':
      requireTrue(expiry.value, 'keep_ttl');
      return KEEP_EXPIRY;
  }
}

function toSetCondition(
  condition: SetRequest['condition'] | IncrementRequest['condition'],
): Condition | undefined {
  switch (condition.case) {
    case undefined:
      return undefined;
    case 'ifAbsent':
      requireTrue(condition.value, 'if_absent');
      return IF_ABSENT;
    case 'ifPresent':
      requireTrue(condition.value, 'if_present');
      return IF_PRESENT;
    case 'ifVersion':
      return toVersionCondition(condition.value);
    case 'ifFillLease':
      return { kind: 'fill_lease', token: checkFillToken(condition.value) };
  }
}

function checkFillToken(token: string): string {
  if (token === '') throw invalidArgument('if_fill_lease is empty: expected the token of a fill_lease');
  return checkText(token, 'if_fill_lease', FILL_TOKEN_CHARACTERS_MAX);
}

function toVersionCondition(version: Parameters<typeof toPosition>[0]): Condition {
  return { kind: 'version', version: toPosition(version, 'if_version') };
}

/** An explicit `false` in a oneof says nothing that leaving it out would not. */
export function requireTrue(value: boolean, field: string): void {
  if (!value) throw invalidArgument(`${field} is false: expected true, or the field left out`);
}

export function toReceiptOptions(
  request: Pick<SetRequest, 'durability' | 'minAcks' | 'timeoutMs'>,
): ReceiptOptions {
  return {
    durability: toDurability(request.durability),
    minAcks: checkMinAcks(request.minAcks),
    timeoutMs: checkWaitMs(request.timeoutMs, 'timeout_ms'),
  };
}

export function toAwaitDurableCommand(request: AwaitDurableRequest): AwaitDurableCommand {
  const { position } = request;
  if (position === undefined || position.lsn === 0n) {
    throw invalidArgument('position is missing: expected that of a write, or the as_of of a read');
  }
  return {
    position: toPosition(position, 'position'),
    durability: toDurability(request.durability) ?? 'local',
    minAcks: checkMinAcks(request.minAcks),
    timeoutMs: checkWaitMs(request.timeoutMs, 'timeout_ms'),
  };
}

export function fromDurableAnswer(answer: DurableAnswer): AwaitDurableResponse {
  return {
    $typeName: 'walnut.v1.AwaitDurableResponse',
    durabilityReached: fromDurability(answer.durabilityReached),
    replicasAcked: answer.replicasAcked,
    durable: fromPosition(answer.durable),
  };
}

/** What the answers of writes have in common. */
function fromWriteAnswer(answer: WriteAnswer): Omit<SetResponse, '$typeName' | 'applied'> {
  return {
    position: fromPosition(answer.position),
    previous: answer.previous === undefined ? undefined : fromEntry(answer.previous),
    current: answer.current === undefined ? undefined : fromEntry(answer.current),
    durabilityReached: fromDurability(answer.durabilityReached),
    replicasAcked: answer.replicasAcked,
    repeated: answer.isRepeat === true,
    leftOut: answer.isLeftOut === true,
  };
}
