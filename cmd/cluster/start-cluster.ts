/**
 * Runs a coordinator and its nodes as processes on this machine, with `--etcd` three members
 * of etcd too, and makes the groups of the script of them. The exit codes are those of
 * `runLocal`.
 */
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { LocalRefusal } from '../local/local-files.ts';
import { LocalProcess } from '../local/local-process.ts';
import { runLocal } from '../local/run-local.ts';
import { type CallOptions, createNodeClients } from '../walnut/call/connection.ts';
import { createCoordinatorClient } from '../walnut/call/coordinator-client.ts';
import { callCoordinators } from '../walnut/cluster/coordinators.ts';
import { type ClusterSpec, clusterFiles, planCluster } from './cluster-plan.ts';
import { type ClusterCalls, ClusterRun } from './cluster-run.ts';
import type { ClusterScript } from './cluster-scripts.ts';
import { whyNoEtcd } from './etcd-plan.ts';

const ASK: CallOptions = { timeoutMs: 2_000, signal: undefined };
const INIT: CallOptions = { timeoutMs: 30_000, signal: undefined };

/** A cluster, by where its store is. */
export interface ClusterScripts {
  readonly onFile: ClusterScript;
  readonly onEtcd: ClusterScript;
}

/** Runs the cluster until it is stopped, and sets the exit code of the process. */
export function startCluster(
  { onFile, onEtcd }: ClusterScripts,
  argv: readonly string[],
  signals: EarlySignals,
): Promise<void> {
  const script = argv.includes('--etcd') ? onEtcd : onFile;
  return runLocal(
    {
      script,
      files: clusterFiles(script),
      plan: (source) => {
        const why = script.isOnEtcd ? whyNoEtcd(script, source.firstPort) : undefined;
        if (why !== undefined) throw new LocalRefusal(why);
        return planCluster(script, source);
      },
      create: (specs, parts) => {
        const processes = specs.map((spec) => new LocalProcess(spec, parts.clock, script));
        return new ClusterRun(script.groups, processes, callsTo(specs), parts);
      },
    },
    argv.filter((argument) => argument !== '--etcd'),
    signals,
  );
}

function callsTo(specs: readonly ClusterSpec[]): ClusterCalls {
  // The plan has checked host and port.
  const endpoint = tryEndpoint(specs[0]?.address ?? '') as Endpoint;
  const gateway = specs.find(({ kind }) => kind === 'gateway');
  const client = createCoordinatorClient(endpoint);
  return {
    read: async () => {
      const [cluster, nodes] = await Promise.all([client.getCluster({}, ASK), client.listNodes({}, ASK)]);
      return { cluster, nodes };
    },
    reach: async () => {
      if (gateway === undefined) return;
      const { kv } = createNodeClients(tryEndpoint(gateway.address) as Endpoint);
      await kv.get({ key: 'greeting' }, ASK);
    },
    init: async (groups) => {
      const plans = Object.entries(groups).map(([id, nodes]) => ({ id, nodes: [...nodes] }));
      await callCoordinators([endpoint], (client) => client.initCluster({ groups: plans }, INIT));
    },
  };
}
