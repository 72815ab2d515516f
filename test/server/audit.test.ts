/** The audit log: every admin call with its outcome, and every refusal, once. */
import { chmodSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import type { AuditEvent } from '#model/access.ts';
import { WalnutError } from '#model/errors.ts';
import { CloserStack } from '#platform/closer-stack.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { http1, http2, onCleanup, type Running, rpc, session, start } from '#test/server/running.ts';
import { openAudit } from '../../cmd/node/node-audit.ts';

async function open(): Promise<{ running: Running; noted: string[] }> {
  const identities = new Identities({
    clock: new VirtualClock(),
    mode: 'required',
    users: usersOf(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  const noted: string[] = [];
  const note = ({ user, from, operation, outcome, by }: AuditEvent): void => {
    const how = by === undefined ? outcome : `${outcome} by ${by}`;
    noted.push(`${user} ${from} ${operation.replace('/walnut.v1.', '')} ${how}`);
  };
  const running = await start({ identities, isIdentityRequired: true, audit: { note } });
  return { running, noted };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const as = (user: string) => ({ ...JSON_TYPE, authorization: `Bearer ${tokenOf(user)}` });

describe('the audit log', () => {
  it('has admin calls with their outcomes, over both HTTPs and in streams', async () => {
    const { running, noted } = await open();
    const call = (method: string, headers: Record<string, string>, body: string | Buffer = '{}') =>
      http1(running, 'POST', `/walnut.v1.Admin/${method}`, { headers, body });
    await call('Checkpoint', as('operator'));
    await call('Status', as('operator'));
    running.node.failure = new WalnutError('failed_precondition', 'not now');
    await call('RotateWal', as('operator'));
    running.node.failure = undefined;
    const path = '/walnut.v1.Admin/Checkpoint';
    await http2(session(running), { ':method': 'POST', ':path': path, ...as('checkpointer') }, '{}');
    const frame = Buffer.from([0, 0, 0, 0, 2, 0x7b, 0x7d]);
    await call('Scrub', { ...as('operator'), 'content-type': 'application/connect+json' }, frame);
    expect(noted).toEqual([
      'operator 127.0.0.1 Admin/Checkpoint ok',
      'operator 127.0.0.1 Admin/RotateWal failed_precondition',
      'checkpointer 127.0.0.1 Admin/Checkpoint ok',
      'operator 127.0.0.1 Admin/Scrub ok',
    ]);
  });

  it('has refusals for the name that was called, and none of a node that stops', async () => {
    const { running, noted } = await open();
    const get = (headers: Record<string, string>) => http1(running, 'GET', '/v1/keys/k', { headers });
    await get({ ...as('reader'), host: 'evil.example' });
    await get({ ...as('reader'), origin: 'https://evil.example' });
    running.server.beginDrain();
    await get(as('reader'));
    expect(noted).toEqual(Array(2).fill('anonymous 127.0.0.1 KVStore/Get permission_denied by name'));
  });

  it('has refusals, for the credential, the method and the key', async () => {
    const { running, noted } = await open();
    await rpc(running, 'KVStore/Get', { key: 'k' });
    await http1(running, 'POST', '/walnut.v1.Admin/Checkpoint', { headers: as('app'), body: '{}' });
    await http1(running, 'POST', '/walnut.v1.KVStore/Get', { headers: as('app'), body: '{"key":"foreign"}' });
    await http1(running, 'GET', '/v1/keys/foreign', { headers: as('app') });
    await http1(running, 'GET', '/v1/keys/own:k', { headers: as('app') });
    await http1(running, 'GET', '/v1/keys/foreign', { headers: as('reader') });
    running.node.watched = () => {
      throw new WalnutError('permission_denied', 'not this key');
    };
    await http1(running, 'GET', '/v1/watch?key=foreign', { headers: as('app') });
    await http2(
      session(running),
      { ':method': 'POST', ':path': '/walnut.v1.KVStore/Get', ...JSON_TYPE },
      '{}',
    );
    expect(noted).toEqual([
      'anonymous 127.0.0.1 KVStore/Get unauthenticated by credential',
      'app 127.0.0.1 Admin/Checkpoint permission_denied by rights',
      'app 127.0.0.1 KVStore/Get permission_denied by key',
      'app 127.0.0.1 KVStore/Get permission_denied by key',
      'app 127.0.0.1 KVStore/Watch permission_denied by key',
      'anonymous 127.0.0.1 KVStore/Get unauthenticated by credential',
    ]);
  });

  it('is a file with a JSON object on each line, and bounded where anyone can fill it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'walnut-audit-'));
    onCleanup(() => rm(directory, { recursive: true, force: true }));
    const path = join(directory, 'audit.log');
    const clock = new VirtualClock();
    const closers = new CloserStack();
    const audit = openAudit(path, 'n:1', { clock, logger: silentLogger, metrics: new Metrics(), closers });
    const refusal = {
      user: 'a',
      from: '::1',
      operation: '/x',
      outcome: 'unauthenticated',
      by: 'credential',
      isRefusal: true,
      isAdmin: false,
    };
    for (let i = 0; i < 100; i++) audit.note(refusal);
    for (let i = 0; i < 20; i++) audit.note({ ...refusal, outcome: 'ok', by: undefined, isRefusal: false });
    await clock.advance(10_000);
    audit.note(refusal);
    await closers.close();
    const lines = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.length).toBe(5 + 20 + 1);
    expect(lines.at(-1)).toEqual({
      time: new Date(clock.wallMs()).toISOString(),
      node: 'n:1',
      user: 'a',
      from: '::1',
      operation: '/x',
      outcome: 'unauthenticated',
      by: 'credential',
      leftOut: 95,
    });
  });

  it('has refusals of each user, and refused admin calls, whatever else is refused', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'walnut-audit-'));
    onCleanup(() => rm(directory, { recursive: true, force: true }));
    const path = join(directory, 'audit.log');
    const closers = new CloserStack();
    const audit = openAudit(path, 'n', {
      clock: new VirtualClock(),
      logger: silentLogger,
      metrics: new Metrics(),
      closers,
    });
    const refuse = (user: string, isAdmin: boolean): void =>
      audit.note({ user, from: '', operation: '', outcome: 'permission_denied', isRefusal: true, isAdmin });
    for (let i = 0; i < 7; i++) refuse('ann', false);
    for (let i = 0; i < 7; i++) refuse('bob', true);
    refuse('ann', true);
    refuse('eve', false);
    await closers.close();
    const users = Array.from(readFileSync(path, 'utf8').matchAll(/"user":"(\w+)"/g), ([, user]) => user);
    expect(users).toEqual([...Array(5).fill('ann'), ...Array(5).fill('bob'), 'ann', 'eve']);
  });

  it('goes on in a new file where it was renamed or deleted, and says and counts what is not in it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'walnut-audit-'));
    onCleanup(() => rm(directory, { recursive: true, force: true }));
    const [path, old] = [join(directory, 'audit.log'), join(directory, 'audit.log.1')];
    const metrics = new Metrics();
    const told: unknown[] = [];
    const logger = { ...silentLogger, error: (...line: unknown[]) => void told.push(line) };
    const parts = { clock: new VirtualClock(), logger, metrics, closers: new CloserStack() };
    const audit = openAudit(path, 'n', parts);
    const note = (user: string): void =>
      audit.note({ user, from: '', operation: '', outcome: 'ok', isRefusal: false, isAdmin: true });
    const users = (file: string) =>
      Array.from(readFileSync(file, 'utf8').matchAll(/"user":"(\w+)"/g), ([, user]) => user);
    note('a');
    renameSync(path, old);
    note('b');
    expect([users(old), users(path), statSync(path).mode & 0o777]).toEqual([['a'], ['b'], 0o600]);
    renameSync(path, old);
    writeFileSync(path, '');
    chmodSync(path, 0o644);
    note('c');
    note('c');
    expect([users(old), users(path)]).toEqual([['b', 'c', 'c'], []]);
    const reason = `${path}: other users may read or change it (mode 0644): type chmod 600 ${path}`;
    expect(told).toEqual([[{ file: path, reason }, 'the audit log cannot be written']]);
    expect(await metrics.render()).toContain('\nwalnut_audit_lines_dropped_total 2\n');
    rmSync(old);
    note('d');
    expect(await metrics.render()).toContain('\nwalnut_audit_lines_dropped_total 3\n');
    rmSync(path);
    note('e');
    const [gap = '', next] = readFileSync(path, 'utf8').split('\n');
    expect([JSON.parse(gap), next]).toEqual([
      { missingLines: 1, code: reason },
      expect.stringContaining('"user":"e"'),
    ]);
  });

  it.each([
    [0o600, true],
    [0o640, true],
    [0o660, false],
    [0o644, false],
    [0o602, false],
  ])('is taken with mode %o: %s', async (mode, isTaken) => {
    const directory = await mkdtemp(join(tmpdir(), 'walnut-audit-'));
    onCleanup(() => rm(directory, { recursive: true, force: true }));
    const path = join(directory, 'audit.log');
    writeFileSync(path, '');
    chmodSync(path, mode);
    const closers = new CloserStack();
    const opened = () =>
      openAudit(path, 'n', {
        clock: new VirtualClock(),
        logger: silentLogger,
        metrics: new Metrics(),
        closers,
      });
    if (isTaken) opened();
    else expect(opened).toThrow(`auth.audit_file: ${path}: other users may read or change it (mode 0`);
    await closers.close();
  });

  it('is refused with its name where it cannot be opened', () => {
    const parts = {
      clock: new VirtualClock(),
      logger: silentLogger,
      metrics: new Metrics(),
      closers: new CloserStack(),
    };
    expect(() => openAudit('/none/audit.log', 'n', parts)).toThrow(/^auth.audit_file: ENOENT/);
  });
});
