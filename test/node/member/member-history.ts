/**
 * The history of a group of whole members as registers: writes and compare-and-sets at
 * QUORUM, and linearizable reads, tried on every member, as `violationsOf` checks them.
 */
import type { SetCommand } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';

import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import type { TestNode } from '#test/doubles/test-group.ts';
import { type Act, type Operation, type Value, violationsOf } from '#test/torture/linearizable.ts';
import { versionOf } from '#test/torture/version-of.ts';

const REGISTERS = 8;
const WAIT_MS = 2_000;

interface Clock {
  monotonicMs(): number;
}

export class MemberHistory {
  readonly #clock: Clock;
  readonly #random: SeededRandom;
  readonly #operations: Operation[] = [];
  #values = 0;

  constructor(clock: Clock, random: SeededRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  /** How many reads, and how many compare-and-sets, were answered. */
  get counts(): { readonly reads: number; readonly swaps: number } {
    const answered = this.#operations.filter(({ endMs }) => endMs !== undefined);
    const count = (kind: Act['kind']): number => answered.filter(({ act }) => act.kind === kind).length;
    return { reads: count('read'), swaps: count('swap') };
  }

  /** Begins something on a member. */
  act({ node }: TestNode): void {
    const key = `r${this.#random.below(REGISTERS)}`;
    const what = this.#random.fraction();
    const acting =
      what < 0.4
        ? this.#read(node, key)
        : what < 0.7
          ? this.#set(node, key, { kind: 'write', value: this.#value() })
          : this.#swap(node, key);
    // What failed is in the history as far as it may have happened.
    acting.catch(() => undefined);
  }

  /** See `violationsOf`. */
  violations(): string[] {
    return violationsOf(this.#operations);
  }

  async #read(node: TestNode['node'], key: string): Promise<Entry | undefined> {
    const startMs = this.#clock.monotonicMs();
    const { entry } = await node.get({ key, waitMs: WAIT_MS, isLinearizable: true });
    this.#noteRead(key, startMs, entry);
    return entry;
  }

  async #swap(node: TestNode['node'], key: string): Promise<void> {
    const entry = await this.#read(node, key);
    const act = { kind: 'swap', from: valueIn(entry), value: this.#value() } as const;
    const condition =
      entry === undefined
        ? ({ kind: 'absent' } as const)
        : ({ kind: 'version', version: entry.version } as const);
    await this.#set(node, key, act, condition);
  }

  async #set(
    node: TestNode['node'],
    key: string,
    act: Act & { readonly kind: 'write' | 'swap' },
    condition?: SetCommand['condition'],
  ): Promise<void> {
    const startMs = this.#clock.monotonicMs();
    const index = this.#operations.length;
    this.#operations.push({ key, act, startMs, endMs: undefined, version: undefined });
    const answer = await node
      .set({
        key,
        value: Buffer.from(act.value),
        expiry: { kind: 'default' },
        condition,
        returnPrevious: false,
        minAcks: 0,
        durability: 'quorum',
        timeoutMs: WAIT_MS,
      })
      .catch((error: unknown) => {
        if (error instanceof WalnutError && error.details.nothingDone === true) this.#never(index);
        throw error;
      });
    if (!answer.applied) this.#never(index);
    if (answer.durabilityReached !== 'quorum') return;
    if (!answer.applied) return this.#noteRead(key, startMs, answer.current);
    const { epoch, lsn } = answer.position;
    const endMs = this.#clock.monotonicMs();
    this.#operations[index] = { key, act, startMs, endMs, version: versionOf(epoch, lsn) };
  }

  /** It was refused: where its value is read all the same, nobody wrote it. */
  #never(index: number): void {
    const act = { kind: 'read', value: undefined } as const;
    this.#operations[index] = { ...(this.#operations[index] as Operation), act, endMs: undefined };
  }

  #noteRead(key: string, startMs: number, entry: Entry | undefined): void {
    const version = entry && versionOf(entry.version.epoch, entry.version.lsn);
    const act = { kind: 'read', value: valueIn(entry) } as const;
    this.#operations.push({ key, act, startMs, endMs: this.#clock.monotonicMs(), version });
  }

  /** One that nobody else writes. */
  #value(): string {
    this.#values += 1;
    return `${this.#values}`;
  }
}

function valueIn(entry: Entry | undefined): Value {
  return entry && Buffer.from(entry.value).toString();
}
