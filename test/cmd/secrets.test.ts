/**
 * What a node says about itself has no secret in it, and nothing that a caller sends begins
 * a line of its log: every way that a credential can come in, and every place where text
 * comes out, of one real process.
 */
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { hashOfToken, hashPassword, newToken } from '#auth/secret-hash.ts';
import { parseUserList } from '#auth/user-list.ts';
import { loadConfig } from '#config/load-config.ts';
import { printConfig } from '#config/print-config.ts';
import { createNodeRandom } from '#platform/random.ts';
import { type RealNode, RealNodes } from './real-node.ts';

const nodes = new RealNodes();
afterEach(() => nodes.end());

const random = createNodeRandom();
const PASSWORD = 'correct-horse-battery';
const INJECTED = 'INJECTED-LINE';
/** A line break, a colour and a quote, as a raw text and as a key. */
const HOSTILE = `k"\n${INJECTED}\u001b[31m\u2028\r`;

/** Credentials that are right and wrong, each of which must not be found again. */
async function makeSecrets() {
  const [app, chief, replica, wrong] = Array.from({ length: 4 }, () => newToken(random));
  const hash = await hashPassword(PASSWORD, random);
  return { app: app ?? '', chief: chief ?? '', replica: replica ?? '', wrong: wrong ?? '', hash };
}

async function start(secrets: Awaited<ReturnType<typeof makeSecrets>>) {
  const directory = await nodes.directory();
  const place = (name: string): string => join(directory, name);
  const users = [
    { name: 'app', roles: ['reader', 'writer'], tokens: [hashOfToken(secrets.app), secrets.hash] },
    { name: 'chief', roles: ['operator'], tokens: [hashOfToken(secrets.chief)] },
  ];
  await writeFile(place('auth.yaml'), JSON.stringify({ users }), { mode: 0o600 });
  await writeFile(place('replica.token'), `${secrets.replica}\n`, { mode: 0o600 });
  const sets = [
    'auth.mode=required',
    `auth.file=${place('auth.yaml')}`,
    `auth.audit_file=${place('audit.log')}`,
    `peer.token_file=${place('replica.token')}`,
    'log.level=debug',
    'log.format=pretty',
  ];
  const node = await nodes.start({ sets, stdio: ['ignore', 'pipe', 'pipe'] });
  node.child.stdout?.on('data', (bytes: Buffer) => {
    node.output += bytes.toString();
  });
  await node.ready();
  return { node, sets, auditFile: place('audit.log'), authFile: place('auth.yaml') };
}

/** One request as it stands; the whole answer. */
async function raw(node: RealNode, text: string): Promise<string> {
  const socket = connect(node.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (bytes: Buffer) => {
    answer += bytes.toString();
  });
  socket.on('error', () => {});
  socket.end(text);
  await once(socket, 'close');
  return answer;
}

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

/** Everything that the node answers to calls with all kinds of credentials and texts. */
async function call(node: RealNode, secrets: Awaited<ReturnType<typeof makeSecrets>>): Promise<string> {
  const credentials = [
    `Bearer ${secrets.app}`,
    `Bearer ${secrets.chief}`,
    `Bearer ${secrets.wrong}`,
    basic(`app:${PASSWORD}`),
    basic(`app:${PASSWORD}-wrong`),
    basic(`nobody\n${INJECTED}:${PASSWORD}-wrong`),
    `Digest ${secrets.wrong}`,
    `Bearer ${secrets.app}, Bearer ${secrets.wrong}`,
  ];
  const key = encodeURIComponent(HOSTILE);
  const body = JSON.stringify({ key: HOSTILE, clientId: HOSTILE, delta: '1' });
  const answers: Promise<string>[] = [];
  for (const credential of credentials) {
    const head = `Host: localhost\r\nAuthorization: ${credential}\r\nUser-Agent: ${secrets.wrong}\r\n`;
    const post = (path: string, text: string) =>
      `POST ${path} HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
    for (const request of [
      `PUT /v1/keys/${key} HTTP/1.1\r\n${head}Content-Length: 1\r\n\r\nv`,
      `GET /v1/keys/${key}?explain HTTP/1.1\r\n${head}\r\n`,
      `GET /metrics HTTP/1.1\r\n${head}\r\n`,
      post('/walnut.v1.KVStore/Increment', body),
      post('/walnut.v1.Admin/Status', '{}'),
      post('/walnut.v1.Admin/AddReplica', JSON.stringify({ address: `h:1\n${INJECTED}` })),
      post('/walnut.v1.Replication/Register', body),
      post(`/walnut.v1.KVStore/${key}`, '{}'),
    ])
      answers.push(raw(node, request));
  }
  const twice = `Authorization: Bearer ${secrets.app}\r\n`;
  answers.push(raw(node, `GET /v1/keys/k HTTP/1.1\r\nHost: localhost\r\n${twice}${twice}\r\n`));
  answers.push(raw(node, `GET / HTTP/1.1\r\nHost: ${INJECTED}"<\u001b>\r\n${twice}\r\n`));
  answers.push(raw(node, `${secrets.app}\r\n\r\n`));
  return (await Promise.all(answers)).join('\n');
}

it('neither the log, nor answers, metrics, configuration and audit log have a secret', async () => {
  const secrets = await makeSecrets();
  const { node, sets, auditFile, authFile } = await start(secrets);
  const answers = await call(node, secrets);
  expect(answers).toMatch(/HTTP\/1\.1 20[014]/);
  expect(answers).toContain('HTTP/1.1 401');
  // A hash in the file is replaced by a secret itself: the file is refused without quoting it.
  await writeFile(authFile, JSON.stringify({ users: [{ name: 'app', roles: [], tokens: [secrets.app] }] }));
  await chmod(authFile, 0o600);
  await expect.poll(() => node.output, { timeout: 30_000 }).toContain('cannot be used');
  const printed = printConfig(
    loadConfig({ kind: 'master', file: 'f', text: '', sets: [...sets, 'wal.directory=/d'] }),
  );
  const audit = await readFile(auditFile, 'utf8');
  expect(audit).toContain('permission_denied');

  const said = [node.output, answers, audit, printed].join('\n');
  const hidden = [...Object.values(secrets), PASSWORD, hashOfToken(secrets.app), hashOfToken(secrets.wrong)];
  const forms = hidden.flatMap((secret) => [secret, Buffer.from(secret).toString('base64').slice(0, -4)]);
  expect(forms.filter((form) => said.includes(form.replace(/^sha256:/, '')))).toEqual([]);

  for (const lines of [node.output, audit]) {
    expect(lines.split('\n').filter((line) => line.trimStart().startsWith(INJECTED))).toEqual([]);
    expect(['\u001b', '\r', '\u2028'].filter((character) => lines.includes(character))).toEqual([]);
  }
  for (const line of audit.trim().split('\n')) JSON.parse(line);
}, 60_000);

it('a file of users that has a secret instead of its hash is refused without quoting it', () => {
  const token = newToken(random);
  for (const tokens of [[token], token, [[token]], [{ [token]: token }], [`sha256:${token}`], [PASSWORD]]) {
    const problems = parseUserList({ users: [{ name: 'app', roles: ['reader'], tokens }] });
    const told = JSON.stringify(problems);
    expect(told).toMatch(/tokens/);
    expect([told.includes(token), told.includes(PASSWORD)]).toEqual([false, false]);
  }
});
