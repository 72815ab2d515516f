/** Planted bugs in what coordinators, nodes and operators say to each other. */
import type { Mutant } from './mutant.ts';

export const COORDINATOR_SERVICE_MUTANTS: readonly Mutant[] = [
  {
    name: 'coordinator: a store that is away told in the log ten times a second',
    file: 'internal/coordinator/told-reasons.ts',
    text: '    this.#told.add(why);\n',
    replacement: '',
    tests: ['test/coordinator/told-reasons.test.ts'],
  },
  {
    name: 'coordinator: a cluster refused to nodes that a new coordinator has yet to hear',
    file: 'internal/coordinator/operator-requests.ts',
    text: `  async initCluster(plan: ClusterPlan): Promise<ShardMap> {
    await this.#untilJudging();
`,
    replacement: '  async initCluster(plan: ClusterPlan): Promise<ShardMap> {\n',
    tests: ['test/coordinator/operator-requests.test.ts'],
  },
  {
    name: 'coordinator: the tool gives up where none is active yet',
    file: 'cmd/walnut/cluster/cluster-waits.ts',
    text: "error?.code === 'unavailable' ||",
    replacement: "error?.code === 'aborted' ||",
    tests: ['test/cli/cluster-coordinators.test.ts'],
  },
  {
    name: 'coordinator: each poll of the tool opens a connection',
    file: 'cmd/walnut/cluster/coordinators.ts',
    text: 'const client = clients.get(endpoint) ?? createCoordinatorClient(endpoint);',
    replacement: 'const client = createCoordinatorClient(endpoint);',
    tests: ['test/cli/cluster-coordinators.test.ts'],
  },
  {
    name: 'coordinator: a stream of the map goes on without the metadata store',
    file: 'internal/server/coordinator-service.ts',
    text: 'if (!port.isFollowing())',
    replacement: 'if (port.isFollowing() === undefined)',
    tests: ['test/server/coordinator-service.test.ts'],
  },
  {
    name: 'coordinator: a passive one shows what it heard as it was active',
    file: 'internal/coordinator/coordinator-door.ts',
    text: 'observations: isActive ? observations : new Map()',
    replacement: 'observations: isActive ? new Map() : observations',
    tests: ['test/server/coordinator-service.test.ts'],
  },
  {
    name: 'coordinator: another node grants in place of the one that was asked',
    file: 'internal/coordinator/members.ts',
    text: 'if (voter.node !== node)',
    replacement: "if (voter.node === '')",
    tests: ['test/peer/cluster-links.test.ts'],
  },
  {
    name: 'coordinator: a leader is told to lead by a map that does not name it',
    file: 'internal/coordinator/group-keeper.ts',
    text: 'catalogue.lastMap ?? context.map',
    replacement: 'context.map',
    tests: ['test/coordinator/coordinator.test.ts'],
  },
  {
    name: 'coordinator: the members of a group are of one zone',
    file: 'internal/cluster/placement.ts',
    text: 'groups[i % count]',
    replacement: 'groups[Math.floor(i / size)]',
    tests: ['test/cluster/placement.test.ts'],
  },
  {
    name: 'tool: walnut cluster follows no hint to the active coordinator',
    file: 'cmd/walnut/cluster/coordinators.ts',
    text: 'hint === undefined || hint === endpoint.text',
    replacement: 'hint !== endpoint.text',
    tests: ['test/cli/cluster-coordinators.test.ts'],
  },
  {
    name: 'tool: walnut cluster failover believes a map that is older than the plan',
    file: 'cmd/walnut/cluster/cluster-waits.ts',
    text: 'map.epoch < epoch ||',
    replacement: '',
    tests: ['test/cli/cluster-coordinators.test.ts'],
  },
  {
    name: 'tool: walnut cluster drain says that it hands over what nobody could lead',
    file: 'cmd/walnut/cluster/draining.ts',
    text: 'heardMs: -Number(heardAgoMs)',
    replacement: 'heardMs: 0',
    tests: ['test/cli/cluster.test.ts'],
  },
  {
    name: 'tool: walnut cluster status asks no other coordinator where a passive one answers',
    file: 'cmd/walnut/cluster/coordinators.ts',
    text: 'passive ??= outcome;',
    replacement: 'passive ??= outcome; break;',
    tests: ['test/cli/cluster-coordinators.test.ts'],
  },
  {
    name: 'tool: walnut get --linearizable asks for an ordinary answer',
    file: 'cmd/walnut/keys/get-command.ts',
    text: 'linearizable: options.linearizable === true',
    replacement: 'linearizable: false',
    tests: ['test/cli/key-commands.test.ts'],
  },
  {
    name: 'recovery asked of a coordinator whose store has no cluster, beside one that has it',
    file: 'cmd/walnut/cluster/coordinators.ts',
    text: "if (clusterId !== '')\n      return",
    replacement: "if (clusterId !== '' && strays.length === 0)\n      return",
    tests: ['test/cli/cluster-coordinators.test.ts'],
  },
];
