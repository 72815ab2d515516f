/** Answers to single calls in JSON: the text that `toJsonString` gives for the messages of `kv-codec.ts`. */
import { DurabilitySchema } from '#gen/walnut/v1/types_pb.ts';
import type { Durability, Freshness, IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import type { Position } from '#model/position.ts';
import { fromDurability } from '#wire/durability.ts';

/** What a Get found, with its value as base64. */
export interface FoundText {
  readonly base64: string;
  readonly epoch: number;
  readonly lsn: number;
  /** Milliseconds since the Unix epoch; 0: never. */
  readonly expireAtMs: number;
  readonly contentType: string;
}

/** A GetResponse. `freshness`: `freshnessText` of the state that was read. */
export function foundText(found: FoundText | undefined, freshness: string): string {
  if (found === undefined) return `{${freshness}}`;
  const { base64, epoch, lsn, expireAtMs, contentType } = found;
  const value = base64 === '' ? '' : `,"value":"${base64}"`;
  const type = contentType === '' ? '' : `,"contentType":${JSON.stringify(contentType)}`;
  const version = positionText({ epoch, lsn });
  return `{"found":true${value},"version":${version}${deadline(expireAtMs)},${freshness}${type}}`;
}

export function freshnessText({ asOf, stalenessMs }: Freshness): string {
  const whole = Math.max(0, Math.floor(stalenessMs));
  return `"asOf":${positionText(asOf)}${whole === 0 ? '' : `,"stalenessMs":"${whole}"`}`;
}

export function setText(answer: WriteAnswer): string {
  return `{${flag('applied', answer)}"position":${positionText(answer.position)}${receipt(answer)}}`;
}

export function deleteText(answer: WriteAnswer): string {
  return `{${flag('deleted', answer)}"position":${positionText(answer.position)}${receipt(answer)}}`;
}

export function incrementText(answer: IncrementAnswer): string {
  const value = answer.value === 0n ? '' : `"value":"${answer.value}",`;
  const position = positionText(answer.position);
  return `{${flag('applied', answer)}${value}"position":${position}${deadline(answer.expireAtMs)}${receipt(answer)}}`;
}

export function touchText(answer: TouchAnswer): string {
  const position = positionText(answer.position);
  return `{${flag('touched', answer)}"position":${position}${deadline(answer.expireAtMs)}${receipt(answer)}}`;
}

function flag(name: string, { applied }: WriteAnswer): string {
  return applied ? `"${name}":true,` : '';
}

function positionText({ epoch, lsn, group }: Omit<Position, 'lsn'> & { readonly lsn: number }): string {
  if (epoch === 0) return lsn === 0 ? '{}' : `{"lsn":"${lsn}"}`;
  // The id of a group has no character that JSON escapes.
  const of = group === undefined ? '' : `,"group":"${group}"`;
  return lsn === 0 ? `{"epoch":"${epoch}"${of}}` : `{"epoch":"${epoch}","lsn":"${lsn}"${of}}`;
}

function deadline(expireAtMs: number): string {
  return expireAtMs === 0 ? '' : `,"expireAtMs":"${expireAtMs}"`;
}

const REACHED: Readonly<Record<Durability, string>> = {
  accepted: reachedText('accepted'),
  local: reachedText('local'),
  quorum: reachedText('quorum'),
};

function reachedText(durability: Durability): string {
  return `,"durabilityReached":"${DurabilitySchema.value[fromDurability(durability)]?.name}"`;
}

/** The last fields of answers to writes. */
function receipt({ durabilityReached, replicasAcked }: WriteAnswer): string {
  const acked = replicasAcked === 0 ? '' : `,"replicasAcked":${replicasAcked}`;
  return `${REACHED[durabilityReached]}${acked}`;
}
