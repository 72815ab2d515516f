/**
 * Names for the writes of a client, so that a write that is sent again is carried out
 * once: a client id and a sequence, and up to which sequence all answers have come.
 */
import type { Position } from '#gen/walnut/v1/types_pb.ts';
import type { Random } from '#platform/random.ts';

/** The fields of a write that name it. */
export interface NamedFields {
  requestId: string;
  clientId: bigint;
  sequence: bigint;
  answeredThrough: bigint;
  since?: Position | undefined;
}

/** Nodes keep the outcomes of so many sequences of one client: no more may be open at once. */
export const OPEN_WRITES_MAX = 1_024;

const HALF_BITS = 32n;

export class WriteNames {
  readonly clientId: bigint;
  #last = 0;
  /** Sequences whose answers have not come, the lowest first. */
  readonly #open = new Set<number>();

  constructor(random: Random) {
    const id = (BigInt(random.uint32()) << HALF_BITS) | BigInt(random.uint32());
    this.clientId = id === 0n ? 1n : id;
  }

  /**
   * Names writes that go together. Those that their caller named keep their names.
   * `since`: a position that this client has had before. Call `end` with the result.
   */
  begin(writes: readonly NamedFields[], since: Position | undefined): number[] {
    const unnamed = writes.filter((write) => !hasName(write));
    const sequences = unnamed.map(() => {
      this.#open.add(++this.#last);
      return this.#last;
    });
    const [first = this.#last] = this.#open;
    for (const [i, write] of unnamed.entries()) {
      write.clientId = this.clientId;
      write.sequence = BigInt(sequences[i] as number);
      write.answeredThrough = BigInt(first - 1);
      if (since !== undefined) write.since = since;
    }
    return sequences;
  }

  /** Nobody sends these writes again. */
  end(sequences: readonly number[]): void {
    for (const sequence of sequences) this.#open.delete(sequence);
  }
}

/** True if the write may be sent twice and is carried out once. */
export function hasName({ requestId, clientId }: NamedFields): boolean {
  return requestId !== '' || clientId !== 0n;
}
