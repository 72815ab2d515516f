/**
 * The runbook of docs/security.md that switches a running group from clear text without
 * authentication to mutual TLS and tokens, and the rotation of its secrets, while a client
 * writes. `WALNUT_SWITCH_NODES=3` has a group of three.
 */
import { copyFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { runCli } from '#test/cli/memory-io.ts';
import { readText } from '#test/house/source-files.ts';
import { connect } from '../../client/connect.ts';
import type { WalnutClient } from '../../client/walnut-client.ts';
import { eventually, RealNodes } from './real-node.ts';
import { NODES_NAME, put, SecureGroup, type SecureMember, settingsOf, stated } from './secure-group.ts';
import { SteadyWriter } from './steady-writer.ts';

const NODES = Number(process.env['WALNUT_SWITCH_NODES'] ?? 2);
const nodes = new RealNodes();
afterEach(() => nodes.end());

interface Credential {
  readonly token: string;
  readonly hash: string;
}

async function newCredential(): Promise<Credential> {
  return JSON.parse((await runCli(['auth', 'new-token', '--json'])).out);
}

/** The file of users in which `user` has just these credentials. */
function withHashes(users: string, user: string, ...credentials: readonly Credential[]): string {
  const lines = credentials.map(({ hash }) => `      - ${hash}\n`).join('');
  const tokens = new RegExp(`(- name: ${user}\\n.*\\n +tokens:\\n)(?: +- sha256:.*\\n)*`);
  return users.replace(tokens, (_, head: string) => head + lines);
}

/** Gives all nodes this file, whole. */
function giveAll(members: readonly SecureMember[], name: string, text: string): void {
  for (const { directory } of members) {
    writeFileSync(join(directory, `${name}.new`), text, { mode: 0o600 });
    renameSync(join(directory, `${name}.new`), join(directory, name));
  }
}

function giveCertificates({ members, certificates }: SecureGroup): void {
  const issued = certificates.issue();
  for (const { index, directory } of members)
    for (const ending of ['crt', 'key']) put(`${issued(index)}.${ending}`, join(directory, `node.${ending}`));
}

/** The files of step 1 of the runbook, on every node. */
async function giveFiles(group: SecureGroup, app: Credential): Promise<string> {
  const made = join(group.directory, 'made');
  expect((await runCli(['auth', 'init', made])).code).toBe(0);
  const init = readFileSync(join(made, 'auth.yaml'), 'utf8');
  const users = withHashes(`${init}  - name: app\n    roles: [reader, writer]\n    tokens:\n`, 'app', app);
  for (const { directory } of group.members) {
    copyFileSync(group.certificates.caFile, join(directory, 'ca.crt'));
    for (const name of ['replica.token', 'operator.token'])
      copyFileSync(join(made, name), join(directory, name));
  }
  giveAll(group.members, 'auth.yaml', users);
  giveCertificates(group);
  return users;
}

/** What every node has before: clear text, and nobody is known. */
function firstConfiguration({ members }: SecureGroup, member: SecureMember): string {
  const others = members.filter((each) => each !== member).map(({ address }) => address);
  const upstream =
    member.index === 0 ? '' : `master: {address: "${members[0]?.address}", sync_interval: 100ms}\n`;
  return `${upstream}replication: {heartbeat: 100ms, replicas: ${JSON.stringify(others)}}\n`;
}

function production({ index }: SecureMember): string {
  return readText(`configs/production/${index === 0 ? 'master' : `slave-${index}`}.yaml`);
}

/** Restarts all nodes one by one, replicas first. */
async function restartAll(
  group: SecureGroup,
  yaml: (member: SecureMember) => readonly string[],
): Promise<void> {
  for (const member of [...group.members].reverse()) await member.restart(yaml(member));
}

function openClient(group: SecureGroup, { address }: SecureMember, { token }: Credential): WalnutClient {
  return connect({ address: `https://${address}`, tls: group.clientTls(), token });
}

/** The result of a call with this token, or without one, to a verified node. */
async function getCode(
  group: SecureGroup,
  { address }: SecureMember,
  credential?: Credential,
): Promise<string> {
  const env = credential === undefined ? {} : { WALNUT_TOKEN: credential.token };
  const verified = ['--ca-file', group.certificates.caFile, '--server-name', NODES_NAME];
  const { code, err } = await runCli(['get', 'written:0', '--address', `https://${address}`, ...verified], {
    env,
  });
  return code === 0 ? 'ok' : (/answered ([A-Z_]+)/.exec(err)?.[1] ?? err);
}

function servedCertificate({ port }: SecureMember): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** Steps 2 to 4. */
async function switchOver(group: SecureGroup, writer: SteadyWriter, app: Credential): Promise<void> {
  const [master] = group.members as [SecureMember];
  const [optional = '', peers = '', required = ''] = stated('Switching a running group over', 'yaml');
  await restartAll(group, (member) => [firstConfiguration(group, member), optional]);
  await restartAll(group, (member) => [firstConfiguration(group, member), optional, peers]);
  await writer.use(openClient(group, master, app));
  group.isSecure = true;
  await restartAll(group, (member) => [production(member)]);

  // What the steps add up to is what production has.
  const secured = (texts: readonly string[]) =>
    Object.fromEntries(
      texts
        .flatMap(settingsOf)
        .filter((each) => /^(server\.tls|auth|peer)\./.test(each) && !each.includes('audit_file'))
        .map((each) => each.split('=')),
    );
  const steps = secured([optional, peers, required]);
  for (const member of group.members)
    expect({ ...secured([production(member)]), 'auth.allow_clear_text': 'false' }).toEqual(steps);
}

/** New certificates and tokens for nodes and clients, and the old tokens removed. */
async function rotate(
  group: SecureGroup,
  writer: SteadyWriter,
  before: Credential,
  users: string,
): Promise<Credential> {
  const { members } = group;
  const [master] = members as [SecureMember];
  const [app, replica] = [await newCredential(), await newCredential()];
  const served = await Promise.all(members.map(servedCertificate));
  giveCertificates(group);
  const [, oldReplica = ''] = /- name: replica\n.*\n +tokens:\n +- (sha256:.*)/.exec(users) ?? [];
  const both = withHashes(users, 'app', before, app);
  giveAll(members, 'auth.yaml', withHashes(both, 'replica', { token: '', hash: oldReplica }, replica));
  for (const member of members) {
    await eventually(
      async () => (await servedCertificate(member)) !== served[member.index],
      'a new certificate',
    );
    await eventually(async () => (await getCode(group, member, app)) === 'ok', 'the new token');
  }
  await writer.use(openClient(group, master, app));
  giveAll(members, 'replica.token', `${replica.token}\n`);
  giveAll(members, 'auth.yaml', withHashes(withHashes(users, 'app', app), 'replica', replica));
  for (const member of members)
    await eventually(
      async () => (await getCode(group, member, before)) === 'UNAUTHENTICATED',
      'the old one is out',
    );
  return app;
}

async function writtenOn(client: WalnutClient): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key, value } of client.scan('written:')) found.set(key, Buffer.from(value).toString());
  await client.close();
  return found;
}

it('a running group is switched to mutual TLS and tokens, and its secrets are changed, while a client writes', async () => {
  const group = await SecureGroup.create(nodes, NODES);
  const [master] = group.members as [SecureMember];
  for (const member of group.members) await member.restart([firstConfiguration(group, member)]);
  const writer = new SteadyWriter(connect({ address: master.address }));

  const first = await newCredential();
  const users = await giveFiles(group, first);
  await switchOver(group, writer, first);
  for (const member of group.members) {
    expect(await getCode(group, member)).toBe('UNAUTHENTICATED');
    const clear = await runCli(['get', 'written:0', '--address', member.address]);
    expect([clear.code, clear.err]).toEqual([2, expect.stringContaining('use https://')]);
  }

  const { refusals } = writer;
  const app = await rotate(group, writer, first, users);
  const many = writer.acknowledged.size + 20;
  await eventually(() => writer.acknowledged.size > many, 'writes go on');
  expect([writer.refusals - refusals, writer.failures]).toEqual([0, []]);
  await writer.stop();
  for (const member of group.members) {
    const same = async (): Promise<boolean> =>
      (await writtenOn(openClient(group, member, app))).size === writer.acknowledged.size;
    await eventually(same, `node ${member.index + 1} has all`);
    expect(await writtenOn(openClient(group, member, app))).toEqual(writer.acknowledged);
  }
}, 240_000);
