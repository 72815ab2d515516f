/**
 * Names for writes that their callers did not name, so that one that is sent again is
 * carried out once. A group keeps the outcomes of the last 1,024 sequences of a client, so no
 * more may lie between the oldest open one and the newest: where one write is held for long,
 * another client id is used.
 */

import type { ClientName } from '#model/write-id.ts';
import type { Random } from '#platform/random.ts';

export const SEQUENCES_OPEN_MAX = 1_024;

interface OwnClient {
  readonly id: bigint;
  last: number;
  /** The lowest first. */
  readonly open: Set<number>;
}

/** Names that go together. */
export interface TakenNames {
  readonly names: readonly ClientName[];
  /** Nobody sends these writes again. */
  release(): void;
}

const HALF_BITS = 32n;

export class OwnNames {
  readonly #random: Random;
  readonly #clients: OwnClient[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** How many client ids there are. */
  get clients(): number {
    return this.#clients.length;
  }

  /** True if a name with this client id was taken here. */
  has(clientId: bigint): boolean {
    return this.#clients.some(({ id }) => id === clientId);
  }

  /** `count`: at most `SEQUENCES_OPEN_MAX`. */
  take(count: number): TakenNames {
    const client = this.#clients.find((one) => spanOf(one) + count <= SEQUENCES_OPEN_MAX) ?? this.#add();
    const { id, open } = client;
    const sequences = Array.from({ length: count }, () => {
      open.add(++client.last);
      return client.last;
    });
    const [oldest = client.last] = open;
    return {
      names: sequences.map((sequence) => ({
        kind: 'client',
        clientId: id,
        sequence,
        index: 0,
        answeredThrough: oldest - 1,
      })),
      release: () => {
        for (const sequence of sequences) open.delete(sequence);
      },
    };
  }

  #add(): OwnClient {
    const id = (BigInt(this.#random.uint32()) << HALF_BITS) | BigInt(this.#random.uint32());
    const client = { id: id === 0n ? 1n : id, last: 0, open: new Set<number>() };
    this.#clients.push(client);
    return client;
  }
}

/** From the oldest open sequence to the newest that was given. */
function spanOf({ open, last }: OwnClient): number {
  const [oldest = last + 1] = open;
  return last - oldest + 1;
}
