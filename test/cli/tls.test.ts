/** The tool by TLS: `https://` addresses, what it trusts and shows, and where its token goes. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { WalnutError } from '#model/errors.ts';

import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { runCli } from '#test/cli/memory-io.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { startTlsFront } from '#test/doubles/tls-front.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { onCleanup, start } from '#test/server/running.ts';

const OURS = new Authority();
let directory = '';
const file = (name: string): string => join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-tls-'));
  const { cert, key } = OURS.issue({ cn: 'operator' });
  const texts = { 'ca.pem': OURS.cert, 'foreign.pem': new Authority().cert, 'own.pem': cert, 'own.key': key };
  for (const [name, text] of Object.entries(texts)) await writeFile(file(name), text, { mode: 0o600 });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A node that knows its callers, with TLS in front of it. */
async function startNode(options: TlsOptions = {}) {
  const identities = new Identities({
    mode: 'required',
    users: usersOf(),
    clock: new VirtualClock(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  const running = await start({ identities, isIdentityRequired: true });
  const front = await startTlsFront(running.server.port, { ...OURS.issue(), ...options });
  onCleanup(() => front.close());
  return { ...running, front };
}

const env = { WALNUT_TOKEN: tokenOf('chief') };
const ca = () => ['--ca-file', file('ca.pem')];

describe('an https:// address', () => {
  it('is called by TLS, in unary calls and in streams, with options or variables', async () => {
    const { front } = await startNode();
    const address = ['--address', `https://${front.address}`];
    expect(await runCli(['set', 'k', 'v', ...address, ...ca()], { env })).toMatchObject({ code: 0 });
    const variables = { ...env, WALNUT_ADDRESS: `https://${front.address}`, WALNUT_CA_FILE: file('ca.pem') };
    expect(await runCli(['get', 'k'], { env: variables })).toMatchObject({ code: 0, out: 'v' });
    expect(await runCli(['scrub'], { env: variables })).toMatchObject({
      err: expect.stringContaining('scrubbing'),
    });
    expect(front.accepted).toBe(3);
  });

  it('shows a certificate, and takes a name for one that is for another address', async () => {
    const demanding = { requestCert: true, rejectUnauthorized: true, ca: OURS.cert };
    const { front } = await startNode({ ...demanding, ...OURS.issue({ dns: ['nodes.walnut'] }) });
    const command = [
      'get',
      'k',
      '--address',
      `https://${front.address}`,
      ...ca(),
      '--server-name',
      'nodes.walnut',
    ];
    const own = ['--cert-file', file('own.pem'), '--key-file', file('own.key')];
    expect(await runCli([...command, ...own], { env })).toMatchObject({ code: 1 });
    const without = await runCli(command, { env });
    expect([without.code, without.err]).toEqual([
      5,
      expect.stringMatching(/demands a certificate.*--cert-file/s),
    ]);
  });

  it.each<[string, string[], RegExp]>([
    ['an authority is unknown', [], /authority that is not trusted here.*--ca-file FILE/s],
    ['the authority is another one', ['--ca-file', 'foreign.pem'], /not trusted here/],
    [
      'its certificate is for another name',
      ['--ca-file', 'ca.pem', '--server-name', 'x.example'],
      /for another name/,
    ],
  ])('is not called where %s', async (_, options, why) => {
    const { front } = await startNode();
    const args = options.map((each) => (each.endsWith('.pem') ? file(each) : each));
    for (const command of [['get', 'k'], ['scrub']]) {
      const ran = await runCli([...command, '--address', `https://${front.address}`, ...args], { env });
      expect([ran.code, ran.err]).toEqual([5, expect.stringMatching(why)]);
    }
    expect(front.accepted).toBe(0);
  });

  it('is not spoken to in clear text where it has no TLS', async () => {
    const { server } = await startNode();
    const ran = await runCli(['get', 'k', '--address', `https://${server.address}`, ...ca()], { env });
    expect([ran.code, ran.err]).toEqual([
      5,
      expect.stringMatching(/it does not speak TLS.*One without TLS/s),
    ]);
  });

  it.each<[string[], string]>([
    [['--ca-file', '/nowhere'], '/nowhere: '],
    [['--cert-file', 'a'], '--cert-file and --key-file go together'],
    [['--server-name', '127.0.0.1'], 'expected a host name, not an address'],
  ])('with %o is wrong usage', async (options, why) => {
    const ran = await runCli(['get', 'k', '--address', 'https://127.0.0.1:1', ...options]);
    expect([ran.code, ran.err]).toEqual([2, expect.stringContaining(why)]);
  });

  it('is what the options of TLS go with, and they are not ignored elsewhere', async () => {
    const ran = await runCli(['get', 'k', '--address', '127.0.0.1:1', '--ca-file', 'a']);
    expect([ran.code, ran.err]).toEqual([2, expect.stringMatching(/--ca-file goes with.*https:\/\/127/s)]);
  });
});

describe('the token of the tool', () => {
  it('crosses a network by TLS unasked', async () => {
    const ran = await runCli(['get', 'k', '--address', 'https://192.0.2.1:8080', '--ca-file', '/nowhere'], {
      env,
    });
    expect(ran.err).toContain('/nowhere: ');
    const clear = await runCli(['get', 'k', '--address', '192.0.2.1:8080'], { env });
    expect(clear.err).toContain('https://HOST:PORT');
  });

  it('follows a hint by TLS that came by TLS, and no other', async () => {
    const master = await startNode();
    const replica = await startNode();
    const hint = { leaderHint: master.front.address };
    replica.node.failure = new WalnutError('failed_precondition', 'a replica takes no writes', hint);
    const byTls = await runCli(['set', 'k', 'v', '--address', `https://${replica.front.address}`, ...ca()], {
      env,
    });
    expect(byTls).toMatchObject({
      code: 0,
      err: expect.stringContaining('is a replica; writing to its master'),
    });
    expect(master.node.entries.size).toBe(1);

    const clearHint = { leaderHint: master.server.address };
    replica.node.failure = new WalnutError('failed_precondition', 'a replica takes no writes', clearHint);
    const inClear = await runCli(['set', 'k', 'v', '--address', replica.server.address], { env });
    expect([inClear.code, inClear.err]).toEqual([5, expect.stringContaining('UNAUTHENTICATED')]);
    const downgraded = await runCli(
      ['set', 'k', 'v', '--address', `https://${replica.front.address}`, ...ca()],
      { env },
    );
    expect([downgraded.code, downgraded.err]).toEqual([5, expect.stringContaining('it does not speak TLS')]);
  });
});
