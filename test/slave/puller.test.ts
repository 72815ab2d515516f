import { describe, expect, it } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import type { UpdatesAnswer, UpdatesCommand } from '#model/commands.ts';
import { unavailable } from '#model/errors.ts';
import type { ChainPoint, ReplicateVerdict } from '#model/replication.ts';
import type { CallOptions, PeerLink } from '#replication/peer-link.ts';
import { PULL_BYTES_MAX, Puller } from '#slave/puller.ts';
import type { Receiver } from '#slave/receiver.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { bytesOf, chainOf, pointOf } from '#test/replication/chain.ts';
import type { Frame } from '#wal/frame.ts';

const RECORDS = 50;
const PER_ANSWER = 10;
const APPLY_MS = 100;

/** A master with 50 records, of which an answer takes ten, and a replica that takes 100 ms to apply an answer. */
type Refusal = () => ReplicateVerdict | undefined;

class Pull {
  readonly clock = new VirtualClock();
  readonly log: Frame[] = chainOf(
    Array.from({ length: RECORDS }, () => 10),
    { firstLsn: 1, prevCrc: 0 },
  );
  readonly asked: { afterLsn: number; bytesMax: number; atMs: number; signal: AbortSignal | undefined }[] =
    [];
  readonly behind: number[] = [];
  tail: ChainPoint = pointOf(undefined);
  /** What becomes of an answer, by number; else it is taken. */
  readonly verdicts: ReplicateVerdict[] = [];
  /** Answers that come too late, by number of the question. */
  readonly late = new Set<number>();
  /** The highest term that was granted; the master leads term 1. */
  knownTerm = 1;
  /** How long an answer takes. */
  answerMs = 0;
  readonly puller = new Puller({
    link: () =>
      ({
        getUpdates: (command: UpdatesCommand, options: CallOptions) => this.#answer(command, options),
      }) as unknown as PeerLink,
    receiver: {
      take: (_previous: ChainPoint, frames: readonly Frame[], _isDurable: boolean, refusal: Refusal) =>
        this.#take(frames, refusal),
    } as unknown as Receiver,
    clock: this.clock,
    bytesMax: PULL_BYTES_MAX,
    knownTerm: () => this.knownTerm,
    onHeard: () => undefined,
    onBehind: (records) => this.behind.push(records),
  });

  run(signal = new AbortController().signal): Promise<number> {
    const pull = this;
    const engine = {
      log: {
        get tail() {
          return pull.tail;
        },
      },
    } as unknown as Engine;
    const level = this.puller.pullUntilLevel(engine, 1, signal);
    level.catch(() => undefined);
    return level;
  }

  async #answer(
    { after, bytesMax }: UpdatesCommand,
    { timeoutMs, signal }: CallOptions,
  ): Promise<UpdatesAnswer> {
    this.asked.push({ afterLsn: after.lsn, bytesMax, atMs: this.clock.monotonicMs(), signal });
    if (this.late.has(this.asked.length)) {
      await this.clock.sleep(timeoutMs);
      throw unavailable('no answer');
    }
    if (this.answerMs > 0) await this.clock.sleep(this.answerMs);
    const frames = this.log.slice(after.lsn, after.lsn + PER_ANSWER);
    const latest = pointOf(this.log.at(-1));
    return { updates: [], frames: bytesOf(frames), last: after, latest, earliest: after };
  }

  async #take(frames: readonly Frame[], refusal: Refusal): Promise<ReplicateVerdict> {
    await this.clock.sleep(APPLY_MS);
    const refused = refusal();
    if (refused !== undefined) return refused;
    const last = frames.at(-1);
    if (last !== undefined && last.lsn > this.tail.lsn) this.tail = pointOf(last);
    return this.verdicts.shift() ?? { kind: 'ok' };
  }
}

describe('Puller', () => {
  it('takes nothing of the master once a higher term was granted', async () => {
    const pull = new Pull();
    const level = pull.run();
    await pull.clock.advance(APPLY_MS + 1);
    const { lsn } = pull.tail;
    pull.knownTerm = 2;
    await pull.clock.advance(1_000);
    await expect(level).rejects.toThrow('term 2 was granted meanwhile');
    expect(pull.tail.lsn).toBe(lsn);
  });

  it('asks for the next records while the last are applied, two answers ahead, and for none beyond the end', async () => {
    const pull = new Pull();
    const level = pull.run();
    await pull.clock.advance(1_000);
    expect(await level).toBe(2 * APPLY_MS);
    expect(pull.asked.map(({ afterLsn }) => afterLsn)).toEqual([0, 10, 20, 30, 40]);
    expect(pull.asked.map(({ atMs }) => atMs)).toEqual([0, 0, 0, APPLY_MS, 2 * APPLY_MS]);
    expect(pull.behind).toEqual([40, 30, 20, 10]);
    expect(pull.tail.lsn).toBe(RECORDS);
  });

  it('asks anew from its tail where pushes came in between', async () => {
    const pull = new Pull();
    const level = pull.run();
    await pull.clock.advance(APPLY_MS - 1);
    pull.tail = pointOf(pull.log[14]);
    await pull.clock.advance(1_000);
    await level;
    expect(pull.asked.map(({ afterLsn }) => afterLsn)).toEqual([0, 10, 20, 15, 25, 35, 45]);
  });

  it('asks for nothing more after what it does not need any more', async () => {
    const pull = new Pull();
    pull.answerMs = 150;
    const level = pull.run();
    await pull.clock.advance(200);
    pull.tail = pointOf(pull.log[14]);
    await pull.clock.advance(2_000);
    await level;
    // What was asked for after 10 was on its way when the pushes came.
    expect(pull.asked.map(({ afterLsn }) => afterLsn)).toEqual([0, 10, 15, 25, 35, 45]);
  });

  it('gives up what it asked for ahead where the histories differ', async () => {
    const pull = new Pull();
    pull.verdicts.push({ kind: 'conflict', epochs: [] });
    const level = pull.run();
    await pull.clock.advance(1_000);
    await expect(level).rejects.toThrow('histories differ');
    expect(pull.asked.at(-1)?.signal?.aborted).toBe(true);
  });

  it('asks for less where answers come too late, and for more again', async () => {
    const pull = new Pull();
    pull.late.add(1).add(2);
    for (let i = 0; i < 2; i++) {
      const level = pull.run();
      await pull.clock.advance(3_500);
      await expect(level).rejects.toThrow('no answer');
    }
    const level = pull.run();
    await pull.clock.advance(1_000);
    await level;
    const [first = 0, ...others] = pull.asked.map(({ bytesMax }) => bytesMax);
    expect(others).toEqual([first / 4, first / 16, first / 8, first / 4, first / 2, first]);
  });
});
