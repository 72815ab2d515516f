/**
 * The keys' API against a plain map: a master and a replica on a virtual clock, with
 * failovers and restarts among the steps. After every step each node, asked for the
 * newest write, reads what the map has; and a watcher that goes on from node to node
 * has been told changes that make the same map.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BatchOperation } from '#model/commands.ts';
import { NO_POSITION, type Position } from '#model/position.ts';
import { deleteCommand, setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { Following } from '#test/watch/following.ts';

const WRITE = { minAcks: 0, timeoutMs: 0, returnPrevious: false } as const;
const KEYS = ['a', 'b', 'ab', 'n'] as const;
const NUMBER = /^(?:0|-?[1-9]\d*)$/;

const key = fc.constantFrom(...KEYS);
const write = fc.oneof(
  fc.record({ do: fc.constant('set' as const), key, value: fc.constantFrom('1', '-7', 'text', '') }),
  fc.record({ do: fc.constant('delete' as const), key }),
);
const step = fc.oneof(
  { arbitrary: write, weight: 8 },
  {
    arbitrary: fc.record({ do: fc.constant('increment' as const), key, by: fc.integer({ min: -9, max: 9 }) }),
    weight: 3,
  },
  { arbitrary: fc.record({ do: fc.constant('touch' as const), key }), weight: 2 },
  {
    arbitrary: fc.record({
      do: fc.constant('deletePrefix' as const),
      prefix: fc.constantFrom('a', 'n', 'x'),
    }),
    weight: 1,
  },
  {
    arbitrary: fc.record({
      do: fc.constant('batch' as const),
      writes: fc.array(write, { minLength: 1, maxLength: 5 }),
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ do: fc.constantFrom('failover', 'restart', 'follow' as const) }), weight: 2 },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never;

class Run {
  readonly #group = new TestGroup();
  readonly #model = new Map<string, string>();
  readonly #told = new Map<string, string>();
  #nodes: TestNode[] = [];
  #watch: Following | undefined;
  #taken = 0;
  #newest: Position = NO_POSITION;
  /** Where the next watch begins: NO_POSITION is the beginning of the log. */
  #from: Position = NO_POSITION;

  async start(): Promise<void> {
    const changes = { retentionBytes: 1 << 24 };
    this.#nodes = [await this.#group.master(changes), await this.#group.replica('one', changes)];
    await this.#group.untilLevel(this.#nodes);
    this.#follow(0);
  }

  async run(step: Step): Promise<void> {
    await this.#do(step);
    await this.#check();
  }

  async stop(): Promise<void> {
    this.#watch?.stop();
    for (const node of this.#nodes) await this.#group.stop(node);
  }

  get #master(): TestNode {
    return this.#nodes.find(({ node }) => node.status().role === 'master') as TestNode;
  }

  async #do(step: Step): Promise<void> {
    const group = this.#group;
    const { node } = this.#master;
    switch (step.do) {
      case 'set':
      case 'delete':
        return this.#batch([step]);
      case 'batch':
        return this.#batch(step.writes);
      case 'increment': {
        const before = this.#model.get(step.key);
        const expiry = { kind: 'default' } as const;
        const adding = (async () =>
          node.increment({ ...WRITE, key: step.key, delta: BigInt(step.by), initial: 5n, expiry }))();
        if (before !== undefined && !NUMBER.test(before)) {
          await expect(group.until(adding)).rejects.toMatchObject({ code: 'failed_precondition' });
          return;
        }
        const { value, position } = await group.until(adding);
        expect(value).toBe(BigInt(before ?? 5) + BigInt(step.by));
        this.#model.set(step.key, String(value));
        this.#newest = position;
        return;
      }
      case 'touch': {
        const expiry = { kind: 'ttl', ttlMs: 3_600_000 } as const;
        const answer = await group.until(
          (async () => node.touch({ ...WRITE, key: step.key, expiry, returnValue: true }))(),
        );
        expect(answer.applied).toBe(this.#model.has(step.key));
        expect(answer.entry && Buffer.from(answer.entry.value).toString()).toBe(this.#model.get(step.key));
        this.#newest = answer.position;
        return;
      }
      case 'deletePrefix': {
        const expected = [...this.#model.keys()].filter((one) => one.startsWith(step.prefix));
        const answer = await group.until(
          node.deletePrefix({ ...WRITE, prefix: step.prefix, cursor: '', limit: 0 }),
        );
        expect([answer.deleted, answer.nextCursor]).toEqual([expected.length, '']);
        for (const one of expected) this.#model.delete(one);
        this.#newest = answer.position;
        return;
      }
      case 'failover': {
        const to = this.#nodes.find((one) => one !== this.#master) as TestNode;
        await group.untilTrue(() => to.node.status().state === 'streaming', 'linked');
        await group.until(node.failover(to.address, 0));
        await group.untilTrue(
          () => this.#master?.node.status().replicas.length === 1,
          'the old master follows',
        );
        return;
      }
      case 'restart': {
        const replica = this.#nodes.find((one) => one !== this.#master) as TestNode;
        const { name } = replica;
        const fileSystem = await group.stop(replica);
        const again = await group.start(name, 'replica', { fileSystem, retentionBytes: 1 << 24 });
        this.#nodes = this.#nodes.map((one) => (one === replica ? again : one));
        await group.untilTrue(() => again.node.status().state === 'streaming', 'linked again');
        return;
      }
      default:
        this.#follow(this.#nodes.indexOf(this.#master) === 0 ? 1 : 0);
    }
  }

  async #batch(writes: readonly Write[]): Promise<void> {
    const operations = writes.map(
      (one): BatchOperation =>
        one.do === 'set'
          ? { kind: 'set', command: setCommand(one.key, one.value) }
          : { kind: 'delete', command: deleteCommand(one.key) },
    );
    const { node } = this.#master;
    const answer = await this.#group.until(
      node.atomicBatch({ ...WRITE, operations, answerBytesMax: 1 << 20 }),
    );
    expect(answer.isCommitted).toBe(true);
    for (const one of writes) {
      if (one.do === 'set') this.#model.set(one.key, one.value);
      else this.#model.delete(one.key);
    }
    this.#newest = answer.position ?? this.#newest;
  }

  /** The watcher goes on at another node. */
  #follow(index: number): void {
    this.#watch?.stop();
    this.#from = this.#watch?.resumeAfter ?? this.#from;
    this.#watch = new Following((this.#nodes[index] as TestNode).node, { after: this.#from });
    this.#taken = 0;
  }

  async #check(): Promise<void> {
    const group = this.#group;
    for (const { node } of this.#nodes) {
      const reads = KEYS.map(async (one) => {
        const { entry } = await node.get({ key: one, waitMs: 5_000, atLeast: this.#newest });
        return [one, entry && Buffer.from(entry.value).toString()];
      });
      const found = await group.until(Promise.all(reads));
      expect(found).toEqual(KEYS.map((one) => [one, this.#model.get(one)]));
    }
    await group.clock.advance(600);
    if (this.#watch?.isOver === true) this.#follow(0);
    await group.untilTrue(
      () => (this.#watch?.position?.lsn ?? 0) >= this.#newest.lsn || this.#watch?.isOver === true,
      'told',
    );
    this.#takeTold();
    if (this.#watch?.isOver !== true) expect(this.#told).toEqual(this.#model);
  }

  #takeTold(): void {
    const events = this.#watch?.events ?? [];
    for (const { op, key: one, value } of events.slice(this.#taken)) {
      if (op === 'set') this.#told.set(one, Buffer.from(value).toString());
      else if (op === 'delete') this.#told.delete(one);
    }
    this.#taken = events.length;
  }
}

it('the API does what a map does, on a master and a replica, through failovers and restarts', async () => {
  const runs = Number(process.env['WALNUT_MODEL_RUNS'] ?? 40);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const run = new Run();
      await run.start();
      for (const one of steps) await run.run(one);
      await run.stop();
    }),
    { numRuns: runs, endOnFailure: true },
  );
}, 120_000);
