/**
 * The keys' API against a plain map: a master and a replica on a virtual clock, with
 * failovers and restarts among the steps. After every step each node, asked for the
 * newest write, reads what the map has; and a watcher that goes on from node to node
 * has been told changes that make the same map.
 *
 * Its checks are Node's own. Those of vitest keep every promise that they waited for, and
 * by its stack the whole run behind it, until their test is over: 2 MB a run.
 */
import { deepEqual, equal, fail, ok } from 'node:assert/strict';
import fc from 'fast-check';
import type { BatchOperation, IncrementAnswer, IncrementCommand } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import { NO_POSITION, type Position } from '#model/position.ts';
import { deleteCommand, setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { clientId, requestId } from '#test/engine/rig.ts';
import { Following } from '#test/watch/following.ts';

const WRITE = { minAcks: 0, timeoutMs: 0, returnPrevious: false } as const;
const KEYS = ['a', 'b', 'ab', 'n'] as const;
const LEASE_MS = 60_000;
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
  { arbitrary: fc.record({ do: fc.constantFrom('lease', 'fill' as const), key }), weight: 3 },
  {
    arbitrary: fc.record({
      do: fc.constant('named' as const),
      as: fc.constantFrom('client', 'request' as const),
      by: fc.integer({ min: -9, max: 9 }),
      condition: fc.constantFrom(undefined, 'absent', 'present' as const),
    }),
    weight: 3,
  },
  { arbitrary: fc.record({ do: fc.constant('again' as const), which: fc.nat(9) }), weight: 3 },
  { arbitrary: fc.record({ do: fc.constantFrom('failover', 'restart', 'follow' as const) }), weight: 2 },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never;

class ModelRun {
  readonly #group = new TestGroup();
  readonly #model = new Map<string, string>();
  readonly #told = new Map<string, string>();
  /** The newest lease of each key, and when it is over; one that a write or a failover ended is over at once. */
  readonly #leases = new Map<string, { token: string; endsMs: number }>();
  #nodes: TestNode[] = [];
  #watch: Following | undefined;
  #taken = 0;
  #newest: Position = NO_POSITION;
  /** What the key of named writes has. */
  #sum: bigint | undefined;
  /** Every named write, with what it came to. */
  readonly #named: { command: IncrementCommand; came: Partial<IncrementAnswer> }[] = [];
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
          await refused(group.until(adding), 'failed_precondition');
          return;
        }
        const { value, position } = await group.until(adding);
        equal(value, BigInt(before ?? 5) + BigInt(step.by));
        this.#model.set(step.key, String(value));
        this.#endLease(step.key);
        this.#newest = position;
        return;
      }
      case 'touch': {
        const expiry = { kind: 'ttl', ttlMs: 3_600_000 } as const;
        const answer = await group.until(
          (async () => node.touch({ ...WRITE, key: step.key, expiry, returnValue: true }))(),
        );
        equal(answer.applied, this.#model.has(step.key));
        equal(textOf(answer.entry), this.#model.get(step.key));
        this.#newest = answer.position;
        return;
      }
      case 'deletePrefix': {
        const expected = [...this.#model.keys()].filter((one) => one.startsWith(step.prefix));
        const answer = await group.until(
          node.deletePrefix({ ...WRITE, prefix: step.prefix, cursor: '', limit: 0 }),
        );
        deepEqual([answer.deleted, answer.nextCursor], [expected.length, '']);
        for (const one of expected) this.#model.delete(one);
        for (const one of KEYS) if (one.startsWith(step.prefix)) this.#endLease(one);
        this.#newest = answer.position;
        return;
      }
      case 'named':
        return this.#nameOne(step.as, BigInt(step.by), step.condition);
      case 'again':
        return this.#again(step.which);
      case 'lease':
        return this.#lease(step.key);
      case 'fill':
        return this.#fill(step.key);
      case 'failover':
        return this.#failover();
      case 'restart':
        return this.#restart();
      default:
        this.#follow(this.#nodes.indexOf(this.#master) === 0 ? 1 : 0);
    }
  }

  /** Adds to `sum` under a name. */
  async #nameOne(
    as: 'client' | 'request',
    delta: bigint,
    kind: 'absent' | 'present' | undefined,
  ): Promise<void> {
    const sequence = this.#named.length + 1;
    const command: IncrementCommand = {
      ...WRITE,
      key: 'sum',
      delta,
      initial: 0n,
      expiry: { kind: 'default' },
      condition: kind && { kind },
      ...(as === 'client' ? clientId(7, sequence) : requestId(`r-${sequence}`)),
    };
    const { node } = this.#master;
    const { applied, value, position } = await this.#group.until((async () => node.increment(command))());
    const before = this.#sum;
    equal(applied, kind === undefined || (kind === 'present') === (before !== undefined));
    if (applied) this.#sum = (before ?? 0n) + delta;
    equal(value, applied ? this.#sum : 0n);
    this.#named.push({ command, came: { applied, value, position } });
  }

  /** Sends one of the named writes again. */
  async #again(which: number): Promise<void> {
    const one = this.#named[which % Math.max(1, this.#named.length)];
    if (one === undefined) return;
    const { node } = this.#master;
    const answer = await this.#group.until((async () => node.increment(one.command))());
    const { applied, value, position, isRepeat } = answer;
    deepEqual({ applied, value, position, isRepeat }, { ...one.came, isRepeat: true });
  }

  async #restart(): Promise<void> {
    const group = this.#group;
    const replica = this.#nodes.find((one) => one !== this.#master) as TestNode;
    const { name } = replica;
    // What it starts from is then a snapshot.
    await group.until(replica.node.checkpoint());
    const fileSystem = await group.stop(replica);
    const again = await group.start(name, 'replica', { fileSystem, retentionBytes: 1 << 24 });
    this.#nodes = this.#nodes.map((one) => (one === replica ? again : one));
    await group.untilTrue(() => again.node.status().state === 'streaming', 'linked again');
  }

  async #failover(): Promise<void> {
    const group = this.#group;
    for (const one of KEYS) this.#endLease(one);
    const to = this.#nodes.find((one) => one !== this.#master) as TestNode;
    await group.untilTrue(() => to.node.status().state === 'streaming', 'linked');
    await group.until(this.#master.node.failover(to.address, 0));
    await group.untilTrue(() => this.#master?.node.status().replicas.length === 1, 'the old master follows');
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
    ok(answer.isCommitted, 'a batch without conditions is committed');
    for (const one of writes) {
      if (one.do === 'set') this.#model.set(one.key, one.value);
      else this.#model.delete(one.key);
      this.#endLease(one.key);
    }
    this.#newest = answer.position ?? this.#newest;
  }

  #endLease(one: string): void {
    const lease = this.#leases.get(one);
    if (lease !== undefined) lease.endsMs = 0;
  }

  #isLeased(one: string): boolean {
    return (this.#leases.get(one)?.endsMs ?? 0) > this.#group.clock.monotonicMs();
  }

  /** Asks both nodes for a lease. */
  async #lease(one: string): Promise<void> {
    const group = this.#group;
    const command = { key: one, waitMs: 0, fill: { leaseMs: LEASE_MS, refreshBeforeMs: 0 } };
    for (const { node } of this.#nodes) {
      const isGiving = node.status().role === 'master';
      const asking = (async () => node.get(command))();
      if (!isGiving && !this.#model.has(one)) {
        await refused(group.until(asking), 'not_master');
        continue;
      }
      const wasLeased = this.#isLeased(one);
      const endsMs = group.clock.monotonicMs() + LEASE_MS;
      const { entry, fill } = await group.until(asking);
      equal(textOf(entry), this.#model.get(one));
      equal(fill?.kind, this.#model.has(one) ? undefined : wasLeased ? 'wait' : 'lease');
      if (fill?.kind === 'lease') this.#leases.set(one, { token: fill.token, endsMs });
    }
  }

  /** Fills the key with the newest token that there was, which may be of an earlier master. */
  async #fill(one: string): Promise<void> {
    const token = this.#leases.get(one)?.token ?? 'none';
    const isValid = this.#isLeased(one);
    const condition = { kind: 'fill_lease', token } as const;
    const answer = await this.#group.set(this.#master, one, 'filled', { condition });
    equal(answer.applied, isValid);
    this.#newest = answer.position;
    if (!isValid) return;
    this.#model.set(one, 'filled');
    this.#endLease(one);
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
        return [one, textOf(entry)];
      });
      const found = await group.until(Promise.all(reads));
      deepEqual(
        found,
        KEYS.map((one) => [one, this.#model.get(one)]),
      );
    }
    await group.clock.advance(600);
    if (this.#watch?.isOver === true) this.#follow(0);
    await group.untilTrue(
      () => (this.#watch?.position?.lsn ?? 0) >= this.#newest.lsn || this.#watch?.isOver === true,
      'told',
    );
    this.#takeTold();
    if (this.#watch?.isOver !== true) deepEqual(this.#told, this.#model);
  }

  #takeTold(): void {
    const events = this.#watch?.events ?? [];
    for (const { op, key: one, value } of events.slice(this.#taken)) {
      if (one === 'sum') continue;
      if (op === 'set') this.#told.set(one, Buffer.from(value).toString());
      else if (op === 'delete') this.#told.delete(one);
    }
    this.#taken = events.length;
  }
}

function textOf(entry: Entry | undefined): string | undefined {
  return entry && Buffer.from(entry.value).toString();
}

async function refused(asking: Promise<unknown>, code: WalnutError['code']): Promise<void> {
  const outcome = await asking.catch((error: unknown) => error);
  if (!(outcome instanceof WalnutError)) fail(`expected a refusal, ${code}`);
  equal(outcome.code, code);
}

/**
 * Carries out `runs` sequences of 5 to 25 operations, which `seed` decides. Returns how many
 * operations that were; throws with the shortest sequence that fails in the same way.
 */
export async function checkApi(seed: number, runs: number): Promise<number> {
  let operations = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const run = new ModelRun();
      await run.start();
      for (const one of steps) await run.run(one);
      await run.stop();
      operations += steps.length;
    }),
    { seed, numRuns: runs },
  );
  return operations;
}
