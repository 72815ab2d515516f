/**
 * Runs the processes of a cluster on this machine: starts them, makes the cluster where it is not
 * made yet, and prints the table of roles, terms and leases whenever it changes.
 */
import type { Clock } from '#platform/clock.ts';
import { startCommand } from '../local/local-script.ts';
import { type Process, ProcessSet, type Terminal } from '../local/process-set.ts';
import type { LocalParts } from '../local/run-local.ts';
import type { ClusterSpec } from './cluster-plan.ts';
import type { LocalGroups } from './cluster-scripts.ts';
import {
  type ClusterView,
  clusterInvitation,
  clusterTable,
  isHeard,
  isSettled,
  type Shown,
} from './cluster-view.ts';

export type ClusterProcess = Process & Shown & { readonly spec: ClusterSpec };

/** The calls to the coordinator. Each rejects with an error whose message says why it failed. */
export interface ClusterCalls {
  read(): Promise<ClusterView>;
  /** Rejects until the gateway answers; resolves where there is none. */
  reach(): Promise<void>;
  /** Makes the cluster with these groups; a repeat does nothing. */
  init(groups: LocalGroups): Promise<void>;
}

/** A process that a signal ended is started again after this, so that a failover can be seen. */
const RESTART_MS = 10_000;
const POLL_MS = 200;
/** From then on the table is shown, whatever is missing. */
const SETTLE_MS = 10_000;

export class ClusterRun {
  readonly #groups: LocalGroups;
  readonly #nodes: readonly string[];
  readonly #all: readonly ClusterProcess[];
  readonly #calls: ClusterCalls;
  readonly #clock: Clock;
  readonly #terminal: Terminal;
  readonly #set: ProcessSet<ClusterProcess>;
  /** The last that was printed. */
  readonly #shown = { table: '', trouble: '' };
  #hasAnswered = false;
  #isInvited = false;

  /** `all`: the coordinator, then the nodes, then the members of etcd where there are. */
  constructor(groups: LocalGroups, all: readonly ClusterProcess[], calls: ClusterCalls, parts: LocalParts) {
    this.#groups = groups;
    this.#nodes = Object.values(groups).flat();
    const { script, clock, terminal, firstPort } = parts;
    this.#all = all;
    this.#calls = calls;
    this.#clock = clock;
    this.#terminal = terminal;
    const again = startCommand(script, firstPort);
    const { place } = script;
    this.#set = new ProcessSet(all, { clock, terminal, again, place, restartMs: RESTART_MS });
  }

  /** Resolves with the exit code when everything has stopped. */
  get ended(): Promise<number> {
    return this.#set.ended;
  }

  /** Stops all processes. Later calls return the same promise. */
  stop(code: number): Promise<number> {
    return this.#set.stop(code);
  }

  /** Resolves when stopping has begun. */
  async start(): Promise<void> {
    const has = (kind: string): boolean => this.#all.some(({ spec }) => spec.kind === kind);
    const parts = [
      'a coordinator',
      `${this.#nodes.length} nodes`,
      ...(has('gateway') ? ['a gateway'] : []),
      ...(has('etcd') ? ['three members of etcd'] : []),
    ];
    this.#terminal.say(`Starting ${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}…\n`);
    for (const one of this.#all) this.#set.begin(one);
    const patientMs = this.#clock.monotonicMs() + SETTLE_MS;
    while (!this.#set.isStopping) {
      await this.#look(this.#clock.monotonicMs() >= patientMs);
      await this.#clock.sleep(POLL_MS);
    }
  }

  /** `isLate`: shows what is there, although it is not complete. */
  async #look(isLate: boolean): Promise<void> {
    let what = `The coordinator ${this.#hasAnswered ? 'does not answer' : 'is not up yet'}`;
    try {
      const view = await this.#calls.read();
      if (this.#set.isStopping) return;
      this.#hasAnswered = true;
      const isDone = isSettled(view, this.#nodes.length);
      if (isDone || isLate || this.#isInvited) this.#show('table', clusterTable(this.#all, view));
      what = 'The gateway is not up yet';
      if (isDone && !this.#isInvited) await this.#invite(view);
      what = 'The cluster cannot be made yet';
      if (view.cluster.clusterId === '' && areHeard(this.#nodes, view)) await this.#calls.init(this.#groups);
    } catch (error) {
      if (!this.#set.isStopping && (isLate || this.#isInvited))
        this.#show('trouble', `${what}: ${(error as Error).message}\n`);
    }
  }

  async #invite(view: ClusterView): Promise<void> {
    await this.#calls.reach();
    if (this.#set.isStopping) return;
    this.#isInvited = true;
    this.#terminal.say(`${clusterInvitation(this.#all, view)}\n`);
  }

  #show(kind: 'table' | 'trouble', text: string): void {
    if (text === this.#shown[kind]) return;
    this.#shown[kind] = text;
    this.#terminal.say(`${text}\n`);
  }
}

function areHeard(names: readonly string[], { nodes: { nodes } }: ClusterView): boolean {
  return names.every((name) => nodes.some((health) => health.node?.name === name && isHeard(health)));
}
