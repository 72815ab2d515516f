/** What a near cache gives out, compared with the log that it is about. */
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GetResponse, GetResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { type NearRead, NearState } from '../../client/near-state.ts';

const STALENESS_MS = 1_000;
const at = (lsn: number, term = 1): Position =>
  create(PositionSchema, { epoch: (BigInt(term) << 32n) + 5n, lsn: BigInt(lsn) });
const answerOf = (value: number | undefined, asOf: Position, stalenessMs = 0): GetResponse =>
  create(GetResponseSchema, {
    found: value !== undefined,
    value: value === undefined ? new Uint8Array() : Buffer.from(String(value)),
    asOf,
    stalenessMs: BigInt(stalenessMs),
  });
const open = (bytesMax = 1_000_000): NearState => new NearState({ bytesMax, stalenessMsMax: STALENESS_MS });
const change = (key: string, version: Position) => [{ key, version }];

/** A cache whose mark is at 10 and that has `k` as of 10, at moment 0. */
function filled(): NearState {
  const near = open();
  near.onChanges([], at(10));
  near.end(near.begin('k', 0), answerOf(1, at(10)));
  return near;
}
const shown = (answer: GetResponse | undefined): string | undefined =>
  answer && Buffer.from(answer.value).toString();

describe('an entry', () => {
  it('is given out while the mark is fresh, and no longer', () => {
    const near = filled();
    expect([shown(near.find('k', undefined, 1_000, 0)), near.find('k', undefined, 1_001, 0)]).toEqual([
      '1',
      undefined,
    ]);
    near.end(near.begin('other', 1_500), answerOf(undefined, at(12), 200));
    expect(near.find('k', undefined, 1_500, 0)).toBeUndefined();
    near.onChanges([], at(12));
    expect(near.find('k', undefined, 2_300, 0)).toMatchObject({ found: true, stalenessMs: 1_000n });
    expect(near.find('k', undefined, 2_301, 0)).toBeUndefined();
  });

  it('goes with a change after its state, and stays with one before', () => {
    const near = filled();
    near.onChanges(change('k', at(10)), at(10));
    expect(shown(near.find('k', undefined, 1, 0))).toBe('1');
    near.onChanges(change('k', at(11)), at(11));
    expect(near.find('k', undefined, 1, 0)).toBeUndefined();
    expect(near.stats).toMatchObject({ hits: 1, misses: 1, invalidations: 1, entries: 0 });
  });

  it('is not put in if it was changed while it was read, or read from a state behind the mark', () => {
    const near = open();
    near.onChanges([], at(10));
    const racing = near.begin('k', 0);
    near.onChanges(change('k', at(12)), at(12));
    near.end(racing, answerOf(1, at(11)));
    near.end(near.begin('k', 0), answerOf(1, at(11)));
    expect(near.stats.entries).toBe(0);
    const ahead = near.begin('k', 0);
    near.onChanges(change('k', at(13)), at(13));
    near.end(ahead, answerOf(2, at(13)));
    expect(shown(near.find('k', undefined, 0, 0))).toBe('2');
    near.end(near.begin('k', 0), undefined);
  });

  it('is not put in if the watch began anew while it was read, since changes between are not told', () => {
    const near = open();
    near.onChanges([], at(10));
    const read = near.begin('k', 0);
    near.reset();
    near.onChanges([], at(20));
    near.end(read, answerOf(1, at(12)));
    expect(near.find('k', undefined, 0, 0)).toBeUndefined();
  });

  it('is given to a session whose writes its state or the mark includes', () => {
    const near = filled();
    expect(shown(near.find('k', at(10), 1, 0))).toBe('1');
    expect(near.find('k', at(11), 1, 0)).toBeUndefined();
    near.onChanges([], at(11));
    expect(shown(near.find('k', at(11), 1, 0))).toBe('1');
  });

  it('that was read ahead of the mark goes with the epoch', () => {
    const near = filled();
    near.end(near.begin('lost', 0), answerOf(1, at(12)));
    near.onChanges([], at(11, 2));
    near.end(near.begin('k2', 0), answerOf(1, at(11, 2)));
    expect(['k', 'lost', 'k2'].map((key) => shown(near.find(key, undefined, 1, 0)))).toEqual([
      '1',
      undefined,
      '1',
    ]);
  });

  it('that was read ahead of the mark is as fresh as its own answer', () => {
    const near = filled();
    near.end(near.begin('ahead', 100), answerOf(1, at(12)));
    near.end(near.begin('other', 900), answerOf(undefined, at(10)));
    expect(shown(near.find('k', undefined, 1_900, 0))).toBe('1');
    expect(shown(near.find('ahead', undefined, 1_100, 0))).toBe('1');
    expect(near.find('ahead', undefined, 1_101, 0)).toBeUndefined();
    near.onChanges([], at(12));
    expect(shown(near.find('ahead', undefined, 1_101, 0))).toBe('1');
  });

  it('that has expired is not given out', () => {
    const near = open();
    near.onChanges([], at(10));
    near.end(near.begin('k', 0), { ...answerOf(1, at(10)), expireAtMs: 5_000n });
    expect([near.find('k', undefined, 0, 4_999)?.found, near.find('k', undefined, 0, 5_000)]).toEqual([
      true,
      undefined,
    ]);
  });
});

it('uses so many bytes and no more', () => {
  const near = open(10_000);
  near.onChanges([], at(1));
  for (let i = 0; i < 100; i++)
    near.end(near.begin(`k${i}`, 0), { ...answerOf(1, at(1)), value: new Uint8Array(500) });
  near.end(near.begin('huge', 0), { ...answerOf(1, at(1)), value: new Uint8Array(20_000) });
  expect(near.stats.bytes).toBeLessThanOrEqual(10_000);
  expect(near.stats.entries).toBeGreaterThan(5);
  expect([near.find('k99', undefined, 0, 0)?.found, near.find('huge', undefined, 0, 0)]).toEqual([
    true,
    undefined,
  ]);
});

interface Made {
  readonly lsn: number;
  readonly term: number;
  readonly key: string;
  readonly value: number | undefined;
  readonly madeMs: number;
  lostMs: number | undefined;
  /** It is in histories of lower terms only. */
  lostTerm: number;
}
interface Reading {
  readonly read: NearRead;
  readonly answer: GetResponse | undefined;
}

/** A log, a watch of it, and reads of nodes that may be behind; failovers lose its end. */
class Model {
  readonly near = open();
  readonly #log: Made[] = [];
  #lsn = 0;
  #term = 1;
  #nowMs = 0;
  #told = 0;
  #toldTerm = 1;
  #reading: Reading[] = [];
  #values = 0;
  served = 0;

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  write(key: string, isDelete: boolean): void {
    const value = isDelete ? undefined : ++this.#values;
    this.#lsn++;
    this.#log.push({
      lsn: this.#lsn,
      term: this.#term,
      key,
      value,
      madeMs: this.#nowMs,
      lostMs: undefined,
      lostTerm: Number.MAX_VALUE,
    });
  }

  /** The watch tells what it has not told, up to so many records before the end. */
  tell(behind: number): void {
    const mark = Math.max(this.#told, this.#lsn - behind);
    const changes = this.#live()
      .filter(({ lsn }) => lsn > this.#told && lsn <= mark)
      .map(({ key, lsn, term }) => ({ key, version: at(lsn, term) }));
    this.#told = mark;
    this.#toldTerm = this.#termAt(mark);
    this.near.onChanges(changes, at(mark, this.#toldTerm));
  }

  /** A node that has not the last `behind` records answers; the answer comes later. */
  read(key: string, behind: number): void {
    const read = this.near.begin(key, this.#nowMs);
    const lsn = Math.max(0, this.#lsn - behind);
    const next = this.#live().find((made) => made.lsn > lsn);
    const stalenessMs = next === undefined ? 0 : this.#nowMs - next.madeMs;
    const asOf = at(lsn, this.#termAt(lsn));
    this.#reading.push({ read, answer: answerOf(this.#stateAt(key, lsn)?.value, asOf, stalenessMs) });
  }

  answer(which: number): void {
    const [one] = this.#reading.splice(which % Math.max(1, this.#reading.length), 1);
    if (one !== undefined) this.near.end(one.read, one.answer);
  }

  /** The next master does not have the last `lost` records. */
  failOver(lost: number): void {
    const end = Math.max(0, this.#lsn - lost);
    this.#term++;
    for (const made of this.#live().filter(({ lsn }) => lsn > end)) {
      made.lostMs = this.#nowMs;
      made.lostTerm = this.#term;
    }
    this.#lsn = end;
    this.write('', false);
    // A watch that was told what is lost cannot go on.
    if (this.#told <= end) return;
    this.near.reset();
    this.#told = this.#lsn;
    this.near.onChanges([], at(this.#told, this.#term));
  }

  look(key: string): void {
    const answer = this.near.find(key, undefined, this.#nowMs, 0);
    if (answer === undefined) return;
    this.served++;
    const sinceMs = this.#nowMs - STALENESS_MS;
    const value = answer.found ? Number(shown(answer)) : undefined;
    const made = answer.found ? this.#log.find((one) => one.value === value) : undefined;
    if (made?.lostMs !== undefined) {
      expect(made.lostMs).toBeGreaterThanOrEqual(sinceMs);
      return;
    }
    const lsn = made?.lsn ?? this.#keptOf(answer.asOf as Position);
    const missed = this.#live().filter((one) => one.key === key && one.lsn > lsn && one.madeMs < sinceMs);
    expect(missed).toEqual([]);
  }

  #live(): Made[] {
    return this.#log.filter(({ lostMs }) => lostMs === undefined);
  }

  /** The last record of the state at a position that no failover has lost. */
  #keptOf({ epoch, lsn }: Position): number {
    const term = Number(epoch >> 32n);
    const lost = this.#log.filter(
      (made) => made.lsn <= Number(lsn) && term < made.lostTerm && made.lostMs !== undefined,
    );
    return Math.min(Number(lsn), ...lost.map((made) => made.lsn - 1));
  }

  #stateAt(key: string, lsn: number): Made | undefined {
    return this.#live().findLast((one) => one.key === key && one.lsn <= lsn);
  }

  #termAt(lsn: number): number {
    return this.#live().findLast((one) => one.lsn <= lsn)?.term ?? 1;
  }
}

it('gives nothing out that is older than allowed, whatever order things come in', () => {
  const key = fc.constantFrom('a', 'b');
  const few = fc.integer({ min: 0, max: 3 });
  const step = fc.oneof(
    { weight: 2, arbitrary: fc.tuple(fc.constant('write'), key, few) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('read'), key, few) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('answer'), key, few) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('tell'), key, few) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('pass'), key, few) },
    { weight: 6, arbitrary: fc.tuple(fc.constant('look'), key, few) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('fail over'), key, few) },
  );
  let served = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 120 }), (steps) => {
      const model = new Model();
      model.near.onChanges([], at(0));
      for (const [what, name, number] of steps) {
        if (what === 'write') model.write(name, number === 0);
        else if (what === 'read') model.read(name, number);
        else if (what === 'answer') model.answer(number);
        else if (what === 'tell') model.tell(number);
        else if (what === 'pass') model.pass(number * 250);
        else if (what === 'fail over') model.failOver(number);
        else model.look(name);
      }
      served += model.served;
    }),
    { numRuns: Number(process.env['WALNUT_FUZZ_NEAR'] ?? 500) },
  );
  expect(served).toBeGreaterThan(200);
});
