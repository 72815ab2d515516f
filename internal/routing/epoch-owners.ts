/**
 * Which group each epoch is of: as answers tell it, and as the groups themselves say of an epoch
 * that no answer told, as after a start of this process.
 */
import { WalnutError } from '#model/errors.ts';
import { formatPosition, type Position } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import type { GroupCalls } from '#routing/group-calls.ts';
import { OPERATION_BYTES } from '#routing/split-batch.ts';

export interface EpochOwnersOptions {
  readonly clock: Clock;
  readonly groups: () => readonly GroupCalls[];
}

/** An epoch begins with each failover. The oldest are forgotten. */
const EPOCHS_MAX = 4_096;
/** How long the groups have to say that an epoch is theirs; the same question is not asked again for a second. */
const ASK_MS = 500;
const AGAIN_MS = 1_000;
/** Positions that are asked for at once, and answers that nobody knew one: further ones are not asked for. */
const ASKED_MAX = 64;

export class EpochOwners {
  readonly #options: EpochOwnersOptions;
  /** The ids of the groups of epochs. */
  readonly #owners = new Map<number, string>();
  /** Questions by the text of the position: of one epoch, a position may be lost and another not. */
  readonly #asked = new Map<string, Promise<void>>();
  /** The positions of which every group said just now that they are not in its history. */
  readonly #denied = new Set<string>();

  constructor(options: EpochOwnersOptions) {
    this.#options = options;
  }

  /** The id of the group whose history the epoch is; undefined: not heard of here. */
  ownerOf(epoch: number): string | undefined {
    return this.#owners.get(epoch);
  }

  /** True if every group says so; false where one did not answer, or is behind the epoch's term. */
  isOfNobody(position: Position): boolean {
    return this.#denied.has(formatPosition(position));
  }

  /** An answer of the group told the epoch. */
  note(epoch: number, group: string): void {
    this.#owners.delete(epoch);
    this.#owners.set(epoch, group);
    const [oldest] = this.#owners.keys();
    if (this.#owners.size > EPOCHS_MAX && oldest !== undefined) this.#owners.delete(oldest);
  }

  /** Asks all groups whose the position is, at most 500 ms, once for all callers. Undefined: there is nothing to ask. Never rejects. */
  learn(position: Position | undefined): Promise<void> | undefined {
    if (position === undefined || position.lsn === 0 || position.group !== undefined) return undefined;
    if (this.#owners.has(position.epoch)) return undefined;
    const text = formatPosition(position);
    const asked = this.#asked.get(text);
    const groups = this.#options.groups();
    if (asked !== undefined || groups.length < 2 || this.#asked.size >= ASKED_MAX) return asked;
    const asking = this.#ask(position, groups);
    this.#asked.set(text, asking);
    return asking;
  }

  /** A group has the position in its log, or answers that it is of another history. */
  async #ask(position: Position, groups: readonly GroupCalls[]): Promise<void> {
    const { clock } = this.#options;
    const { epoch } = position;
    const text = formatPosition(position);
    const over = new AbortController();
    const limit = clock.after(ASK_MS, () => over.abort());
    const kind = {
      ...({ target: 'master', isRepeatable: true, waitMs: 0 } as const),
      ...{ bytes: OPERATION_BYTES, signal: over.signal },
    };
    const command = { position, durability: 'accepted', minAcks: 0, timeoutMs: 1 } as const;
    const claims = groups.map(async (group) => {
      await group.run(kind, ({ link, ...limits }) => link.awaitDurable(command, limits));
      this.note(epoch, group.id);
    });
    const denials = await Promise.any(claims).catch(({ errors }: AggregateError) => errors.filter(isDenial));
    limit.cancel();
    over.abort();
    if (this.#owners.has(epoch)) {
      this.#asked.delete(text);
      return;
    }
    if (denials?.length === groups.length) this.#denied.add(text);
    clock.after(AGAIN_MS, () => {
      this.#asked.delete(text);
      this.#denied.delete(text);
    });
  }
}

function isDenial(error: unknown): boolean {
  return error instanceof WalnutError && error.code === 'discarded_history';
}
