/**
 * One simulation: a master's disk lives through several processes, each with a
 * seeded workload and a seeded end: a power cut at a chosen call or between two,
 * a SIGKILL, a failing or full disk, an orderly stop. After each end the next
 * process must find the fold of an exact prefix of the records, with everything
 * that was promised in it. Everything follows from the seed.
 */
import type { DeleteCommand, Expiry, SetCommand } from '#model/commands.ts';
import type { Lsn } from '#model/position.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { describeEntry, fail, isSameEntry, ReferenceModel } from './reference-model.ts';
import {
  CONTROL_RECORDS_MAX,
  type Promised,
  SimulatedMaster,
  type SimulatedSettings,
} from './simulated-master.ts';

/** How a life goes wrong. */
export const FAULTS = [
  'power cut at a call',
  'power cut between calls',
  'kill',
  'orderly stop',
  'failed fdatasync',
  'failed call',
  'full disk',
  'full disk, then power cut at a call',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface SimulationCounts {
  lives: number;
  powerCuts: number;
  /** How many power cuts and failures happened during a recovery. */
  inRecovery: number;
  records: number;
  acked: number;
  refused: number;
  failed: number;
  /** Records whose fate was open at a crash: kept or lost, both as promised. */
  unknownKept: number;
  unknownLost: number;
  shortWrites: number;
  faults: Record<Fault, number>;
}

export function createCounts(): SimulationCounts {
  const faults = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  return {
    lives: 0,
    powerCuts: 0,
    inRecovery: 0,
    records: 0,
    acked: 0,
    refused: 0,
    failed: 0,
    unknownKept: 0,
    unknownLost: 0,
    shortWrites: 0,
    faults,
  };
}

const LIVES_PER_SIMULATION = 6;
const KEYS = 24;
const FULL_DISK_RELIEF_MS = 2_500;

/** Throws `ModelViolation`, or whatever else went wrong, with the life it went wrong in. */
export async function simulate(seed: number, counts: SimulationCounts): Promise<void> {
  const random = new SeededRandom(seed);
  const simulation = new Simulation(random, counts);
  for (let life = 1; life <= LIVES_PER_SIMULATION; life++) {
    const fault = random.pick(FAULTS);
    try {
      await simulation.live(fault);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`seed ${seed}, life ${life} (${fault}, ${simulation.describe()}): ${why}`, {
        cause: error,
      });
    }
  }
}

/**
 * Runs the same first life over and over, the power going at its first, second,
 * third … mutating call until it no longer falls into that life. Returns how many.
 */
export async function simulateEveryCall(seed: number, counts: SimulationCounts): Promise<number> {
  for (let call = 1; ; call++) {
    const simulation = new Simulation(new SeededRandom(seed), counts);
    const wasCut = await simulation.live('power cut at a call', call).catch((error: unknown) => {
      throw new Error(`seed ${seed}, call ${call}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    });
    await simulation.live('orderly stop');
    if (!wasCut) return call - 1;
  }
}

class Simulation {
  readonly #random: SeededRandom;
  readonly #counts: SimulationCounts;
  readonly #model = new ReferenceModel();
  readonly #promised: Promised = { ackedLsn: 0, durableLsn: 0 };
  readonly #settings: SimulatedSettings;
  readonly #pageBytes: number;
  #disk: MemoryFileSystem;
  /** The least LSN that the next recovery must reach. */
  #neededLsn = 0;
  /** A start was interrupted: it may have logged records that the model has not seen. */
  #mayHaveControlRecords = true;
  #mustBeClean = false;

  constructor(random: SeededRandom, counts: SimulationCounts) {
    this.#random = random;
    this.#counts = counts;
    this.#settings = {
      fsync: random.pick(['always', 'always', 'interval', 'never']),
      maxFileBytes: random.pick([700, 2_000, 6_000]),
      retentionBytes: random.pick([0, 0, 4_000]),
      snapshotEveryBytes: random.pick([3_000, 10_000, 1 << 30]),
    };
    this.#pageBytes = random.pick([16, 64, 512, 4_096]);
    this.#disk = new MemoryFileSystem({ seed: random.uint32(), pageBytes: this.#pageBytes });
  }

  describe(): string {
    const { fsync, maxFileBytes, retentionBytes } = this.#settings;
    return `fsync ${fsync}, segments of ${maxFileBytes}, retention ${retentionBytes}, pages of ${this.#pageBytes}`;
  }

  /** One process, from recovery to its end. Returns whether the power went at the call that was chosen. */
  async live(fault: Fault, atCall?: number): Promise<boolean> {
    const disk = this.#disk;
    const counts = this.#counts;
    const master = new SimulatedMaster(
      disk,
      this.#settings,
      this.#model,
      this.#promised,
      this.#random.fork(),
    );
    counts.lives++;
    counts.faults[fault]++;
    this.#arm(disk, fault, atCall);
    try {
      await master.recover();
      this.#checkRecovered(master);
      if (await master.serve()) await this.#work(master, fault);
      else if (!fault.startsWith('full disk')) fail('the disk was not full');
      if (fault === 'orderly stop') await master.stop();
    } catch (error) {
      if (!this.#isExpected(error, master)) throw error;
      counts.inRecovery++;
    }
    this.#mayHaveControlRecords = true;
    const { acked, refused, failed } = master.counts;
    counts.acked += acked;
    counts.refused += refused;
    counts.failed += failed;
    const wasCut = disk.isCrashed;
    this.#end(master, fault, wasCut);
    return wasCut;
  }

  /** Sets up what is to go wrong; some of it goes wrong during recovery already. */
  #arm(disk: MemoryFileSystem, fault: Fault, atCall: number | undefined): void {
    const random = this.#random;
    disk.hasShortWrites = random.chance(0.3);
    if (disk.hasShortWrites) this.#counts.shortWrites++;
    const call = atCall ?? random.between(1, 120);
    if (fault.endsWith('at a call')) disk.crashAtCall = disk.callCount + call;
    if (fault === 'failed fdatasync')
      disk.fail({ call: 'datasync', code: 'EIO', skip: random.below(40), times: 1 });
    if (fault === 'failed call') {
      const failing = random.pick([
        'write',
        'rename',
        'syncDirectory',
        'remove',
        'create',
        'sync',
        'truncate',
      ] as const);
      disk.fail({ call: failing, code: 'EIO', skip: random.below(failing === 'write' ? 40 : 8), times: 1 });
    }
    if (fault.startsWith('full disk')) disk.bytesMax = disk.usedBytes + random.below(6_000);
  }

  async #work(master: SimulatedMaster, fault: Fault): Promise<void> {
    const random = this.#random;
    const bursts = random.between(3, 14);
    const relief = fault.startsWith('full disk') ? random.below(bursts) : -1;
    for (let i = 0; i < bursts && !this.#disk.isCrashed; i++) {
      if (i === relief) await this.#relieve(master);
      if (this.#disk.isCrashed) return;
      this.#burst(master);
      await master.pass(random.pick([0, 0, 1, 7, 60, 160]));
      if (this.#disk.isCrashed) return;
      master.checkReads([0, 1, 2].map(() => this.#key()));
      if (random.chance(0.15)) master.rotate();
      if (random.chance(0.12)) master.checkpoint();
      if (random.chance(0.15) && master.inFlight === 0) {
        master.expire();
        await master.pass(1);
      }
    }
    if (fault === 'power cut between calls' || fault === 'kill') {
      // The end falls between the calls of a batch under way.
      this.#burst(master);
      for (let turns = random.below(6); turns > 0; turns--) await Promise.resolve();
    }
  }

  /** There is room again: writes must be taken by themselves. */
  async #relieve(master: SimulatedMaster): Promise<void> {
    this.#disk.bytesMax = Number.POSITIVE_INFINITY;
    await master.pass(FULL_DISK_RELIEF_MS);
    if (this.#disk.isCrashed || master.hasFailed) return;
    const before = master.counts.acked;
    master.set(this.#setCommand());
    await master.pass(100);
    const isTaken = master.counts.acked > before || this.#disk.isCrashed || master.hasFailed;
    if (!isTaken) fail('there is room again, and a write is not acknowledged');
  }

  #burst(master: SimulatedMaster): void {
    const random = this.#random;
    for (let i = random.between(1, 6); i > 0; i--) {
      const kind = random.below(10);
      if (kind < 6) master.set(this.#setCommand());
      else if (kind < 8) master.delete(this.#deleteCommand());
      else {
        master.batch(
          Array.from({ length: random.between(1, 4) }, () =>
            random.chance(0.7)
              ? { kind: 'set', command: this.#setCommand() }
              : { kind: 'delete', command: this.#deleteCommand() },
          ),
        );
      }
    }
  }

  #checkRecovered(master: SimulatedMaster): void {
    const { engine } = master;
    const model = this.#model;
    const { lsn } = engine.applied;
    const highest = model.tailLsn + (this.#mayHaveControlRecords ? CONTROL_RECORDS_MAX : 0);
    if (lsn < this.#neededLsn) fail(`LSN ${this.#neededLsn} was promised, recovery ends at ${lsn}`);
    if (lsn > highest) fail(`recovery ends at LSN ${lsn}, beyond ${highest}`);
    if (this.#mustBeClean && !master.wasClean) fail('an orderly stop is not found clean');
    while (model.tailLsn < lsn) model.control(engine.epochAt((model.tailLsn + 1) as Lsn));
    this.#counts.unknownKept += Math.max(0, lsn - this.#neededLsn);
    this.#counts.unknownLost += model.tailLsn - lsn;
    model.cutTo(lsn);
    const state = model.stateAt(lsn);
    if (engine.store.entries !== state.size)
      fail(`${engine.store.entries} entries at LSN ${lsn}, not ${state.size}`);
    for (const [key, expected] of state) {
      const actual = engine.store.peek(key);
      if (isSameEntry(actual, expected)) continue;
      fail(`at LSN ${lsn} ${key} is ${describeEntry(actual)}, not ${describeEntry(expected)}`);
    }
    const lastMs = model.records.findLast(({ nowMs }) => nowMs > 0)?.nowMs ?? 0;
    if (engine.logClock.nowMs() < lastMs)
      fail(`the log clock went back by ${lastMs - engine.logClock.nowMs()} ms`);
  }

  /** What a start or a stop may throw: only what comes of the fault that was set up. */
  #isExpected(error: unknown, master: SimulatedMaster): boolean {
    if (this.#disk.isCrashed) return !(error instanceof Error && error.name === 'ModelViolation');
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      if (/injected or simulated/.test(cause.message)) return true;
    }
    return master.hasFailed;
  }

  #end(master: SimulatedMaster, fault: Fault, wasCut: boolean): void {
    const random = this.#random;
    const isOrderly = fault === 'orderly stop';
    if (!wasCut && master.isOpen) master.notePromises();
    master.bury();
    const survivesKill =
      !wasCut &&
      (fault === 'kill' || isOrderly || (fault !== 'power cut between calls' && random.chance(0.5)));
    this.#neededLsn = survivesKill ? this.#promised.ackedLsn : this.#promised.durableLsn;
    if (isOrderly) this.#neededLsn = this.#model.tailLsn;
    this.#mustBeClean = isOrderly;
    this.#counts.records = Math.max(this.#counts.records, this.#model.tailLsn);
    if (survivesKill) this.#disk = this.#disk.kill();
    else {
      this.#counts.powerCuts++;
      this.#disk = this.#disk.crash(random.uint32());
    }
    this.#promised.ackedLsn = this.#neededLsn;
    this.#promised.durableLsn = Math.min(this.#promised.durableLsn, this.#neededLsn);
  }

  #key(): string {
    return `key ${this.#random.below(KEYS)}`;
  }

  #setCommand(): SetCommand {
    const random = this.#random;
    const key = this.#key();
    const value = `${random.uint32()}:`.padEnd(random.pick([0, 20, 60, 300]), 'x');
    return {
      key,
      value: Buffer.from(value),
      expiry: this.#expiry(),
      condition: this.#condition(key),
      returnPrevious: random.chance(0.3),
      ...this.#writeOptions(),
    };
  }

  #deleteCommand(): DeleteCommand {
    const key = this.#key();
    const condition = this.#condition(key);
    const command = { key, returnPrevious: this.#random.chance(0.3), ...this.#writeOptions() };
    return condition?.kind === 'version' ? { ...command, condition } : command;
  }

  #writeOptions() {
    return {
      minAcks: 0,
      timeoutMs: 0,
      durability: this.#random.chance(0.2) ? ('local' as const) : undefined,
    };
  }

  #expiry(): Expiry {
    switch (this.#random.below(6)) {
      case 0:
        return { kind: 'ttl', ttlMs: this.#random.between(1, 300) };
      case 1:
        return { kind: 'at', expireAtMs: 1_767_225_600_000 + this.#random.below(10_000_000) };
      case 2:
        return { kind: 'keep' };
      default:
        return { kind: 'default' };
    }
  }

  #condition(key: string): SetCommand['condition'] {
    const known = this.#model.newest(key);
    switch (this.#random.below(8)) {
      case 0:
        return { kind: 'absent' };
      case 1:
        return { kind: 'present' };
      case 2:
        return { kind: 'version', version: { epoch: known?.epoch ?? 1, lsn: (known?.lsn ?? 1) as Lsn } };
      default:
        return undefined;
    }
  }
}
