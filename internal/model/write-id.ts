/**
 * Names that callers give to writes, so that a write is carried out once however
 * often its request arrives, and what a write came to, as the log keeps it (ADR 14).
 */
import type { Position } from '#model/position.ts';

/** Names one write among all writes of a group. */
export interface RequestName {
  readonly kind: 'request';
  readonly requestId: string;
}

/** Names one write among those of a client. */
export interface ClientName {
  readonly kind: 'client';
  /** Chosen at random by the client; 64 bits, not 0. */
  readonly clientId: bigint;
  /** At least 1; later writes of the client have higher ones. Gaps mean nothing. */
  readonly sequence: number;
  /** Tells apart the parts of a Batch that was divided, by their first operations; 0 for a whole request. */
  readonly index: number;
  /** The client needs no answer up to this sequence any more; below `sequence`. */
  readonly answeredThrough: number;
}

export type WriteName = RequestName | ClientName;

/** What the name of a write looks like in a command. */
export interface WriteId {
  readonly name: WriteName;
  /** A position that the caller held before it sent the write for the first time; undefined: not told. */
  readonly since?: Position | undefined;
}

/** The name of a whole Batch that is not atomic: of its writes, none of which has a name of its own. */
export interface BatchId extends WriteId {
  /** CRC-32 of what is asked: see `WriteOutcome`. */
  readonly checksum: number;
}

/** What one operation came to. */
export interface WriteResult {
  readonly applied: boolean;
  /** Its condition was not met. In an atomic Batch this is why nothing was written. */
  readonly isUnmet: boolean;
  /** In a Batch that is not atomic: it was refused, and did nothing. */
  readonly isRefused?: true;
  /** The sum that an Increment wrote. */
  readonly value?: bigint | undefined;
}

/** What is kept of a write that has a name. */
export interface WriteOutcome {
  /** CRC-32 of what was asked: another request under the same name is refused. */
  readonly checksum: number;
  /** One for each operation that writes. */
  readonly results: readonly WriteResult[];
}

/** A write as its record states it. */
export interface NamedWrite extends WriteOutcome {
  readonly name: WriteName;
}

/** What became of a write, and the record that has it. */
export interface KnownOutcome extends WriteOutcome {
  readonly position: Position;
}
