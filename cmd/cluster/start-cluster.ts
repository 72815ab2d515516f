/**
 * `npm run cluster:ha`: runs a coordinator on the file store and three nodes as four
 * processes on this machine, and makes one group of the nodes. The exit codes are those of
 * `runLocal`.
 */
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import type { EarlySignals } from '#platform/early-signals.ts';
import { LocalProcess } from '../local/local-process.ts';
import { runLocal } from '../local/run-local.ts';
import { type CallOptions, createCoordinatorClient } from '../walnut/call/connection.ts';
import { initCluster } from '../walnut/cluster/cluster-changes.ts';
import { CLUSTER, CLUSTER_FILES, type ClusterSpec, planCluster } from './cluster-plan.ts';
import { type ClusterCalls, ClusterRun } from './cluster-run.ts';

const ASK: CallOptions = { timeoutMs: 2_000 };

/** Runs the cluster until it is stopped, and sets the exit code of the process. */
export function startCluster(argv: readonly string[], signals: EarlySignals): Promise<void> {
  return runLocal(
    {
      script: CLUSTER,
      files: CLUSTER_FILES,
      plan: planCluster,
      create: (specs, parts) => {
        const processes = specs.map((spec) => new LocalProcess(spec, parts.clock, CLUSTER));
        return new ClusterRun(processes, callsTo(specs), parts);
      },
    },
    argv,
    signals,
  );
}

function callsTo([coordinator]: readonly ClusterSpec[]): ClusterCalls {
  // The plan has checked host and port.
  const endpoint = tryEndpoint(coordinator?.address ?? '') as Endpoint;
  const client = createCoordinatorClient(endpoint);
  return {
    read: async () => {
      const [cluster, nodes] = await Promise.all([client.getCluster({}, ASK), client.listNodes({}, ASK)]);
      return { cluster, nodes };
    },
    init: async (nodes) => {
      await initCluster([endpoint], { groups: [{ id: 'g1', nodes: [...nodes] }] });
    },
  };
}
