/**
 * What became of writes that have names (ADR 14): a fold over the records that state
 * them, and nothing else, so that it is the same on every node. A write whose name is
 * here is answered from here and not carried out again. README.md says what is kept
 * how long, and what is forgotten first.
 */
import type { Position } from '#model/position.ts';
import type { ClientName, KnownOutcome, NamedWrite, WriteName } from '#model/write-id.ts';
import { assert } from '#platform/assert.ts';
import { BlockError } from '#platform/blocks.ts';
import { ClientOutcomes } from '#storage/client-outcomes.ts';
import {
  NO_MARKS,
  type OutcomeRow,
  type RequestIdRow,
  type RequestMarks,
  type RequestRow,
  RowDigest,
} from '#storage/request-rows.ts';

/** How long the outcome of a request id is kept, in milliseconds of record time. */
export const REQUEST_WINDOW_MS = 600_000;

/** Part of the format: every node must forget the same. */
export const REQUEST_BOUNDS: RequestBounds = {
  clientsMax: 16_384,
  outcomesMax: 1_024,
  costMax: 8 * 1_024 * 1_024,
};

export interface RequestBounds {
  readonly clientsMax: number;
  /** A client has so many at most. */
  readonly outcomesMax: number;
  /** In bytes, as `costOf` counts it. */
  readonly costMax: number;
}

/** What a client takes, and an outcome besides its results and request id; measured, in bytes. */
const CLIENT_COST = 288;
const OUTCOME_COST = 240;
const RESULT_COST = 16;
/** More for a result with a number. */
const VALUE_COST = 128;
const CHARACTER_COST = 2;

export class RequestTable {
  readonly #bounds: RequestBounds;
  /** The client that is silent for longest comes first. */
  readonly #clients = new Map<bigint, ClientOutcomes>();
  /** The oldest comes first. */
  readonly #requests = new Map<string, RequestIdRow>();
  #clientsMark = 0;
  #requestsMark = 0;
  #rows = 0;
  #cost = 0;
  readonly #digest = new RowDigest();

  constructor(bounds: RequestBounds = REQUEST_BOUNDS) {
    this.#bounds = bounds;
  }

  get marks(): RequestMarks {
    return { clients: this.#clientsMark, requests: this.#requestsMark };
  }

  /** True until the first record with a name. */
  get isUnused(): boolean {
    return this.#rows === 0 && this.#clientsMark === 0 && this.#requestsMark === 0;
  }

  /** Clients, and outcomes of both kinds. */
  get count(): number {
    return this.#rows;
  }

  /** Every row, in the order in which a snapshot has them; each is what it was, whatever is applied later. */
  rows(): RequestRow[] {
    const rows: RequestRow[] = [];
    for (const client of this.#clients.values()) {
      rows.push(client.row);
      for (const row of client.rows) rows.push(row);
    }
    for (const row of this.#requests.values()) rows.push(row);
    return rows;
  }

  /** The digest in 32 lower-case hex digits. */
  digest(): string {
    return this.#digest.hex();
  }

  /** The same, summed over every row again. */
  digestAnew(): string {
    const digest = new RowDigest();
    for (const row of this.rows()) digest.add(row);
    digest.replaceMarks(NO_MARKS, this.marks);
    return digest.hex();
  }

  /** Adds the digest to that at `target[at..at + 3]`. */
  addDigestTo(target: Uint32Array, at: number): void {
    if (!this.isUnused) this.#digest.addTo(target, at);
  }

  /** What became of a write; undefined: not known. `nowMs`: the time of the record that the write would have. */
  find(name: WriteName, nowMs: number): KnownOutcome | undefined {
    if (name.kind === 'client') return this.#clients.get(name.clientId)?.find(name)?.outcome;
    const row = this.#requests.get(name.requestId);
    return row === undefined || isOver(row, nowMs) ? undefined : row.outcome;
  }

  /**
   * True if a write that `find` does not know may have been carried out and forgotten.
   * `sinceLsn`: an LSN that the caller knew before it first sent the write; 0: it does
   * not say, and a request id is then taken for new.
   */
  mayBeForgotten(name: WriteName, sinceLsn: number, nowMs: number): boolean {
    if (name.kind === 'client') {
      if (this.isDropped(name)) return true;
      return sinceLsn < (this.#clients.get(name.clientId)?.mark ?? this.#clientsMark);
    }
    if (sinceLsn === 0) return false;
    const row = this.#requests.get(name.requestId);
    const overLsn = row !== undefined && isOver(row, nowMs) ? row.outcome.position.lsn : 0;
    return sinceLsn < Math.max(this.#requestsMark, overLsn);
  }

  /** True if the client said that it has the answer, or later sequences pushed the outcome out: no `sinceLsn` helps then. */
  isDropped(name: WriteName): boolean {
    return name.kind === 'client' && name.sequence <= (this.#clients.get(name.clientId)?.floor ?? 0);
  }

  /** Notes the named writes of the record at `position`, whose timestamp is `timestampMs`. */
  apply(writes: readonly NamedWrite[], position: Position, timestampMs: number): void {
    this.#forgetOld(timestampMs);
    // A Batch has many names of one client, whose own row enters the digest once.
    let client: ClientOutcomes | undefined;
    for (const { name, checksum, results } of writes) {
      const outcome = { checksum, results, position };
      if (name.kind === 'request') {
        this.#noteRequest({ kind: 'request', requestId: name.requestId, timestampMs, outcome });
        continue;
      }
      if (client?.clientId !== name.clientId) {
        if (client !== undefined) this.#putBack(client);
        client = this.#takeOut(name.clientId);
      }
      this.#noteClient(client, name, outcome);
    }
    if (client !== undefined) this.#putBack(client);
    while (this.#clients.size > this.#bounds.clientsMax) this.#forgetClient();
    while (this.#cost > this.#bounds.costMax) this.#forgetOldest();
  }

  /** For the snapshot loader: the table is empty before. Rows come in their order. Throws `BlockError` if one cannot be here. */
  restore(row: RequestRow): void {
    if (row.kind === 'client') {
      if (this.#clients.has(row.clientId)) throw new BlockError(0, 'a client for the second time');
      const client = new ClientOutcomes(row.clientId, row.mark);
      client.floor = row.floor;
      client.lastLsn = row.lastLsn;
      this.#clients.set(row.clientId, client);
    } else if (row.kind === 'outcome') {
      const client = this.#clients.get(row.clientId);
      if (client === undefined) throw new BlockError(0, 'an outcome before its client');
      if (client.put(row) !== undefined) throw new BlockError(0, 'an outcome for the second time');
    } else {
      if (this.#requests.has(row.requestId)) throw new BlockError(0, 'a request id for the second time');
      this.#requests.set(row.requestId, row);
    }
    this.#add(row);
  }

  /** For the snapshot loader. */
  restoreMarks({ clients, requests }: RequestMarks): void {
    this.#setMarks(clients, requests);
  }

  /** The client, new or known, out of the table until it is put back. */
  #takeOut(clientId: bigint): ClientOutcomes {
    const client = this.#clients.get(clientId);
    if (client === undefined) return new ClientOutcomes(clientId, this.#clientsMark);
    this.#clients.delete(clientId);
    this.#remove(client.row);
    return client;
  }

  /** Behind all others: the client that is silent for longest comes first. */
  #putBack(client: ClientOutcomes): void {
    this.#clients.set(client.clientId, client);
    this.#add(client.row);
  }

  #noteClient(client: ClientOutcomes, name: ClientName, outcome: KnownOutcome): void {
    const { clientId, sequence, index, answeredThrough } = name;
    client.lastLsn = outcome.position.lsn;
    const row: OutcomeRow = { kind: 'outcome', clientId, sequence, index, outcome };
    const before = client.put(row);
    if (before !== undefined) this.#remove(before);
    this.#add(row);
    this.#removeAll(client.dropThrough(answeredThrough));
    this.#removeAll(client.dropOver(this.#bounds.outcomesMax));
  }

  #noteRequest(row: RequestIdRow): void {
    // Before the first that is logged, request ids were known to their master only.
    if (this.#requestsMark === 0) this.#setMarks(this.#clientsMark, row.outcome.position.lsn - 1);
    const before = this.#requests.get(row.requestId);
    if (before !== undefined) this.#forgetRequest(before);
    this.#requests.set(row.requestId, row);
    this.#add(row);
  }

  #forgetOld(nowMs: number): void {
    for (const row of this.#requests.values()) {
      if (!isOver(row, nowMs)) return;
      this.#forgetRequest(row);
    }
  }

  /** Forgets what is furthest back in the log. */
  #forgetOldest(): void {
    const [client] = this.#clients.values();
    const [request] = this.#requests.values();
    const isClientOlder =
      client !== undefined && client.lastLsn < (request?.outcome.position.lsn ?? Infinity);
    if (request === undefined || isClientOlder) this.#forgetClient();
    else this.#forgetRequest(request);
  }

  #forgetRequest(row: RequestIdRow): void {
    this.#requests.delete(row.requestId);
    this.#remove(row);
    this.#setMarks(this.#clientsMark, Math.max(this.#requestsMark, row.outcome.position.lsn));
  }

  #forgetClient(): void {
    const [client] = this.#clients.values();
    assert(client !== undefined, 'there is a client to forget');
    this.#clients.delete(client.clientId);
    this.#remove(client.row);
    this.#removeAll(client.rows);
    this.#setMarks(Math.max(this.#clientsMark, client.lastLsn), this.#requestsMark);
  }

  #setMarks(clients: number, requests: number): void {
    const before = this.marks;
    this.#clientsMark = clients;
    this.#requestsMark = requests;
    this.#digest.replaceMarks(before, this.marks);
  }

  #add(row: RequestRow): void {
    this.#rows++;
    this.#cost += costOf(row);
    this.#digest.add(row);
  }

  #remove(row: RequestRow): void {
    this.#rows--;
    this.#cost -= costOf(row);
    this.#digest.remove(row);
  }

  #removeAll(rows: readonly RequestRow[]): void {
    for (const row of rows) this.#remove(row);
  }
}

/** True if a record at `nowMs` makes the table forget it. */
function isOver({ timestampMs }: RequestIdRow, nowMs: number): boolean {
  return nowMs - timestampMs >= REQUEST_WINDOW_MS;
}

function costOf(row: RequestRow): number {
  if (row.kind === 'client') return CLIENT_COST;
  let cost = OUTCOME_COST;
  for (const { value } of row.outcome.results) cost += RESULT_COST + (value === undefined ? 0 : VALUE_COST);
  return row.kind === 'outcome' ? cost : cost + CHARACTER_COST * row.requestId.length;
}
