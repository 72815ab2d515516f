/**
 * Gets that ask for a fill lease. Only a master that takes writes gives leases; every
 * other node answers what it has, and refuses what it would give a lease for.
 */
import type { FillWish, GetAnswer, GetCommand } from '#model/commands.ts';
import { isDue } from '#model/entry.ts';
import type { Admission } from '#node/doors/admission.ts';
import { withModified } from '#node/modified.ts';
import type { Reader } from '#node/reader.ts';
import type { Clock } from '#platform/clock.ts';

export class FillReads {
  readonly #admission: Admission;
  readonly #reader: Reader;
  readonly #clock: Clock;

  constructor(admission: Admission, reader: Reader, clock: Clock) {
    this.#admission = admission;
    this.#reader = reader;
    this.#clock = clock;
  }

  async get(command: GetCommand, wish: FillWish, signal: AbortSignal | undefined): Promise<GetAnswer> {
    const startedMs = this.#clock.monotonicMs();
    const { atLeast, waitMs } = command;
    if (atLeast !== undefined) await this.#reader.untilReached(atLeast, waitMs, signal);
    const master = this.#writer();
    if (master instanceof Error) return this.#without(command, wish, master);
    const leftMs = Math.max(0, waitMs - (this.#clock.monotonicMs() - startedMs));
    const checkRole = (): void => void this.#admission.writer();
    const answer = await master.fill({ ...command, waitMs: leftMs }, wish, checkRole, signal);
    const { engine } = this.#admission;
    if (command.withModified !== true || answer.entry === undefined || engine === undefined) return answer;
    return { ...answer, entry: withModified(answer.entry, engine) };
  }

  /** The master, or why this node gives no leases. */
  #writer(): ReturnType<Admission['writer']> | Error {
    try {
      if (this.#admission.role?.kind === 'replica') this.#admission.master('give fill leases');
      return this.#admission.writer();
    } catch (error) {
      if (error instanceof Error) return error;
      throw error;
    }
  }

  #without(command: GetCommand, { refreshBeforeMs }: FillWish, refusal: Error): GetAnswer {
    const answer = this.#reader.getNow(command);
    const { entry } = answer;
    if (entry === undefined || isDue(entry.expireAtMs, this.#clock.wallMs(), refreshBeforeMs)) throw refusal;
    return answer;
  }
}
