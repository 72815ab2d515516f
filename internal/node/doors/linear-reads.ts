/**
 * Gets as of one copy (docs/promises.md, 32). A master answers one when everything that
 * was visible with the value has reached QUORUM, and its lease was held after the value
 * was taken: then no other master has answered a write, and no failover takes back what
 * was read.
 */
import { awaitReceipt } from '#master/receipts.ts';
import type { GetAnswer, GetCommand } from '#model/commands.ts';
import { notYet, unavailable, WalnutError } from '#model/errors.ts';
import type { Admission } from '#node/doors/admission.ts';
import type { Reader } from '#node/reader.ts';
import type { Clock } from '#platform/clock.ts';

const NO_VOTERS =
  'a linearizable read counts the voters of a group in a cluster, and this is the master of a plain group';

export class LinearReads {
  readonly #admission: Admission;
  readonly #reader: Reader;
  readonly #clock: Clock;

  constructor(admission: Admission, reader: Reader, clock: Clock) {
    this.#admission = admission;
    this.#reader = reader;
    this.#clock = clock;
  }

  /** Throws `unavailable` where QUORUM is not reached in time, or the lease is over. */
  async get(command: GetCommand, signal: AbortSignal | undefined): Promise<GetAnswer> {
    const role = this.#admission.master('answer linearizable reads');
    const { quorum } = role.acks;
    const { engine } = this.#admission;
    if (quorum === undefined || engine === undefined) throw new WalnutError('failed_precondition', NO_VOTERS);
    role.writer();
    const answer = await this.#reader.get(command, signal);
    const { lsn } = answer.asOf;
    // Like a write that asks for it: the wait has to begin with an fdatasync here, which `wal.fsync` may put off for ever.
    const wanted = { durability: 'quorum', minAcks: 0, timeoutMs: command.waitMs } as const;
    if (quorum.lsn < lsn) await awaitReceipt(engine, role.acks, this.#clock, wanted, lsn, signal);
    if (quorum.lsn < lsn)
      throw notYet(`what was read has not reached QUORUM: record ${quorum.lsn} has, ${lsn} is needed`);
    // Asked anew, since the lease must have been held after the value was taken.
    if (this.#admission.role !== role) throw unavailable('this node has changed its role');
    role.writer();
    return answer;
  }
}
