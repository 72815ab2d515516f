/**
 * Carries out a named write once (ADR 14). What became of it is a part of its record,
 * and so of the state; a repeat is answered from there, or from the record that is on
 * its way. Everything here is judged on the accepted state, as conditions are.
 *
 * The order of checks of a write: this node takes writes, the caller may write, then
 * this. So a name tells nobody anything that he may not know.
 */
import type { Engine } from '#engine/engine.ts';
import { type Accepted, mapEntries } from '#master/accepted.ts';
import { type RecentAnswer, RecentAnswers } from '#master/recent-answers.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { Entry } from '#model/entry.ts';
import { invalidArgument, WalnutError } from '#model/errors.ts';
import { formatPosition, isSamePosition, type Position } from '#model/position.ts';
import type { KnownOutcome, WriteId, WriteName, WriteOutcome, WriteResult } from '#model/write-id.ts';
import { assert } from '#platform/assert.ts';
import type { Clock } from '#platform/clock.ts';

/** One write as its operation describes it. */
export interface NamedOperation {
  /** CRC-32 of what is asked. */
  readonly checksum: number;
  /** Decides what the write comes to, and adds that to the record. Throws if it is refused: then it has done nothing. */
  readonly accept: () => Accepted;
  /** What the log keeps of it. */
  readonly resultsOf: (accepted: Accepted) => readonly WriteResult[];
  /** The reverse: what a repeat is told if nothing else is known. */
  readonly recall: (results: readonly WriteResult[]) => Accepted;
}

export class NamedOnce {
  readonly #engine: Engine;
  readonly #recent: RecentAnswers;
  /** Writes whose records are on their way to disk, by their names. */
  readonly #inFlight = new Map<string, RecentAnswer>();
  readonly #keys = new Map<RecordInFlight, string[]>();
  /** Request ids up to this LSN may have been carried out without being logged. */
  #unloggedLsn: number;

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#recent = new RecentAnswers(clock);
    const isLogged = engine.store.requests.marks.requests > 0;
    this.#unloggedLsn = isLogged ? 0 : engine.log.tail.lsn;
  }

  /**
   * What the first write with this name came to; carries it out if there was none.
   * Throws `invalid_argument` if the name belongs to another write, `aborted` if the
   * write may have been carried out and forgotten, and whatever `accept` throws.
   */
  once(id: WriteId, operation: NamedOperation, builder: RecordBuilder): Accepted {
    const { name } = id;
    const key = keyOf(name);
    const known = this.#find(name, key, operation, builder.nowMs);
    if (known !== undefined) return { ...known, isNamed: true, isRepeat: true };
    this.#checkIsNew(id, builder.nowMs);
    return this.#carryOut(name, key, operation, builder);
  }

  /** True if no write with this name was, or may have been, carried out: it is one to `state`. */
  isNew(id: WriteId, nowMs: number): boolean {
    return !this.knows(id) && this.#whyNotNew(id, nowMs) === undefined;
  }

  /** Adds what a write came to that `isNew` says is new, and is in this record. `accepted` has no values. */
  state(name: WriteName, outcome: WriteOutcome, accepted: Accepted, builder: RecordBuilder): void {
    this.#state(name, keyOf(name), outcome, inRecord(accepted, builder), builder);
  }

  /** True if `once` knows what the first write with this name came to. */
  knows({ name }: WriteId): boolean {
    const key = keyOf(name);
    const outcome = this.#engine.store.requests.find(name, this.#engine.logClock.nowMs());
    return outcome !== undefined || this.#inFlight.has(key) || isOf(this.#recent.get(key), outcome);
  }

  /** The record is visible: the state has its names. */
  settle(record: RecordInFlight): void {
    if (this.#keys.size === 0) return;
    for (const key of this.#keys.get(record) ?? []) this.#inFlight.delete(key);
    this.#keys.delete(record);
  }

  /** Every record in flight was refused, and its names with it. */
  drop(): void {
    this.#inFlight.clear();
    this.#keys.clear();
  }

  #find(name: WriteName, key: string, operation: NamedOperation, nowMs: number): Accepted | undefined {
    const recent = this.#recent.get(key);
    const outcome = this.#engine.store.requests.find(name, nowMs);
    const answer = this.#inFlight.get(key) ?? (isOf(recent, outcome) ? recent : undefined);
    const known = answer ?? outcome;
    if (known === undefined) return undefined;
    if (known.checksum !== operation.checksum)
      throw invalidArgument(`${show(name)} was used for another write: expected one of its own for each`);
    if (answer !== undefined) return answer.accepted;
    return outcome && { ...operation.recall(outcome.results), position: outcome.position };
  }

  #checkIsNew(id: WriteId, nowMs: number): void {
    const why = this.#whyNotNew(id, nowMs);
    if (why === undefined) return;
    throw new WalnutError(
      'aborted',
      `the outcome of ${show(id.name)} is not known: nothing was done now, but the write may have been carried out ` +
        `before and forgotten (${why})`,
    );
  }

  #whyNotNew({ name, since }: WriteId, nowMs: number): string | undefined {
    const engine = this.#engine;
    const sinceLsn = since?.lsn ?? 0;
    const isForeign = since !== undefined && engine.standingOf(since) !== 'in_history';
    const isUnlogged = name.kind === 'request' && since !== undefined && sinceLsn < this.#unloggedLsn;
    const { requests } = engine.store;
    if (!isForeign && !isUnlogged && !requests.mayBeForgotten(name, sinceLsn, nowMs)) return undefined;
    return requests.isDropped(name) ? DROPPED : whyForgotten(since, isForeign);
  }

  #carryOut(name: WriteName, key: string, operation: NamedOperation, builder: RecordBuilder): Accepted {
    const { checksum } = operation;
    const accepted = operation.accept();
    if (!this.#engine.formats.isTaken) {
      assert(name.kind === 'request', 'a client id is refused before the log may have it');
      return this.#remember(key, checksum, accepted);
    }
    const kept = inRecord(mapEntries(accepted, owned), builder);
    this.#state(name, key, { checksum, results: operation.resultsOf(accepted) }, kept, builder);
    return kept;
  }

  #state(name: WriteName, key: string, outcome: WriteOutcome, kept: InRecord, builder: RecordBuilder): void {
    const { record } = builder;
    builder.name({ name, ...outcome });
    const answer = { checksum: outcome.checksum, accepted: kept, isLogged: true };
    this.#inFlight.set(key, answer);
    const keys = this.#keys.get(record);
    if (keys === undefined) this.#keys.set(record, [key]);
    else keys.push(key);
    if (saysMore(kept)) this.#recent.set(key, answer);
  }

  /** A replica could not read the name in the log: only this master knows it. */
  #remember(key: string, checksum: number, accepted: Accepted): Accepted {
    const position = accepted.dependsOn?.position ?? this.#engine.position;
    const kept = mapEntries({ ...accepted, position }, owned);
    this.#recent.set(key, { checksum, accepted: kept, isLogged: false });
    this.#unloggedLsn = Math.max(this.#unloggedLsn, position.lsn);
    return kept;
  }
}

function keyOf(name: WriteName): string {
  if (name.kind === 'request') return `r${name.requestId}`;
  return `c${name.clientId.toString(16)} ${name.sequence} ${name.index}`;
}

function show(name: WriteName): string {
  if (name.kind === 'request') return `request_id ${JSON.stringify(name.requestId)}`;
  return `client_id ${name.clientId}, sequence ${name.sequence}`;
}

const DROPPED =
  'the client said by answered_through that it has the answer, or sent later sequences that took its place: ' +
  'expected a higher sequence for a new write';

function whyForgotten(since: Position | undefined, isForeign: boolean): string {
  if (since === undefined) return 'since is not given: expected a position from before the first attempt';
  if (isForeign) return `since ${formatPosition(since)} is in another history`;
  return `since ${formatPosition(since)} is too old`;
}

/** True if the answer still counts: one that the log has only as long as the state has it too, and none of a refused record. */
function isOf(recent: RecentAnswer | undefined, outcome: KnownOutcome | undefined): boolean {
  if (recent === undefined) return false;
  const { accepted, isLogged } = recent;
  if (isLogged) return outcome !== undefined && isSamePosition(accepted.position, outcome.position);
  return outcome === undefined && accepted.dependsOn?.isRefused !== true;
}

/** What is true as long as its record is. */
type InRecord = Accepted & { readonly position: Position };

function inRecord(accepted: Accepted, { record }: RecordBuilder): InRecord {
  return { ...accepted, dependsOn: record, position: record.position, isNamed: true };
}

/** True if the answer has something that the log does not keep. */
function saysMore({ previous, current, touched, counter, outcomes, parts }: Accepted): boolean {
  if (previous !== undefined || current !== undefined || touched !== undefined) return true;
  if (counter !== undefined || outcomes !== undefined) return true;
  return parts?.some((part) => part instanceof WalnutError || saysMore(part)) === true;
}

/** Copies the value, because a view kept for minutes would keep the whole request in memory. */
function owned(entry: Entry): Entry {
  return { ...entry, value: new Uint8Array(entry.value) };
}
