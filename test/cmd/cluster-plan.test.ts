import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '#test/house/source-files.ts';
import { type ClusterSpec, clusterFiles, planCluster } from '../../cmd/cluster/cluster-plan.ts';
import {
  CLUSTER,
  CLUSTER_ON_ETCD,
  type ClusterScript,
  GROUPS,
  GROUPS_ON_ETCD,
} from '../../cmd/cluster/cluster-scripts.ts';
import { LocalRefusal } from '../../cmd/local/local-files.ts';
import { parsePortFlags } from '../../cmd/local/port-flags.ts';

const textsOf = (script: ClusterScript): string[] =>
  clusterFiles(script).map(({ config }) => readFileSync(join(ROOT, config), 'utf8'));
const texts = textsOf(CLUSTER);

const setsOf = (spec: ClusterSpec | undefined): readonly string[] =>
  spec !== undefined && 'sets' in spec ? spec.sets : [];

describe('planCluster', () => {
  it('takes the ports of the files, and puts all data under data/cluster-ha', () => {
    const specs = planCluster(CLUSTER, { texts, env: {}, firstPort: undefined });
    expect(specs.map(({ address, directory }) => [address, directory])).toEqual([
      ['127.0.0.1:8070', 'data/cluster-ha/coordinator'],
      ['127.0.0.1:8081', 'data/cluster-ha/node-1'],
      ['127.0.0.1:8082', 'data/cluster-ha/node-2'],
      ['127.0.0.1:8083', 'data/cluster-ha/node-3'],
    ]);
    expect(setsOf(specs[0])).toContain('coordinator.metadata.file=data/cluster-ha/coordinator/metadata.db');
    expect(setsOf(specs[2])).toEqual([
      'server.port=8082',
      'server.advertise=127.0.0.1:8082',
      'wal.directory=data/cluster-ha/node-2',
      'cluster.node=node-2',
      'cluster.coordinators=127.0.0.1:8070',
    ]);
  });

  it('has four nodes for two groups, a gateway, and etcd behind them, all under directories of their own', () => {
    const specs = planCluster(GROUPS, { texts: textsOf(GROUPS), env: {}, firstPort: undefined });
    expect(specs.map(({ address, directory }) => [address, directory])).toEqual([
      ['127.0.0.1:8070', 'data/cluster/coordinator'],
      ['127.0.0.1:8081', 'data/cluster/node-1'],
      ['127.0.0.1:8082', 'data/cluster/node-2'],
      ['127.0.0.1:8083', 'data/cluster/node-3'],
      ['127.0.0.1:8084', 'data/cluster/node-4'],
      ['127.0.0.1:8000', 'data/cluster/gateway'],
    ]);
    expect(setsOf(specs.at(-1))).toEqual([
      'server.port=8000',
      'server.advertise=127.0.0.1:8000',
      'gateway.coordinators=127.0.0.1:8070',
      'gateway.map_file=data/cluster/gateway/map',
    ]);
    const onEtcd = { texts: textsOf(GROUPS_ON_ETCD), env: {} };
    for (const [firstPort, first] of [
      [undefined, 8_085],
      [9_070, 9_076],
    ] as const) {
      const ports = planCluster(GROUPS_ON_ETCD, { ...onEtcd, firstPort }).map(({ port }) => port);
      expect(ports.slice(-3)).toEqual([first, first + 1, first + 2]);
      expect(new Set(ports).size).toBe(GROUPS_ON_ETCD.portCount);
    }
  });

  it('moves the whole cluster to other ports', () => {
    const specs = planCluster(CLUSTER, { texts, env: {}, firstPort: 9_070 });
    expect(specs.map(({ port }) => port)).toEqual([9_070, 9_071, 9_072, 9_073]);
    expect(setsOf(specs[3])).toContain('cluster.coordinators=127.0.0.1:9070');
  });

  it('keeps the cluster in members of etcd, whose addresses for each other do not change with the ports', () => {
    const peers = [undefined, 9_070].map((firstPort) => {
      const specs = planCluster(CLUSTER_ON_ETCD, { texts: textsOf(CLUSTER_ON_ETCD), env: {}, firstPort });
      const etcd = specs.filter((spec) => 'line' in spec);
      const [one, ...others] = etcd.map(({ address }) => address);
      expect(setsOf(specs[0])).toContain(`coordinator.metadata.endpoints=${[one, ...others].join()}`);
      expect(one).toBe(firstPort === undefined ? '127.0.0.1:8084' : '127.0.0.1:9074');
      expect(specs.every(({ directory }) => directory.startsWith('data/cluster-ha-etcd/'))).toBe(true);
      return etcd.flatMap(({ line }) => line.filter((word) => word.includes('unix://')));
    });
    expect(peers[0]).toHaveLength(9);
    expect(peers[1]).toEqual(peers[0]);
  });

  it('says how to go on without a variable whose value is wrong', () => {
    const env = { WALNUT_SERVER__MAX_VALUE_BYTES: 'much' };
    const plan = () => planCluster(CLUSTER, { texts, env, firstPort: 9_070 });
    expect(plan).toThrow('type: env -u WALNUT_SERVER__MAX_VALUE_BYTES npm run cluster:ha -- --port 9070');
    expect(plan).not.toThrow('git checkout');
  });

  it.each([
    ['WALNUT_SERVER__PORT', '9000'],
    ['WALNUT_WAL__DIRECTORY', './data'],
    ['WALNUT_CLUSTER__NODE', 'a'],
    ['WALNUT_COORDINATOR__METADATA__KIND', 'etcd'],
  ])('refuses %s, which it would ignore', (name, value) => {
    const plan = () => planCluster(CLUSTER, { texts, env: { [name]: value }, firstPort: 9_070 });
    expect(plan).toThrow(LocalRefusal);
    expect(plan).toThrow(`Type: env -u ${name} npm run cluster:ha -- --port 9070`);
  });

  it('refuses a node that knows nobody without a credential', () => {
    const env = { WALNUT_AUTH__MODE: 'required', WALNUT_AUTH__FILE: '/u' };
    expect(() => planCluster(CLUSTER, { texts, env, firstPort: undefined })).toThrow(
      /auth.mode is required, and npm run cluster:ha calls.*\n.*\n {2}npm run coordinator -- --config configs\/coordinator.yaml\n/,
    );
  });

  it('refuses two files with one port', () => {
    const same = texts.map((text) => text.replace('8083', '8082'));
    expect(() => planCluster(CLUSTER, { texts: same, env: {}, firstPort: undefined })).toThrow(
      'configs/node-2.yaml and configs/node-3.yaml have the same server.port 8082',
    );
  });

  it('takes a --port that leaves room for four', () => {
    expect(parsePortFlags(CLUSTER_ON_ETCD, ['--port', '65530'], {})).toMatchObject({
      message: expect.stringContaining('Type: npm run cluster:ha -- --etcd --port 9070\n'),
    });
    expect(parsePortFlags(CLUSTER, ['--port', '65532'], {})).toEqual({ kind: 'run', firstPort: 65_532 });
    expect(parsePortFlags(CLUSTER, ['--port', '65533'], {})).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('expected a number from 1 to 65532'),
    });
    expect(
      parsePortFlags(CLUSTER, [], { npm_lifecycle_event: 'cluster:ha', npm_config_port: '9070' }),
    ).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('Type: npm run cluster:ha -- --port 9070\n'),
    });
  });
});
