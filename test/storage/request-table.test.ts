import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NamedWrite, WriteName } from '#model/write-id.ts';
import { checkRequests, encodeRequestBlocks, summaryOf } from '#storage/request-blocks.ts';
import { type RequestRow, readRows } from '#storage/request-rows.ts';
import { REQUEST_BOUNDS, REQUEST_WINDOW_MS, RequestTable } from '#storage/request-table.ts';
import { BLOCK_HEADER_BYTES } from '#storage/snapshot-codec.ts';
import { createSnapshotLoader } from '#storage/snapshot-loader.ts';
import { at, drain, meta, newStore } from '#test/storage/helpers.ts';

const SMALL = { clientsMax: 3, outcomesMax: 4, costMax: REQUEST_BOUNDS.costMax };
const DONE = [{ applied: true, isUnmet: false }];

const client = (clientId: bigint, sequence: number, answeredThrough = 0, index = 0): WriteName => ({
  kind: 'client',
  clientId,
  sequence,
  index,
  answeredThrough,
});
const request = (requestId: string): WriteName => ({ kind: 'request', requestId });
const write = (name: WriteName, checksum = 1): NamedWrite => ({ name, checksum, results: DONE });

const name: fc.Arbitrary<WriteName> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.bigInt({ min: 1n, max: 6n }), fc.nat(12), fc.nat(2), fc.nat(3))
      .map(([id, answered, index, ahead]) => client(id, answered + 1 + ahead, answered, index)),
  },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 8 }).map((i) => request(`r-${i}`)) },
);
/** Records: how much later each is than the one before, and what it names. */
const records = fc.array(
  fc.record({
    laterMs: fc.oneof(fc.nat(1_000), fc.constant(REQUEST_WINDOW_MS / 3)),
    names: fc.uniqueArray(name, { minLength: 1, maxLength: 4, selector: placeOf }),
  }),
  { maxLength: 60 },
);

function placeOf(one: WriteName): string {
  return one.kind === 'request' ? one.requestId : `${one.clientId} ${one.sequence} ${one.index}`;
}

type ModelRow = { place: string; sequence: number; lsn: number };
type ModelClient = { id: bigint; floor: number; mark: number; lastLsn: number; rows: ModelRow[] };

/** The rules of README.md, as lists that are searched and copied. */
class ModelTable {
  clients: ModelClient[] = [];
  requests: { id: string; lsn: number; timestampMs: number }[] = [];
  marks = { clients: 0, requests: 0 };

  apply(names: readonly WriteName[], lsn: number, timestampMs: number): void {
    const isOld = (one: { timestampMs: number }): boolean =>
      timestampMs - one.timestampMs >= REQUEST_WINDOW_MS;
    this.#forgetRequests(this.requests.filter(isOld));
    for (const one of names) {
      if (one.kind === 'request') {
        if (this.marks.requests === 0) this.marks.requests = lsn - 1;
        this.#forgetRequests(this.requests.filter(({ id }) => id === one.requestId));
        this.requests.push({ id: one.requestId, lsn, timestampMs });
      } else this.#client(one, lsn);
    }
    while (this.clients.length > SMALL.clientsMax)
      this.marks.clients = Math.max(this.marks.clients, this.clients.shift()?.lastLsn ?? 0);
  }

  #client(one: Extract<WriteName, { kind: 'client' }>, lsn: number): void {
    const id = one.clientId;
    const known = this.clients.find((each) => each.id === id);
    const its = known ?? { id, floor: 0, mark: this.marks.clients, lastLsn: 0, rows: [] };
    const place = placeOf(one);
    its.rows = [
      ...its.rows.filter((row) => row.place !== place),
      { place, sequence: one.sequence, lsn },
    ].sort((a, b) => a.sequence - b.sequence || (a.place < b.place ? -1 : 1));
    its.lastLsn = lsn;
    its.floor = Math.max(its.floor, one.answeredThrough);
    its.rows = its.rows.filter(({ sequence }) => sequence > its.floor);
    while (its.rows.length > SMALL.outcomesMax) {
      its.floor = its.rows[0]?.sequence ?? 0;
      its.rows = its.rows.filter(({ sequence }) => sequence > its.floor);
    }
    this.clients = [...this.clients.filter((each) => each !== its), its];
  }

  #forgetRequests(old: readonly { id: string; lsn: number }[]): void {
    for (const { lsn } of old) this.marks.requests = Math.max(this.marks.requests, lsn);
    this.requests = this.requests.filter((each) => !old.some(({ id }) => id === each.id));
  }

  get rows(): unknown[] {
    const clients = this.clients.flatMap(({ id, floor, mark, lastLsn, rows }) => [
      { clientId: id, floor, mark, lastLsn },
      ...rows.map(({ place, lsn }) => ({ place, lsn })),
    ]);
    return [...clients, ...this.requests];
  }
}

function shown(row: RequestRow): unknown {
  if (row.kind === 'client') {
    const { kind: _, ...rest } = row;
    return rest;
  }
  const { lsn } = row.outcome.position;
  if (row.kind === 'request') return { id: row.requestId, lsn, timestampMs: row.timestampMs };
  return { place: `${row.clientId} ${row.sequence} ${row.index}`, lsn };
}

describe('the table of named writes', () => {
  it('is what its rules say after every record, its digest included', () => {
    fc.assert(
      fc.property(records, (steps) => {
        const table = new RequestTable(SMALL);
        const model = new ModelTable();
        let timestampMs = 1;
        steps.forEach(({ laterMs, names }, i) => {
          timestampMs += laterMs;
          table.apply(
            names.map((one) => write(one)),
            at(i + 2),
            timestampMs,
          );
          model.apply(names, i + 2, timestampMs);
          expect(table.rows().map(shown)).toEqual(model.rows);
          expect(table.marks).toEqual(model.marks);
          expect(table.count).toBe(model.rows.length);
          expect(table.digest()).toBe(table.digestAnew());
        });
      }),
    );
  });

  it('never takes for new what was carried out, however little it keeps', () => {
    const costMax = fc.constantFrom(0, 600, 1_500, SMALL.costMax);
    fc.assert(
      fc.property(records, costMax, fc.nat(5), (steps, cost, held) => {
        const table = new RequestTable({ ...SMALL, costMax: cost });
        /** The newest LSN at which each write was carried out, however often. */
        const done = new Map<string, { name: WriteName; lsn: number }>();
        let timestampMs = 1;
        steps.forEach(({ laterMs, names }, i) => {
          const lsn = i + 2;
          timestampMs += laterMs;
          // A master carries out nothing that is known or may have been done.
          const sinceLsn = Math.max(0, lsn - 1 - held);
          const fresh = names.filter((one) => {
            const before = done.get(placeOf(one));
            const found = table.find(one, timestampMs);
            if (found !== undefined) expect(found.position.lsn).toBe(before?.lsn);
            else if (before !== undefined && sinceLsn < before.lsn)
              expect(table.mayBeForgotten(one, sinceLsn, timestampMs)).toBe(
                one.kind === 'client' || sinceLsn > 0,
              );
            return found === undefined && !table.mayBeForgotten(one, sinceLsn, timestampMs);
          });
          if (fresh.length > 0)
            table.apply(
              fresh.map((one) => write(one)),
              at(lsn),
              timestampMs,
            );
          for (const one of fresh) done.set(placeOf(one), { name: one, lsn });
        });
      }),
    );
  });

  it('knows a client that came back by what it was forgotten with', () => {
    const table = new RequestTable(SMALL);
    table.apply([write(client(1n, 1))], at(10), 1);
    for (const id of [2n, 3n, 4n]) table.apply([write(client(id, 1))], at(10 + Number(id)), 1);
    expect(table.marks.clients).toBe(10);
    // Back with its second write: its first must not count as new, although the client is known.
    expect(table.mayBeForgotten(client(1n, 2), 14, 1)).toBe(false);
    table.apply([write(client(1n, 2))], at(20), 1);
    expect(table.mayBeForgotten(client(1n, 1), 0, 1)).toBe(true);
    expect(table.mayBeForgotten(client(1n, 1), 9, 1)).toBe(true);
    expect(table.mayBeForgotten(client(1n, 3), 19, 1)).toBe(false);
    expect(table.mayBeForgotten(client(4n, 2), 0, 1)).toBe(false);
  });

  it('keeps a request id for ten minutes of record time', () => {
    const table = new RequestTable(SMALL);
    table.apply([write(request('r'))], at(7), 1_000);
    expect(table.marks.requests).toBe(6);
    expect(table.find(request('r'), 1_000 + REQUEST_WINDOW_MS - 1)?.position).toEqual(at(7));
    const over = 1_000 + REQUEST_WINDOW_MS;
    expect(table.find(request('r'), over)).toBeUndefined();
    expect(table.mayBeForgotten(request('r'), 0, over)).toBe(false);
    expect(table.mayBeForgotten(request('r'), 6, over)).toBe(true);
    expect(table.mayBeForgotten(request('r'), 7, over)).toBe(false);
    table.apply([write(request('s'))], at(9), over);
    expect(table.marks.requests).toBe(7);
    expect(table.rows().map(shown)).toEqual([{ id: 's', lsn: 9, timestampMs: over }]);
  });

  it('comes back from a snapshot as it was when that began', () => {
    fc.assert(
      fc.property(records, (steps) => {
        const store = newStore();
        steps.forEach(({ names }, i) => {
          const writes = names.map((one, j) => ({
            ...write(one, i * 7),
            results: j === 0 ? [...DONE, { applied: false, isUnmet: true, value: -5n }] : DONE,
          }));
          store.requests.apply(writes, at(i + 2), i);
        });
        const rows = store.requests.rows();
        const digest = store.stateDigest();
        const scan = store.beginSnapshot({ ...meta(99), formatLevel: 1 });
        store.requests.apply([write(request('later'))], at(100), 1_000);
        const loader = createSnapshotLoader();
        loader.push(drain(scan, 1));
        const loaded = loader.finish().store;
        expect(loaded.requests.rows()).toEqual(rows);
        expect(loaded.stateDigest()).toBe(digest);
        if (rows.length > 0) expect(digest).not.toBe(store.entriesDigest());
      }),
      { numRuns: 30 },
    );
  });

  it('comes back from a snapshot of many blocks', () => {
    const store = newStore();
    for (let i = 0; i < 4_000; i++) {
      const name = i % 2 === 0 ? request(`r-${i}`) : client(BigInt(i % 7) + 1n, i + 1);
      store.requests.apply([write(name, i)], at(i + 2), i);
    }
    const loader = createSnapshotLoader();
    loader.push(drain(store.beginSnapshot({ ...meta(5_000), formatLevel: 1 }), 1));
    const loaded = loader.finish().store;
    expect(loaded.requests.rows()).toEqual(store.requests.rows());
    expect(loaded.stateDigest()).toBe(store.stateDigest());
  });

  it('is refused by a loader that finds other rows than the header says', () => {
    const store = newStore();
    store.requests.apply([write(client(1n, 1))], at(5), 1);
    const said = summaryOf(store.requests);
    const check = (table: RequestTable, summary: typeof said) => () => checkRequests(table, summary, 7);
    expect(check(store.requests, said)).not.toThrow();
    expect(check(store.requests, undefined)).toThrow(/rows of requests: 2 with the digest .*: expected none/);
    expect(check(new RequestTable(), said)).toThrow(/rows of requests: none: expected 2 with the digest/);
    store.requests.apply([write(client(1n, 1, 0, 1))], at(6), 1);
    expect(check(store.requests, said)).toThrow(/rows of requests: 3 with .*: expected 2/);
  });

  it('makes no snapshot of memory that was altered', () => {
    const store = newStore();
    store.requests.apply([write(client(1n, 1)), write(request('r'))], at(5), 1);
    const [, row] = store.requests.rows();
    if (row?.kind === 'outcome') Object.assign(row.outcome, { checksum: 2 });
    const scan = store.beginSnapshot({ ...meta(9), formatLevel: 1 });
    expect(() => drain(scan, 1)).toThrow(/memory was altered: named writes have the digest/);
  });

  it('has rows that no cut and no unknown kind gets past', () => {
    const store = newStore();
    store.requests.apply([write(client(1n, 1)), write(request('é'))], at(5), 1);
    const [block] = encodeRequestBlocks(store.requests);
    const bytes = Buffer.from(block?.subarray(BLOCK_HEADER_BYTES) ?? []);
    expect(readRows(bytes)).toEqual(store.requests.rows());
    for (let end = 1; end < bytes.length; end++) {
      try {
        expect(readRows(bytes.subarray(0, end)).length).toBeLessThan(3);
      } catch (error) {
        expect(error).toMatchObject({ name: 'BlockError', isNewer: false });
      }
    }
    bytes[0] = 9;
    expect(() => readRows(bytes)).toThrow(expect.objectContaining({ isNewer: true }));
  });
});
