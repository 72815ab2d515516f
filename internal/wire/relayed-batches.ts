/**
 * Batches at a gateway: cut into a message for each group, and answered by the results as they
 * came. Everything but the common form of a Batch that is not atomic is carried out by commands,
 * and so is a large one, whose answer is made in slices.
 */
import type { BatchResult } from '#model/commands.ts';
import type { EncodedAnswer, RelayedPart, RelayPort } from '#model/relay.ts';
import { asBuffer } from '#platform/bytes.ts';
import { type BatchBytes, BULK_BYTES_MAX } from '#wire/batch-bytes.ts';
import type { BatchLimits } from '#wire/batch-codec.ts';
import type { BatchCounts } from '#wire/batch-counts.ts';
import type { Caller, Encoded } from '#wire/kv-calls.ts';
import { LARGE_ANSWER_BYTES } from '#wire/kv-large.ts';
import { RequestReader } from '#wire/kv-reader.ts';
import { AnswerJoiner, decodeResults } from '#wire/relayed-answer.ts';
import { ReadBatch } from '#wire/relayed-message.ts';

/** A part whose results need not be decoded. */
interface EncodedPart extends RelayedPart {
  readonly results: EncodedAnswer;
}

export class RelayedBatches {
  readonly #reader: RequestReader;
  readonly #batch: ReadBatch;
  readonly #relay: RelayPort;
  readonly #general: BatchBytes;
  readonly #answerBytesMax: number;

  /** `general`: takes what is not passed on, for callers without a name. */
  constructor(relay: RelayPort, general: BatchBytes, { valueBytesMax, answerBytesMax }: BatchLimits) {
    this.#relay = relay;
    this.#general = general;
    this.#answerBytesMax = Math.min(answerBytesMax, LARGE_ANSWER_BYTES);
    const reader = new RequestReader(valueBytesMax);
    this.#reader = reader;
    this.#batch = new ReadBatch(reader.columns, (request) => {
      try {
        return reader.readBatch(request) ? reader.columns.operations() : [];
      } finally {
        reader.close();
      }
    });
  }

  /** See `BatchBytes.batch`. */
  batch(request: Uint8Array, caller: Caller, headroom: number): Encoded | undefined {
    const parts = this.#pass(asBuffer(request), caller, headroom);
    // The general way knows no users.
    if (parts === undefined)
      return caller.wish === undefined ? this.#general.batch(request, caller, headroom) : undefined;
    return parts.then((all) => this.#join(all, caller, headroom));
  }

  #pass(request: Buffer, caller: Caller, headroom: number): Promise<RelayedPart[]> | undefined {
    if (request.length > BULK_BYTES_MAX) return undefined;
    const reader = this.#reader;
    try {
      if (!reader.readBatch(request) || reader.columns.isAtomic) return undefined;
      if (reader.columns.name !== undefined) return undefined;
      const signal = caller.hasDeadline || reader.columns.mayWait ? caller.signal : undefined;
      this.#batch.headroom = headroom;
      return this.#relay.batch(this.#batch, signal, caller.wish?.user, caller.timeoutMs?.());
    } finally {
      reader.close();
    }
  }

  #join(parts: readonly RelayedPart[], caller: Caller, headroom: number): Buffer | Promise<Buffer> {
    for (const part of parts) count(part, this.#general.counts);
    if (parts.every(isEncoded)) {
      const bytes = parts.reduce((sum, { results }) => sum + results.bytes.length, 0);
      if (bytes <= this.#answerBytesMax) return joined(parts, bytes, headroom);
    }
    return this.#general.encode(inOrder(parts), caller, headroom);
  }
}

/** `bytes`: as many as the results have, with what stands before them. */
function joined(parts: readonly EncodedPart[], bytes: number, headroom: number): Buffer {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return asBuffer(only.results.bytes);
  const answer = Buffer.allocUnsafe(headroom + bytes);
  const joiners = parts.map(({ results }) => new AnswerJoiner(results));
  const partOf = partsOfPlaces(parts);
  let at = headroom;
  for (const which of partOf) at = (joiners[which] as AnswerJoiner).next(answer, at);
  return answer;
}

function count({ message, results }: RelayedPart, counts: BatchCounts): void {
  const { kinds, operations } = message;
  for (let i = 0; i < operations; i++) {
    const result = results.kind === 'decoded' ? results.results[i] : undefined;
    if (result?.kind === 'error') counts.refused(kinds[i] as number, result.error);
    else counts.done(kinds[i] as number);
  }
}

function isEncoded(part: RelayedPart): part is EncodedPart {
  return part.results.kind === 'encoded';
}

/** For each place of the Batch the part that has it. */
function partsOfPlaces(parts: readonly RelayedPart[]): number[] {
  const partOf = new Array<number>(countOf(parts));
  for (const [which, { message }] of parts.entries())
    for (const place of message.places ?? []) partOf[place] = which;
  return partOf;
}

function countOf(parts: readonly RelayedPart[]): number {
  return parts.reduce((sum, { message }) => sum + message.operations, 0);
}

function inOrder(parts: readonly RelayedPart[]): BatchResult[] {
  const all = new Array<BatchResult>(countOf(parts));
  for (const { message, results } of parts) {
    const its = results.kind === 'decoded' ? results.results : decodeResults(results, message.commands());
    if (message.places === undefined) return its;
    for (const [i, place] of message.places.entries()) all[place] = its[i] as BatchResult;
  }
  return all;
}
