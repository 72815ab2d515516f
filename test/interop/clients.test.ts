/**
 * Clients that are not ours against a running master: Python's grpcio, Connect's Go client
 * over each of its protocols, grpc-js, tonic and reqwest of Rust, and grpcurl. What is
 * missing on a machine is skipped, and the reason says what it is. INTEROP_PYTHON and
 * GRPCURL name a program that is not on the PATH.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const PYTHON = process.env['INTEROP_PYTHON'] ?? 'python3';
const GRPCURL = process.env['GRPCURL'] ?? 'grpcurl';
/** A build may have to fetch modules. */
const TIMEOUT_MS = 600_000;
const GRPC_JS = '@grpc/grpc-js@1.14.7';

let directory = '';
let descriptors = '';
let master: RunningMaster;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'walnut-interop-'));
  descriptors = join(directory, 'descriptors.binpb');
  master = await RunningMaster.start(join(directory, 'data'));
});
afterAll(async () => {
  await master.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** The FileDescriptorSet of api/, made when the first client needs it. */
function describeApi(): string {
  const buf = join(ROOT, 'node_modules/.bin/buf');
  const { status, stderr } = spawnSync(buf, ['build', 'api', '-o', descriptors], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  return descriptors;
}

/** The lines that a program prints; it must end with 0. The master runs in this process, so nothing may block it. */
async function linesOf(command: string, argv: readonly string[]): Promise<string[]> {
  const child = spawn(command, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.err += text;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code, output.err).toBe(0);
  return output.out.trimEnd().split('\n');
}

function isThere(command: string, argv: readonly string[]): boolean {
  return spawnSync(command, argv, { stdio: 'ignore' }).status === 0;
}

describe('a client that is not ours', { timeout: TIMEOUT_MS }, () => {
  it('is grpcio of Python', async ({ skip }) => {
    if (!isThere(PYTHON, ['-c', 'import grpc, google.protobuf']))
      skip('SKIPPED: no grpcio for Python here: pip install grpcio protobuf');
    const script = join(HERE, 'client.py');
    expect(await linesOf(PYTHON, [script, master.address, describeApi()])).toEqual([
      'set True',
      'get True v True',
      'increment 42',
      "batch ['set', 'get'] w",
      'refused INVALID_ARGUMENT',
      'watch watched seen',
      'large True',
    ]);
  });

  it('is that of Connect for Go, over each protocol', async ({ skip }) => {
    if (!process.env['WALNUT_INTEROP'])
      skip('SKIPPED: it takes a minute to build; run: npm run test:interop');
    if (!isThere('go', ['version'])) skip('SKIPPED: no Go here');
    const cwd = join(HERE, 'go');
    const program = join(directory, 'client');
    if (spawnSync('go', ['mod', 'download'], { cwd, stdio: 'ignore' }).status !== 0)
      skip('SKIPPED: the modules of test/interop/go cannot be had here');
    const built = spawnSync('go', ['build', '-o', program, '.'], { cwd, encoding: 'utf8' });
    expect([built.status, built.stderr]).toEqual([0, '']);
    describeApi();
    for (const protocol of ['connect', 'connect-json', 'grpc', 'grpcweb']) {
      expect(await linesOf(program, [master.address, descriptors, protocol]), protocol).toEqual([
        'set true',
        'get true v true',
        'increment 42',
        'batch 2 w',
        'refused invalid_argument',
        'watch watched seen',
        'large true',
      ]);
    }
  });

  it('is grpc-js', async ({ skip }) => {
    if (!process.env['WALNUT_INTEROP'])
      skip('SKIPPED: it is installed for the test; run: npm run test:interop');
    const place = join(directory, 'grpc-js');
    mkdirSync(place);
    if (!isThere('npm', ['install', '--silent', '--prefix', place, GRPC_JS]))
      skip(`SKIPPED: ${GRPC_JS} cannot be had here`);
    const argv = [join(HERE, 'grpc-js/client.mjs'), join(place, 'any.js'), import.meta.filename];
    expect(await linesOf(process.execPath, [...argv, master.address, describeApi()])).toEqual([
      'set true',
      'get true v true',
      'increment 42',
      'batch 2 w',
      'refused INVALID_ARGUMENT',
      'watch watched seen',
      'large true',
    ]);
  });

  it('is tonic or reqwest of Rust', async ({ skip }) => {
    if (!process.env['WALNUT_INTEROP'])
      skip('SKIPPED: it takes a minute to build; run: npm run test:interop');
    if (!isThere('cargo', ['--version'])) skip('SKIPPED: no Rust here');
    const manifest = ['--locked', '--manifest-path', join(HERE, 'rust/Cargo.toml')];
    if (!isThere('cargo', ['fetch', ...manifest]))
      skip('SKIPPED: the crates of test/interop/rust cannot be had here');
    const target = process.env['CARGO_TARGET_DIR'] ?? join(directory, 'rust');
    await linesOf('cargo', ['build', '--quiet', '--target-dir', target, ...manifest]);
    describeApi();
    for (const kind of ['tonic', 'reqwest-h1', 'reqwest-h2']) {
      const program = join(target, 'debug/walnut-interop');
      expect(await linesOf(program, [master.address, descriptors, kind]), kind).toEqual([
        'set true',
        'get true v true',
        'increment 42',
        'batch 2 w',
        'refused invalidargument',
        'watch watched seen',
        'large true',
      ]);
    }
  });

  it('is grpcurl, which asks the server what it serves', async ({ skip }) => {
    if (!isThere(GRPCURL, ['-version'])) skip('SKIPPED: no grpcurl here');
    const ask = (...argv: string[]) => linesOf(GRPCURL, ['-plaintext', ...argv]);
    expect(await ask(master.address, 'list')).toEqual([
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'walnut.v1.Admin',
      'walnut.v1.KVStore',
      'walnut.v1.Replication',
    ]);
    const described = await ask(master.address, 'describe', 'walnut.v1.GetRequest');
    expect(described.join('\n')).toContain('// 1 to 1,024 bytes of well-formed UTF-8.');
    await ask('-d', '{"key":"curled","value":"dg=="}', master.address, 'walnut.v1.KVStore/Set');
    const got = await ask('-d', '{"key":"curled"}', master.address, 'walnut.v1.KVStore/Get');
    expect(JSON.parse(got.join('\n'))).toMatchObject({ found: true, value: 'dg==' });
  });
});
