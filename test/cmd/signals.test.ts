/** The effect of each signal on a node that the launcher has started, with and without nohup. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, pause, type RealNode, RealNodes } from './real-node.ts';

const nodes = new RealNodes();
afterEach(() => nodes.end());

/** Longer than a signal takes to end a process that does not handle it. */
const SETTLED_MS = 500;

async function launched(wrapper: readonly string[] = []): Promise<RealNode> {
  const node = await nodes.start({ isLaunched: true, wrapper });
  await node.ready();
  return node;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** True if the process catches the signal of that number, by /proc. On other systems always true. */
function handles({ child }: RealNode, signal: number): boolean {
  if (process.platform !== 'linux') return true;
  const [, mask = '0'] = /^SigCgt:\s*(\w+)$/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? [];
  return ((BigInt(`0x${mask}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

describe.skipIf(process.platform === 'win32')('a launched node', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)(
    'stops cleanly on %s to the launcher',
    async (signal) => {
      const node = await launched();
      node.kill(signal);
      expect(await node.ended).toEqual({ code: 0, signal: null });
      expect(node.output).toContain('"stopped"');
    },
    60_000,
  );

  it('reads its file again on SIGHUP without a terminal, and runs on without a debugger after SIGUSR1 and SIGUSR2', async () => {
    const file = join(await nodes.directory(), 'master.yaml');
    await writeFile(file, 'log: { level: info }\n');
    const node = await nodes.start({ isLaunched: true, wrapper: ['nohup'], flags: ['--config', file] });
    await node.ready();
    const set = { key: 'a', value: 'aGk=' };
    for (const [level, least, status] of [
      ['debug', 1, 503],
      ['info', 0, 200],
    ] as const) {
      const text = `server: { max_batch_bytes: 1MiB }\nreplication: { min_replicas_to_write: ${least} }\n`;
      await writeFile(file, `${text}log: { level: ${level} }\n`);
      for (const signal of ['SIGUSR1', 'SIGUSR2', 'SIGHUP'] as const) node.kill(signal);
      await eventually(() => node.output.includes(`"value":"${level}"`), 'the level is the new one');
      await eventually(
        async () => (await node.call('KVStore/Set', set)).status === status,
        'writes by the new rule',
      );
    }
    await eventually(() => node.output.includes('"keys":["server.max_batch_bytes"]'), 'what needs a restart');
    expect(node.output).not.toContain('Debugger listening');
    node.kill('SIGTERM');
    expect(await node.ended).toEqual({ code: 0, signal: null });
  }, 60_000);

  it.each(['master', 'coordinator'] as const)(
    'a %s reads its file again after a SIGHUP while it was loaded',
    async (binary) => {
      const sets =
        binary === 'master' ? [] : [`coordinator.metadata.file=${join(await nodes.directory(), 'm.db')}`];
      const node = await nodes.start({ binary, sets, isLaunched: true, wrapper: ['nohup'] });
      await eventually(() => handles(node, 1), 'the launcher handles SIGHUP');
      node.kill('SIGHUP');
      await eventually(
        () => node.output.includes('the configuration was read again'),
        () => node.output,
      );
      expect(node.child.exitCode).toBe(null);
      node.kill('SIGTERM');
      expect(await node.ended).toEqual({ code: 0, signal: null });
    },
    60_000,
  );

  it('crashes on SIGABRT to the launcher, which says so by its exit code', async () => {
    const node = await launched();
    node.kill('SIGABRT');
    expect(await node.ended).toEqual({ code: 134, signal: null });
    await eventually(async () => !(await isListening(node.port)), 'the node has ended');
  }, 60_000);

  it.each(['SIGKILL', 'SIGSEGV'] as const)(
    'stops cleanly by itself when %s ends the launcher',
    async (signal) => {
      const node = await launched();
      node.kill(signal);
      expect(await node.ended).toEqual({ code: null, signal });
      await eventually(() => node.output.includes('"stopped"'), 'the node has stopped');
      expect(node.output).toContain('end of the launcher');
      await eventually(async () => !(await isListening(node.port)), 'the port is free');
    },
    60_000,
  );
});

describe.skipIf(process.platform === 'win32')('a node without the launcher', () => {
  it('ends a start with exit code 0 on SIGTERM, and is not ended by SIGHUP', async () => {
    const node = await nodes.start();
    // Its handlers are installed before the half second of loading.
    await eventually(() => handles(node, 1), 'SIGHUP is handled');
    node.kill('SIGHUP');
    await pause(SETTLED_MS);
    expect(node.child.exitCode ?? node.child.signalCode).toBe(null);
    await node.ready();
    const other = await nodes.start();
    await eventually(() => handles(other, 1), 'SIGHUP is handled, and so SIGTERM');
    other.kill('SIGTERM');
    expect(await other.ended).toEqual({ code: 0, signal: null });
  }, 60_000);

  it('ignores SIGUSR1 and SIGUSR2, and says so', async () => {
    const node = await nodes.start();
    await node.ready();
    for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
      node.kill(signal);
      await eventually(() => node.output.includes(`"signal":"${signal}","msg":"signal ignored`), signal);
    }
    expect(node.output).not.toContain('Debugger listening');
    node.kill('SIGQUIT');
    expect(await node.ended).toEqual({ code: 0, signal: null });
  }, 60_000);
});
