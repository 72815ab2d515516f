/** `walnut doctor` and `walnut top` at a gateway: every group of its cluster. */
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeStatus } from '#gen/walnut/cluster/v1/records_pb.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import {
  AlarmSchema,
  Coordinator,
  type GetClusterResponse,
  GetClusterResponseSchema,
  GroupStatusSchema,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

const nodes: FakeNode[] = [];
let gateway: http.Server;
let cluster: GetClusterResponse;
/** Lines of its page; undefined: it does not show them to this caller. */
let metrics: readonly string[] | undefined;

const METRICS = [
  'walnut_gateway_map_epoch 7',
  'walnut_gateway_map_age_seconds 2',
  'walnut_gateway_group_held{group="g0"} 0',
  'walnut_gateway_calls{group="g0"} 3',
  'walnut_rpc_handled_total{method="walnut.v1.KVStore/Get",code="ok"} 9',
  'process_resident_memory_bytes 100',
  'walnut_memory_limit_bytes 1000',
];

beforeEach(async () => {
  nodes.push(await new FakeNode().start(), await new FakeNode().start());
  for (const node of nodes) node.metrics = ['walnut_store_refused_total 0'];
  const voters = nodes.map((_, i) => [{ node: `n${i}` }]);
  const groups = voters.map((each, i) => ({ id: `g${i}`, voters: each }));
  cluster = create(GetClusterResponseSchema, {
    ...{ name: 'main', clusterId: '2'.repeat(32), isActive: true, activeCoordinator: 'c:1' },
    groups: groups.map((group) => ({ group, takesWrites: true, votersHeard: 1 })),
  });
  const members = nodes.map(({ address }, i) => ({ name: `n${i}`, address, status: NodeStatus.ACTIVE }));
  const map = { clusterId: '2'.repeat(32), epoch: 1n, groups, nodes: members };
  metrics = METRICS;
  const rpcs = connectNodeAdapter({
    routes: (router) => {
      router.service(Admin, { status: () => ({ ready: true, uptimeMs: 90_000n, cluster }) });
      router.service(Coordinator, { getShardMap: () => ({ epoch: 1n, map }) });
    },
  });
  gateway = http.createServer((request, response) => {
    if (request.url !== '/metrics') return rpcs(request, response);
    if (metrics !== undefined) return response.end(metrics.join('\n'));
    response.writeHead(403, { 'content-type': 'application/json' });
    response.end('{"code":"permission_denied","message":"no role grants it"}');
  });
  await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  gateway.closeAllConnections();
  gateway.close();
  await Promise.all(nodes.splice(0).map((node) => node.stop()));
});

const addressOf = (): string => `127.0.0.1:${(gateway.address() as AddressInfo).port}`;
const run = (...args: string[]) => runCli([...args, '--address', addressOf()]);
const findings = async (): Promise<Record<string, string>[]> =>
  (JSON.parse((await run('doctor', '--json')).out) as { findings: Record<string, string>[] }).findings;
const problems = async (): Promise<string[]> =>
  (await findings())
    .filter(({ level }) => level === 'problem')
    .map(({ node = '', check, found }) => `${node.replace(/^127.*/, 'HERE')}: ${check}: ${found}`);

describe('at a gateway', () => {
  it('doctor looks at every node of every group, and at the cluster', async () => {
    const { code, out } = await run('doctor', '--verbose');
    expect(code).toBe(0);
    expect(out).toMatch(/^ok +group g0 +one master +127/m);
    expect(out).toMatch(/^ok +127\.0\.0\.1:\d+ +coordinator +c:1$/m);
    expect(out).toMatch(/checks on a gateway and 2 nodes: 0 problems/);
    for (const { address } of nodes) expect(out).toMatch(new RegExp(`^ok +${address} +readiness`, 'm'));
  });

  it('doctor tells a node that does not answer by its group', async () => {
    await nodes[1]?.stop();
    expect(await problems()).toEqual([
      'group g1: one master: none of them leads',
      expect.stringMatching(/^HERE: answer: /),
    ]);
  });

  it('doctor finds what is wrong with the cluster', async () => {
    cluster.isActive = false;
    cluster.alarms = [create(AlarmSchema, { why: 'two disks are gone' })];
    expect(await problems()).toEqual([
      'HERE: coordinator: no active one answers the gateway',
      'HERE: alarms: two disks are gone',
    ]);
    cluster.isActive = true;
    cluster.alarms = [];
    cluster.groups = [create(GroupStatusSchema, { group: { id: 'g0' } })];
    expect(await problems()).toEqual(['HERE: groups: without writes: g0']);
  });

  it.each<[string, string, string, string]>([
    [
      'walnut_gateway_map_age_seconds 31',
      'problem',
      'map',
      'no coordinator has said for 31.0s that the map is the newest',
    ],
    [
      'walnut_gateway_group_held{group="g0"} 1',
      'problem',
      'waiting calls',
      '3 calls for groups that do not answer: g0',
    ],
    [
      'walnut_keys_requests_total{method="PUT",code="unavailable"} 1',
      'warning',
      'refused calls',
      '1 call answered UNAVAILABLE or RESOURCE_EXHAUSTED since its start 1m 30s ago',
    ],
    [
      'walnut_rpc_handled_total{method="walnut.v1.KVStore/Set",code="internal"} 1',
      'warning',
      'calls',
      '1 of 10 calls failed by a fault of the process since its start 1m 30s ago',
    ],
    ['process_resident_memory_bytes 960', 'problem', 'memory', '960 B of 1.0 kB that it may use'],
    [
      'walnut_tls_ok{section="peer.tls"} 0',
      'problem',
      'files of credentials',
      'cannot be used as changed: peer.tls',
    ],
  ])('doctor reads of its own metrics %s', async (line, level, check, found) => {
    const name = line.replace(/ \S+$/, '');
    metrics = [...METRICS.filter((each) => !each.startsWith(`${name} `)), line];
    const own = (await findings()).filter(({ node }) => node === addressOf());
    expect(own.filter((each) => each['level'] !== 'ok')).toMatchObject([{ level, check, found }]);
  });

  it('doctor says where the gateway does not show its metrics', async () => {
    metrics = undefined;
    expect(await problems()).toEqual([expect.stringMatching(/^HERE: metrics: .*PERMISSION_DENIED/)]);
  });

  it('top shows the nodes of all groups', async () => {
    const { out } = await run('top', '--count', '1', '--interval', '100ms', '--json');
    const shown = (JSON.parse(out) as { nodes: { address: string }[] }).nodes.map(({ address }) => address);
    expect(shown).toEqual(nodes.map(({ address }) => address));
  });
});
