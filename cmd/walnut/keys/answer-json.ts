/** Answers to operations on keys as plain values, as --json prints them. */
import type {
  DeleteResponse,
  GetResponse,
  IncrementResponse,
  SetResponse,
  TouchResponse,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability, type Position } from '#gen/walnut/v1/types_pb.ts';
import {
  contentTypeToJson,
  entryToJson,
  enumName,
  modifiedToJson,
  showPosition,
  valueToJson,
} from '../output/output.ts';

export type Json = Record<string, unknown>;

export function getToJson(key: string, response: GetResponse): Json {
  const freshness = { asOf: showPosition(response.asOf), stalenessMs: Number(response.stalenessMs) };
  const { fillLease, fillWaitMs } = response;
  const fill = {
    ...(fillLease && { fillLease: { token: fillLease.token, expiresInMs: fillLease.expiresInMs } }),
    ...(fillWaitMs > 0 && { fillWaitMs }),
  };
  if (!response.found) return { key, found: false, ...fill, ...freshness };
  return {
    key,
    found: true,
    ...valueToJson(response.value),
    bytes: response.value.length,
    version: showPosition(response.version),
    expireAtMs: Number(response.expireAtMs),
    ...modifiedToJson(response),
    ...contentTypeToJson(response),
    ...fill,
    ...freshness,
  };
}

/** The answer to a Set or a Delete. */
export function writeToJson(key: string, response: SetResponse | DeleteResponse): Json {
  const { previous, current } = response;
  return {
    key,
    ...('applied' in response ? { applied: response.applied } : { deleted: response.deleted }),
    position: showPosition(response.position),
    ...(previous === undefined ? {} : { previous: entryToJson(previous) }),
    ...(current === undefined ? {} : { current: entryToJson(current) }),
    ...receiptToJson(response),
  };
}

export function incrementToJson(key: string, response: IncrementResponse): Json {
  const { applied, value, position, current } = response;
  return {
    key,
    applied,
    // Above 2^53 a JSON number would lose digits.
    ...(applied && !response.leftOut ? { value: String(value), ...deadlineToJson(response) } : {}),
    position: showPosition(position),
    ...(current === undefined ? {} : { current: entryToJson(current) }),
    ...receiptToJson(response),
  };
}

export function touchToJson(key: string, response: TouchResponse): Json {
  const { touched, entry, position } = response;
  return {
    key,
    touched,
    ...(touched ? deadlineToJson(response) : {}),
    ...(entry === undefined ? {} : { entry: entryToJson(entry) }),
    position: showPosition(position),
    ...receiptToJson(response),
  };
}

/** A repeat says 0 for a deadline that is not known any more, too. */
function deadlineToJson({ expireAtMs, leftOut, repeated }: IncrementResponse | TouchResponse): Json {
  return leftOut || (repeated && expireAtMs === 0n) ? {} : { expireAtMs: Number(expireAtMs) };
}

export function receiptToJson(response: {
  readonly durabilityReached: Durability;
  readonly replicasAcked: number;
  readonly position?: Position | undefined;
  readonly repeated?: boolean;
  readonly leftOut?: boolean;
}): Json {
  return {
    durabilityReached: enumName(Durability, response.durabilityReached),
    replicasAcked: response.replicasAcked,
    ...(response.repeated === true ? { repeated: true } : {}),
    ...(response.leftOut === true ? { leftOut: true } : {}),
  };
}
