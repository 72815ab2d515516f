import { stripVTControlCharacters } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  GetClusterResponseSchema,
  ListNodesResponseSchema,
  MemberRole,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { clusterFiles } from '../../cmd/cluster/cluster-plan.ts';
import { type ClusterProcess, ClusterRun } from '../../cmd/cluster/cluster-run.ts';
import { CLUSTER, type LocalGroups, nodesOf } from '../../cmd/cluster/cluster-scripts.ts';
import type { ClusterView } from '../../cmd/cluster/cluster-view.ts';
import type { ProcessExit } from '../../cmd/local/local-process.ts';

const NODE_NAMES = nodesOf(CLUSTER);

class FakeProcess implements ClusterProcess {
  readonly spec: ClusterProcess['spec'];
  readonly logFile: string;
  starts = 0;
  #exit = Promise.withResolvers<ProcessExit>();

  constructor(file: ReturnType<typeof clusterFiles>[number], port: number) {
    const host = '127.0.0.1';
    this.spec = { ...file, host, port, address: `${host}:${port}`, directory: `data/${file.name}`, sets: [] };
    this.logFile = `data/cluster/${file.name}.log`;
  }

  get pid(): number | undefined {
    return this.starts === 0 ? undefined : this.spec.port * 10 + this.starts;
  }

  start(): Promise<ProcessExit> {
    this.starts += 1;
    this.#exit = Promise.withResolvers();
    return this.#exit.promise;
  }

  end(exit: ProcessExit): void {
    this.#exit.resolve(exit);
  }

  stop(): Promise<ProcessExit | undefined> {
    if (this.starts === 0) return Promise.resolve(undefined);
    this.#exit.resolve({ code: 0, reason: 'exit code 0' });
    return this.#exit.promise;
  }

  lastLines(): Promise<string> {
    return Promise.resolve(`  last words of ${this.spec.name}\n`);
  }
}

/** What the coordinator answers. */
interface Answer {
  readonly heard?: readonly string[];
  /** Undefined: the cluster is not made. */
  readonly leader?: string | undefined;
  readonly term?: number;
  readonly takesWrites?: boolean;
  readonly ageMs?: number;
}

function viewOf({
  heard = NODE_NAMES,
  leader,
  term = 1,
  takesWrites = true,
  ageMs = 100,
}: Answer): ClusterView {
  const group = { id: 'g1', term, leader: { voter: { node: leader ?? '' } } };
  const isMade = leader !== undefined;
  return {
    cluster: create(GetClusterResponseSchema, {
      clusterId: isMade ? 'c' : '',
      groups: isMade ? [{ group, takesWrites }] : [],
    }),
    nodes: create(ListNodesResponseSchema, {
      nodes: heard.map((name) => ({
        node: { name },
        group: isMade ? 'g1' : '',
        heard: true,
        heardAgoMs: BigInt(ageMs),
        heartbeat: { term, role: name === leader ? MemberRole.MASTER : MemberRole.REPLICA },
      })),
    }),
  };
}

function rig() {
  const clock = new VirtualClock();
  const all = clusterFiles(CLUSTER).map((file, index) => new FakeProcess(file, 8_070 + index));
  const inits: LocalGroups[] = [];
  const now: { answer: Answer | undefined; whyNotReached?: string | undefined } = { answer: undefined };
  const calls = {
    read: async () => {
      if (now.answer === undefined) throw new Error('nobody answers');
      return viewOf(now.answer);
    },
    reach: async () => {
      if (now.whyNotReached !== undefined) throw new Error(now.whyNotReached);
    },
    init: async (groups: LocalGroups) => {
      inits.push(groups);
      now.answer = { leader: 'node-2' };
    },
  };
  let text = '';
  const note = (more: string): void => {
    text += stripVTControlCharacters(more);
  };
  const terminal = { say: note, complain: note };
  const run = new ClusterRun(CLUSTER.groups, all, calls, {
    script: CLUSTER,
    clock,
    terminal,
    firstPort: undefined,
  });
  void run.start();
  const tables = (): number => text.split('lease').length - 1;
  return { clock, run, all, inits, now, said: () => text, tables };
}

/** Starts it with a cluster that `node-2` leads. */
async function settled() {
  const rigged = rig();
  rigged.now.answer = { leader: 'node-2' };
  await rigged.clock.advance(1_000);
  return rigged;
}

const KILLED: ProcessExit = { code: undefined, reason: 'SIGKILL' };

describe('ClusterRun', () => {
  it('makes the cluster once, when all nodes are heard', async () => {
    const { clock, run, inits, now, said } = rig();
    now.answer = { heard: ['node-1', 'node-3'] };
    await clock.advance(1_000);
    expect(inits).toEqual([]);
    now.answer = { heard: NODE_NAMES };
    await clock.advance(2_000);
    expect(inits).toEqual([{ g1: NODE_NAMES }]);
    expect(said()).toMatch(/^node-2 +g1 +master +1 +held +127\.0\.0\.1:8072 +80721$/m);
    expect(said()).toContain('curl -X PUT --data-binary hello 127.0.0.1:8072/v1/keys/greeting\n');
    expect(said()).toContain('cluster failover g1 --coordinators 127.0.0.1:8070\n');
    expect(said()).toContain('kill -9 80721\n');
    await run.stop(0);
  });

  it('prints the table again when something in it changes, and only then', async () => {
    const { clock, run, now, tables, said } = await settled();
    expect(tables()).toBe(1);
    now.answer = { leader: 'node-2', ageMs: 900 };
    await clock.advance(60_000);
    expect(tables()).toBe(1);
    now.answer = { leader: 'node-2', takesWrites: false };
    await clock.advance(1_000);
    expect(said()).toMatch(/^node-2 +g1 +master +1 +none /m);
    now.answer = { leader: 'node-3', term: 2, heard: ['node-1', 'node-3'] };
    await clock.advance(1_000);
    expect(tables()).toBe(3);
    expect(said()).toMatch(/^node-2 +not heard +127/m);
    expect(said()).toMatch(/^node-3 +g1 +master +2 +held /m);
    now.answer = undefined;
    await clock.advance(5_000);
    expect(said().split('The coordinator does not answer: nobody answers')).toHaveLength(2);
    await run.stop(0);
  });

  it('says what is missing where the cluster does not settle', async () => {
    const { clock, run, said } = rig();
    await clock.advance(9_000);
    expect(said()).toBe('Starting a coordinator and 3 nodes…\n');
    await clock.advance(2_000);
    expect(said()).toContain('The coordinator is not up yet: nobody answers\n');
    await run.stop(0);
  });

  it('says once that the gateway is not up yet where only that is missing', async () => {
    const { clock, run, now, said, tables } = rig();
    now.answer = { leader: 'node-2' };
    now.whyNotReached = 'no answer';
    await clock.advance(15_000);
    expect(said().split('The gateway is not up yet: no answer\n')).toHaveLength(2);
    expect([tables(), said()]).toEqual([1, expect.not.stringContaining('Try, in another terminal')]);
    now.whyNotReached = undefined;
    await clock.advance(1_000);
    expect(said()).toContain('Try, in another terminal');
    await run.stop(0);
  });

  it('starts a killed process again, unless it was stopped meanwhile', async () => {
    const { clock, run, all, said } = await settled();
    all[2]?.end(KILLED);
    await clock.advance(9_000);
    expect(said()).toContain('node-2 ended: SIGKILL. It is started again in 10 s.\n');
    expect(all[2]?.starts).toBe(1);
    await clock.advance(2_000);
    expect(all[2]?.starts).toBe(2);
    all[0]?.end(KILLED);
    await clock.advance(1_000);
    expect(await run.stop(0)).toBe(0);
    await clock.advance(60_000);
    expect(all.map(({ starts }) => starts)).toEqual([1, 1, 2, 1]);
    expect(said()).not.toContain('cleanly');
    expect(said().endsWith('Again: npm run cluster:ha\n')).toBe(true);
  });

  it('stops all where a process ends by itself, and says why', async () => {
    const { clock, run, all, said } = await settled();
    all[0]?.end({ code: 3, reason: 'exit code 3' });
    await clock.advance(1_000);
    expect(await run.ended).toBe(1);
    expect(said()).toContain('coordinator ended: exit code 3\n  last words of coordinator\n');
    expect(said()).toContain('another coordinator uses it. Then type: npm run cluster:ha\n');
  });
});
