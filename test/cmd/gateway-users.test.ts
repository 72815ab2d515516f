/** A gateway, its coordinator and a node as processes that serve nobody without a credential: whose rights count, and who is named. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { AUTH_FILE, tokenOf } from '#test/auth/users.ts';
import { eventually, type RealNode, RealNodes } from '#test/cmd/real-node.ts';

const processes = new RealNodes();
afterEach(() => processes.end());

/** A file that a process takes for secret; returns its path. */
async function secret(directory: string, name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

function usersBut(...removed: string[]): string {
  return JSON.stringify({
    ...AUTH_FILE,
    users: AUTH_FILE.users.filter(({ name }) => !removed.includes(name)),
  });
}

async function call(
  to: RealNode,
  user: string,
  [method, path, body]: readonly [string, string, string?],
  headers: Record<string, string> = {},
): Promise<number> {
  const authorization = `Bearer ${tokenOf(user)}`;
  const init = { method, headers: { authorization, ...headers }, ...(body === undefined ? {} : { body }) };
  const answer = await fetch(`http://${to.address}${path}`, { ...init, signal: AbortSignal.timeout(30_000) });
  await answer.arrayBuffer();
  return answer.status;
}

it('a gateway calls for its users by their rights at the node, which names them in its audit log', async () => {
  const directory = await processes.directory();
  const [nodeUsers, auditFile] = [await secret(directory, 'node.yaml', usersBut()), join(directory, 'audit')];
  // At the gateway `app` may do everything: what it may not is the node's word.
  const atGateway = usersBut().replace('"roles":["app-role"]', '"roles":["reader","writer"]');
  const gatewayUsers = await secret(directory, 'gateway.yaml', atGateway);
  const sets = async (users: string, name: string): Promise<string[]> => {
    const token = await secret(directory, `${name}.token`, tokenOf(name));
    return ['auth.mode=required', `auth.file=${users}`, `peer.token_file=${token}`];
  };
  const metadata = `coordinator.metadata.file=${join(directory, 'metadata.db')}`;
  const coordinator = await processes.start({
    binary: 'coordinator',
    sets: [...(await sets(nodeUsers, 'coordinator')), metadata],
  });
  const own = [
    'cluster.node=a',
    `cluster.coordinators=${coordinator.address}`,
    `auth.audit_file=${auditFile}`,
  ];
  const node = await processes.start({
    binary: 'node',
    sets: [...(await sets(nodeUsers, 'replica')), ...own],
  });
  const gateway = await processes.start({
    binary: 'gateway',
    sets: [...(await sets(gatewayUsers, 'gateway')), `gateway.coordinators=${coordinator.address}`],
  });
  const init = [
    'POST',
    '/walnut.v1.Coordinator/InitCluster',
    '{"groups":[{"id":"g1","nodes":["a"]}]}',
  ] as const;
  const json = { 'content-type': 'application/json' };
  await eventually(
    async () => (await call(coordinator, 'operator', init, json)) === 200,
    'the cluster is made',
  );

  const write = ['PUT', '/v1/keys/own:k', 'v'] as const;
  await eventually(
    async () => (await call(gateway, 'app', write)) < 300,
    () => `it writes: ${gateway.output}`,
  );
  expect(await call(node, 'app', ['GET', '/v1/keys/own:k'])).toBe(200);
  expect(await call(gateway, 'app', ['PUT', '/v1/keys/foreign', 'v'])).toBe(403);
  // The same as bytes, which a gateway passes on without decoding them.
  const binary = { 'content-type': 'application/proto' };
  expect(await call(gateway, 'app', ['POST', '/walnut.v1.KVStore/Get', '\n\u0005other'], binary)).toBe(403);
  const lines = async () =>
    (await readFile(auditFile, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const refusedForApp = async () =>
    (await lines()).filter(({ user, via }) => user === 'app' && via === 'gateway').length;
  await eventually(async () => (await refusedForApp()) === 2, 'the audit log names user and gateway');

  const claimed = { 'x-walnut-on-behalf-of': 'chief' };
  for (const to of [gateway, node])
    expect(await call(to, 'app', ['GET', '/v1/keys/own:k'], claimed)).toBe(403);

  // What the tool reads for `top` and `doctor`, of each kind of process.
  const looks = [
    [coordinator, '/walnut.v1.Coordinator/GetCluster'],
    [gateway, '/walnut.v1.Coordinator/GetShardMap'],
    [gateway, '/walnut.v1.Admin/Status'],
    [node, '/walnut.v1.Admin/Status'],
  ] as const;
  for (const [to, method] of looks) {
    expect(await call(to, 'monitor', ['POST', method, '{}'], json)).toBe(200);
    expect(await call(to, 'monitor', ['GET', '/metrics'])).toBe(200);
  }
  for (const to of [gateway, node]) {
    expect(await call(to, 'monitor', ['GET', '/v1/keys/own:k'])).toBe(403);
    expect(await call(to, 'monitor', ['POST', '/walnut.v1.Admin/SetConfig', '{}'], json)).toBe(403);
  }
  expect(await call(node, 'monitor', ['POST', '/walnut.v1.Admin/GetConfig', '{}'], json)).toBe(200);
  expect(await call(coordinator, 'monitor', init, json)).toBe(403);

  await secret(directory, 'node.yaml', usersBut('app'));
  await eventually(
    async () => (await call(gateway, 'app', ['GET', '/v1/keys/own:k'])) === 403,
    'who is removed at the node is out behind the gateway, too',
  );
  expect(await call(gateway, 'both', ['GET', '/v1/keys/own:k'])).toBe(200);
}, 60_000);
