/**
 * Fill leases against a plain model: lists, and rules applied one after the other. Every
 * duration is a multiple of `UNIT_MS`, so that the model can go from unit to unit.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { FillWish, GetAnswer } from '#model/commands.ts';
import { deleteOf, incrementOf, Rig, setOf, ttl, watch } from '#test/engine/rig.ts';

const UNIT_MS = 100;

const units = (max: number) => fc.integer({ min: 0, max });
const key = fc.constantFrom('a', 'b', 'ab');
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('get' as const),
      key,
      wait: units(8),
      lease: fc.integer({ min: 1, max: 5 }),
      refresh: units(3),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fill' as const), key, token: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('set' as const), key, ttl: units(4) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('delete', 'increment', 'prefix' as const), key }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('pass' as const), units: fc.integer({ min: 1, max: 4 }) }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Ask = Extract<Step, { do: 'get' }>;

interface Waiting {
  readonly id: number;
  readonly ask: Ask;
  readonly until: number;
}

/** Answers are text. A lease is known by the caller that got it. */
class Model {
  now = 0;
  readonly answers = new Map<number, string>();
  readonly leased: number[] = [];
  readonly #entries = new Map<string, { value: string; until: number }>();
  readonly #leases = new Map<string, { owner: number; until: number }>();
  #waiting: Waiting[] = [];

  ask(id: number, ask: Ask): void {
    this.#look({ id, ask, until: this.now + ask.wait });
  }

  fill(of: string, owner: number): boolean {
    const isValid = this.#leases.get(of)?.owner === owner;
    if (isValid) this.write(of, { value: 'filled', until: Infinity });
    return isValid;
  }

  write(of: string, entry?: { value: string; until: number }): void {
    if (entry === undefined) this.#entries.delete(of);
    else this.#entries.set(of, entry);
    if (this.#leases.delete(of)) this.#lookAgain(of);
  }

  live(of: string): { value: string; until: number } | undefined {
    const entry = this.#entries.get(of);
    return entry !== undefined && this.now < entry.until ? entry : undefined;
  }

  deletePrefix(prefix: string): void {
    for (const key of ['a', 'b', 'ab']) if (key.startsWith(prefix)) this.write(key);
  }

  pass(): void {
    this.now++;
    for (const [of, { until }] of [...this.#leases]) {
      if (until > this.now) continue;
      this.#leases.delete(of);
      this.#lookAgain(of);
    }
    const over = this.#waiting.filter(({ until }) => until <= this.now);
    this.#waiting = this.#waiting.filter(({ until }) => until > this.now);
    for (const one of over) this.#look(one);
  }

  #lookAgain(of: string): void {
    const again = this.#waiting.filter(({ ask }) => ask.key === of);
    this.#waiting = this.#waiting.filter(({ ask }) => ask.key !== of);
    for (const one of again) this.#look(one);
  }

  #look(one: Waiting): void {
    const { id, ask, until } = one;
    const live = this.live(ask.key);
    const isDue = live !== undefined && live.until !== Infinity && live.until - this.now <= ask.refresh;
    const lease = this.#leases.get(ask.key);
    if (live !== undefined && (!isDue || lease !== undefined)) this.answers.set(id, live.value);
    else if (lease === undefined) {
      this.#leases.set(ask.key, { owner: id, until: this.now + ask.lease });
      this.leased.push(id);
      this.answers.set(id, `${live?.value ?? ''} lease for ${ask.lease}`);
    } else if (until > this.now) this.#waiting.push(one);
    else this.answers.set(id, ` wait ${lease.until - this.now}`);
  }
}

class Run {
  readonly #model = new Model();
  readonly #rig: Rig;
  readonly #asked: ReturnType<typeof watch<GetAnswer>>[] = [];
  /** The token of each caller that got a lease. */
  readonly #tokens = new Map<number, string>();

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  async run(step: Step): Promise<void> {
    await this.#do(step);
    await this.#rig.settle();
    const answers = this.#asked.map(({ value }, id) => value && this.#shown(value, id));
    expect(answers).toEqual(this.#asked.map((_, id) => this.#model.answers.get(id)));
    expect(new Set(this.#tokens.values()).size).toBe(this.#tokens.size);
    expect(this.#asked.filter(({ error }) => error !== undefined)).toEqual([]);
  }

  async #do(step: Step): Promise<void> {
    const { master, clock } = this.#rig;
    const model = this.#model;
    switch (step.do) {
      case 'get': {
        const wish: FillWish = { leaseMs: step.lease * UNIT_MS, refreshBeforeMs: step.refresh * UNIT_MS };
        model.ask(this.#asked.length, step);
        const answer = master.fill({ key: step.key, waitMs: step.wait * UNIT_MS }, wish, () => undefined);
        this.#asked.push(watch(answer));
        return;
      }
      case 'fill': {
        const owner = model.leased[step.token % (model.leased.length + 1)] ?? -1;
        const condition = { kind: 'fill_lease', token: this.#tokens.get(owner) ?? 'unknown' } as const;
        const { applied } = await master.set(setOf(step.key, 'filled', { condition }));
        expect(applied).toBe(model.fill(step.key, owner));
        return;
      }
      case 'set':
        await master.set(setOf(step.key, 'set', step.ttl === 0 ? {} : { expiry: ttl(step.ttl * UNIT_MS) }));
        return model.write(step.key, {
          value: 'set',
          until: step.ttl === 0 ? Infinity : model.now + step.ttl,
        });
      case 'delete':
        await master.delete(deleteOf(step.key));
        return model.write(step.key);
      case 'increment':
        if (model.live(step.key) !== undefined) return;
        await master.increment(incrementOf(step.key));
        return model.write(step.key, { value: '1', until: Infinity });
      case 'prefix':
        await master.deletePrefix(
          { prefix: step.key, cursor: '', limit: 0, minAcks: 0, timeoutMs: 0 },
          () => true,
        );
        return model.deletePrefix(step.key);
      case 'pass':
        for (let i = 0; i < step.units; i++) {
          await clock.advance(UNIT_MS);
          model.pass();
        }
    }
  }

  #shown({ entry, fill }: GetAnswer, id: number): string {
    const value = entry === undefined ? '' : Buffer.from(entry.value).toString();
    if (fill === undefined) return value;
    if (fill.kind === 'wait') return `${value} wait ${fill.waitMs / UNIT_MS}`;
    this.#tokens.set(id, fill.token);
    return `${value} lease for ${fill.expiresInMs / UNIT_MS}`;
  }
}

it('fill leases do what the plain model says', async () => {
  const runs = Number(process.env['WALNUT_FILL_RUNS'] ?? 25);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const rig = await Rig.open({ fsync: 'never' });
      const run = new Run(rig);
      for (const one of steps) await run.run(one);
      await rig.close();
    }),
    { numRuns: runs, endOnFailure: true },
  );
}, 120_000);
