/**
 * The calls of `KVStore` as their callers make them: commands to requests, and responses to
 * the answers of the model. The other direction is in `kv-codec.ts`. Pure; a response that no
 * node sends throws `invalid_argument`.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type {
  AwaitDurableRequestSchema,
  AwaitDurableResponse,
  DeleteRequestSchema,
  DeleteResponse,
  GetRequestSchema,
  GetResponse,
  IncrementRequestSchema,
  IncrementResponse,
  SetRequestSchema,
  SetResponse,
  TouchRequestSchema,
  TouchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { type Entry as EntryMessage, Durability as WireDurability } from '#gen/walnut/v1/types_pb.ts';
import type {
  AwaitDurableCommand,
  Condition,
  DeleteCommand,
  DurableAnswer,
  Expiry,
  FillAnswer,
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
import type { Entry } from '#model/entry.ts';
import type { WriteId } from '#model/write-id.ts';
import { fromDurability, toDurability } from '#wire/durability.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromPosition, toPositionOrNone } from '#wire/position-codec.ts';

type SetInit = MessageInitShape<typeof SetRequestSchema>;
type IncrementInit = MessageInitShape<typeof IncrementRequestSchema>;

export function fromGetCommand(command: GetCommand): MessageInitShape<typeof GetRequestSchema> {
  const { key, atLeast, waitMs, maxStalenessMs, withModified, isLinearizable, fill } = command;
  return {
    key,
    waitMs,
    ...(atLeast === undefined ? {} : { atLeast: fromPosition(atLeast) }),
    ...(maxStalenessMs === undefined ? {} : { maxStalenessMs: BigInt(maxStalenessMs) }),
    ...(withModified === true ? { withModified } : {}),
    ...(isLinearizable === true ? { linearizable: true } : {}),
    ...(fill === undefined
      ? {}
      : { fillLeaseMs: fill.leaseMs, refreshBeforeMs: BigInt(fill.refreshBeforeMs) }),
  };
}

/** `key`: the one that was asked for. */
export function toGetAnswer(response: GetResponse, key: string): GetAnswer {
  const { found, value, version, expireAtMs, contentType, modifiedMs } = response;
  const fill = toFillAnswer(response);
  return {
    entry: found ? toEntry({ key, value, version, expireAtMs, contentType, modifiedMs }) : undefined,
    asOf: toPositionOrNone(response.asOf, 'as_of'),
    stalenessMs: toSafeNumber(response.stalenessMs, 'staleness_ms'),
    ...(fill === undefined ? {} : { fill }),
  };
}

function toFillAnswer({ fillLease, fillWaitMs }: GetResponse): FillAnswer | undefined {
  if (fillLease !== undefined)
    return { kind: 'lease', token: fillLease.token, expiresInMs: fillLease.expiresInMs };
  return fillWaitMs === 0 ? undefined : { kind: 'wait', waitMs: fillWaitMs };
}

export function fromSetCommand(command: SetCommand): SetInit {
  const { key, value, expiry, condition, contentType, returnPrevious } = command;
  return {
    key,
    value,
    expiry: fromExpiry(expiry),
    condition: fromCondition(condition),
    returnPrevious,
    contentType: contentType ?? '',
    ...fromReceiptOptions(command),
    ...fromWriteId(command.id),
  };
}

export function toSetAnswer(response: SetResponse): WriteAnswer {
  return toWriteAnswer(response.applied, response);
}

export function fromDeleteCommand(command: DeleteCommand): MessageInitShape<typeof DeleteRequestSchema> {
  const { key, condition, returnPrevious } = command;
  return {
    key,
    ...(condition?.kind === 'version'
      ? { condition: { case: 'ifVersion', value: fromPosition(condition.version) } }
      : {}),
    returnPrevious,
    ...fromReceiptOptions(command),
    ...fromWriteId(command.id),
  };
}

export function toDeleteAnswer(response: DeleteResponse): WriteAnswer {
  return toWriteAnswer(response.deleted, response);
}

export function fromIncrementCommand(command: IncrementCommand): IncrementInit {
  const { key, delta, initial, expiry, condition } = command;
  return {
    key,
    delta,
    initial,
    // Neither `keep_ttl` nor a fill lease can be asked for here.
    expiry: fromExpiry(expiry) as NonNullable<IncrementInit['expiry']>,
    condition: fromCondition(condition) as NonNullable<IncrementInit['condition']>,
    ...fromReceiptOptions(command),
    ...fromWriteId(command.id),
  };
}

export function toIncrementAnswer(response: IncrementResponse): IncrementAnswer {
  const { applied, value, expireAtMs } = response;
  return {
    ...toWriteAnswer(applied, response),
    value,
    expireAtMs: toSafeNumber(expireAtMs, 'expire_at_ms'),
  };
}

export function fromTouchCommand(command: TouchCommand): MessageInitShape<typeof TouchRequestSchema> {
  const { key, expiry, returnValue } = command;
  return {
    key,
    expiry: fromExpiry(expiry) as NonNullable<MessageInitShape<typeof TouchRequestSchema>['expiry']>,
    returnValue,
    ...fromReceiptOptions(command),
    ...fromWriteId(command.id),
  };
}

export function toTouchAnswer(response: TouchResponse): TouchAnswer {
  const { touched, entry, expireAtMs } = response;
  return {
    ...toWriteAnswer(touched, response),
    entry: entry && toEntry(entry),
    expireAtMs: toSafeNumber(expireAtMs, 'expire_at_ms'),
  };
}

export function fromAwaitDurableCommand(
  command: AwaitDurableCommand,
): MessageInitShape<typeof AwaitDurableRequestSchema> {
  return { position: fromPosition(command.position), ...fromReceiptOptions(command) };
}

export function toDurableAnswer(response: AwaitDurableResponse): DurableAnswer {
  return {
    durabilityReached: toDurability(response.durabilityReached) ?? 'accepted',
    replicasAcked: response.replicasAcked,
    durable: toPositionOrNone(response.durable, 'durable'),
  };
}

export function toEntry(message: Omit<EntryMessage, '$typeName'>): Entry {
  const { key, value, version, expireAtMs, contentType, modifiedMs, valueBytes } = message;
  return {
    key,
    value,
    version: toPositionOrNone(version, 'version'),
    expireAtMs: toSafeNumber(expireAtMs, 'expire_at_ms'),
    ...(contentType === '' ? {} : { contentType }),
    ...(modifiedMs === 0n ? {} : { modifiedMs: toSafeNumber(modifiedMs, 'modified_ms') }),
    ...(valueBytes === undefined ? {} : { valueBytes: toSafeNumber(valueBytes, 'value_bytes') }),
  };
}

type WrittenFields = Pick<
  SetResponse,
  'position' | 'durabilityReached' | 'replicasAcked' | 'repeated' | 'leftOut'
> & { readonly previous?: EntryMessage | undefined; readonly current?: EntryMessage | undefined };

function toWriteAnswer(applied: boolean, response: WrittenFields): WriteAnswer {
  const { position, previous, current, durabilityReached, replicasAcked, repeated, leftOut } = response;
  return {
    applied,
    position: toPositionOrNone(position, 'position'),
    previous: previous && toEntry(previous),
    current: current && toEntry(current),
    durabilityReached: toDurability(durabilityReached) ?? 'accepted',
    replicasAcked,
    ...(repeated ? { isRepeat: true } : {}),
    ...(leftOut ? { isLeftOut: true } : {}),
  };
}

function fromExpiry(expiry: Expiry): NonNullable<SetInit['expiry']> {
  switch (expiry.kind) {
    case 'default':
      return { case: undefined };
    case 'ttl':
      return { case: 'ttlMs', value: BigInt(expiry.ttlMs) };
    case 'at':
      return { case: 'expireAtMs', value: BigInt(expiry.expireAtMs) };
    case 'keep':
      return { case: 'keepTtl', value: true };
    case 'logged':
      throw new Error('a deadline by the log clock is not sent by a caller');
  }
}

function fromCondition(condition: Condition | undefined): NonNullable<SetInit['condition']> {
  switch (condition?.kind) {
    case undefined:
      return { case: undefined };
    case 'absent':
      return { case: 'ifAbsent', value: true };
    case 'present':
      return { case: 'ifPresent', value: true };
    case 'version':
      return { case: 'ifVersion', value: fromPosition(condition.version) };
    case 'fill_lease':
      return { case: 'ifFillLease', value: condition.token };
  }
}

export interface ReceiptFields {
  readonly durability: WireDurability;
  readonly minAcks: number;
  readonly timeoutMs: number;
}

export function fromReceiptOptions({ durability, minAcks, timeoutMs }: ReceiptOptions): ReceiptFields {
  const level = durability === undefined ? WireDurability.UNSPECIFIED : fromDurability(durability);
  return { durability: level, minAcks, timeoutMs };
}

export type IdInit = Pick<SetInit, 'requestId' | 'clientId' | 'sequence' | 'answeredThrough' | 'since'>;

export function fromWriteId(id: WriteId | undefined): IdInit {
  if (id === undefined) return {};
  const { name, since } = id;
  const told = since === undefined ? {} : { since: fromPosition(since) };
  if (name.kind === 'request') return { requestId: name.requestId, ...told };
  const { clientId, sequence, answeredThrough } = name;
  return {
    clientId,
    sequence: BigInt(sequence),
    answeredThrough: BigInt(answeredThrough),
    ...told,
  };
}
