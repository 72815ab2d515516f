/**
 * Clients of a group that write at QUORUM, read linearizably, and compare and set, each
 * going on with another node where one does not answer as wished. What they asked and were
 * answered is kept, for the checkers of histories.
 */
import { termOf } from '#model/position.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';
import type { Act, Operation, Value } from './linearizable.ts';
import { type Answer, type NodeProcess, pause } from './node-process.ts';
import type { AckedWrite } from './two-masters.ts';
import { versionOf } from './version-of.ts';

const CLIENTS = 4;
const REGISTERS = 6;
/** How long the server may wait for QUORUM, and the client for the server. */
const WAIT_MS = 600;
/** An attempt at a node that stands still must not keep a client from trying another one. */
const ATTEMPT_MS = 800;
const PAUSE_MS = 8;
const QUORUM = 'DURABILITY_QUORUM';

export interface HistoryLoadOptions {
  /** Looked up for each call: a node may be another process meanwhile. */
  readonly nodes: () => readonly NodeProcess[];
  readonly random: SeededRandom;
  /** Begins the keys and values of this load. */
  readonly name: string;
}

export class HistoryLoad {
  readonly operations: Operation[] = [];
  readonly acked: AckedWrite[] = [];
  /** Keys that were written once and acknowledged at QUORUM. */
  readonly kept: string[] = [];
  readonly #options: HistoryLoadOptions;
  readonly #clients: Promise<void>[];
  #values = 0;
  #isOver = false;

  constructor(options: HistoryLoadOptions) {
    this.#options = options;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#run(options.random.fork()));
  }

  /** Resolves when every client has its last answer, or gave it up. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  /** Reads every register, which ends the history. False where the node does not answer all. */
  async readAll(node: NodeProcess): Promise<boolean> {
    const keys = Array.from({ length: REGISTERS }, (_, register) => this.#key(register));
    const found = await Promise.all(keys.map((key) => this.#read(node, key)));
    return !found.includes(undefined);
  }

  async #run(random: SeededRandom): Promise<void> {
    let at = random.below(this.#options.nodes().length);
    while (!this.#isOver) {
      const nodes = this.#options.nodes();
      const node = nodes[at % nodes.length] as NodeProcess;
      if (!(await this.#act(node, random))) at += 1;
      await pause(PAUSE_MS);
    }
  }

  /** False where the node did not answer as wished. */
  async #act(node: NodeProcess, random: SeededRandom): Promise<boolean> {
    const key = this.#key(random.below(REGISTERS));
    const what = random.fraction();
    if (what < 0.35) return (await this.#read(node, key)) !== undefined;
    if (what < 0.6) return this.#set(node, key, { kind: 'write', value: this.#value() }, {});
    if (what < 0.8) return this.#keep(node);
    const found = await this.#read(node, key);
    if (found === undefined) return false;
    const condition = found.value === undefined ? { ifAbsent: true } : { ifVersion: found.version };
    return this.#set(node, key, { kind: 'swap', from: found.value, value: this.#value() }, condition);
  }

  /** A linearizable read; undefined where it was not answered. */
  async #read(node: NodeProcess, key: string): Promise<Found | undefined> {
    const startMs = performance.now();
    const answer = await this.#call(node, 'Get', { key, linearizable: true, waitMs: WAIT_MS });
    if (answer?.status !== 200) return undefined;
    const found = foundIn(answer.body.found === true ? answer.body : undefined);
    this.#note({ key, act: { kind: 'read', value: found.value }, startMs, version: found.version });
    return found;
  }

  async #set(
    node: NodeProcess,
    key: string,
    act: Act & { kind: 'write' | 'swap' },
    condition: object,
  ): Promise<boolean> {
    const startMs = performance.now();
    const value = Buffer.from(act.value).toString('base64');
    const request = { key, value, durability: QUORUM, timeoutMs: WAIT_MS, ...condition };
    const answer = await this.#call(node, 'Set', request);
    if (answer !== undefined && isNothingDone(answer)) return false;
    if (answer?.status !== 200 || answer.body.durabilityReached !== QUORUM) {
      // An answer below QUORUM may show what a failover takes back.
      if (answer?.status !== 200 || answer.body.applied === true)
        this.operations.push({ key, act, startMs, endMs: undefined, version: undefined });
      return false;
    }
    const { applied, position, current } = answer.body;
    if (applied === true) this.#noteAcked(startMs, position);
    const seen = foundIn(current);
    if (applied === true) this.#note({ key, act, startMs, version: position });
    else this.#note({ key, act: { kind: 'read', value: seen.value }, startMs, version: seen.version });
    return true;
  }

  /** A write of a key of its own, to be found in the end. */
  async #keep(node: NodeProcess): Promise<boolean> {
    const key = `${this.#options.name}-kept-${this.#value()}`;
    const startMs = performance.now();
    const request = { key, value: 'eA==', durability: QUORUM, timeoutMs: WAIT_MS };
    const answer = await this.#call(node, 'Set', request);
    if (answer?.status !== 200 || answer.body.durabilityReached !== QUORUM) return false;
    this.#noteAcked(startMs, answer.body.position);
    this.kept.push(key);
    return true;
  }

  #noteAcked(startMs: number, position: StatedPosition): void {
    this.acked.push({ term: termOf(Number(position.epoch)), startMs, endMs: performance.now() });
  }

  #note(noted: Pick<Operation, 'key' | 'act' | 'startMs'> & { version: StatedPosition | undefined }): void {
    const { version } = noted;
    this.operations.push({ ...noted, endMs: performance.now(), version: version && toVersion(version) });
  }

  async #call(node: NodeProcess, method: string, body: object): Promise<Answer | undefined> {
    return node.call(`KVStore/${method}`, body, ATTEMPT_MS).catch(() => undefined);
  }

  #key(register: number): string {
    return `${this.#options.name}-${register}`;
  }

  /** One that nobody else writes. */
  #value(): string {
    this.#values += 1;
    return `${this.#values}`;
  }
}

/** A position in JSON. */
interface StatedPosition {
  readonly epoch: string;
  readonly lsn: string;
}

interface Found {
  readonly value: Value;
  readonly version: StatedPosition | undefined;
}

function foundIn(entry: { value?: string; version?: StatedPosition } | undefined): Found {
  if (entry === undefined) return { value: undefined, version: undefined };
  return { value: Buffer.from(entry.value ?? '', 'base64').toString(), version: entry.version };
}

function toVersion({ epoch, lsn }: StatedPosition): bigint {
  return versionOf(Number(epoch), Number(lsn));
}

/** The server says that it did nothing, and will not. */
function isNothingDone({ status, body }: Answer): boolean {
  const details: readonly { type?: string }[] = body.details ?? [];
  return status !== 200 && details.some(({ type }) => type === 'walnut.v1.Refusal');
}
