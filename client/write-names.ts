/** Names for the writes of a client, so that a write that is sent again is carried out once. */
import type { Position } from '#gen/walnut/v1/types_pb.ts';
import type { ClientName } from '#model/write-id.ts';
import type { Random } from '#platform/random.ts';
import { OwnNames } from '#routing/own-names.ts';

/** The fields of a write that name it. */
export interface NamedFields {
  requestId: string;
  clientId: bigint;
  sequence: bigint;
  answeredThrough: bigint;
  since?: Position | undefined;
}

export class WriteNames {
  readonly #names: OwnNames;

  constructor(random: Random) {
    this.#names = new OwnNames(random);
  }

  /**
   * Names writes that go together, at most 1,000. Those that their caller named keep their
   * names. `since`: a position that this client has had before. Call what it returns once
   * nobody sends these writes again.
   */
  begin(writes: readonly NamedFields[], since: Position | undefined): () => void {
    const unnamed = writes.filter((write) => !hasName(write));
    const { names, release } = this.#names.take(unnamed.length);
    for (const [i, write] of unnamed.entries()) {
      const { clientId, sequence, answeredThrough } = names[i] as ClientName;
      write.clientId = clientId;
      write.sequence = BigInt(sequence);
      write.answeredThrough = BigInt(answeredThrough);
      if (since !== undefined) write.since = since;
    }
    return release;
  }

  /** True if `begin` named the write. */
  isOurs({ clientId }: NamedFields): boolean {
    return this.#names.has(clientId);
  }

  /** Takes the name back from a write that was not carried out under it, and is not sent under it again. */
  takeBack(write: NamedFields): void {
    if (this.isOurs(write))
      Object.assign(write, { clientId: 0n, sequence: 0n, answeredThrough: 0n, since: undefined });
  }
}

/** True if the write may be sent twice and is carried out once. */
export function hasName({ requestId, clientId }: NamedFields): boolean {
  return requestId !== '' || clientId !== 0n;
}
