/** Servers of HTTP/2 that are not ours, answering what Walnut does to one call. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OneAnswer } from './ask-once.ts';
import { freePort, started, type Target, targetOf } from './processes.ts';

const ATTEMPTS_MAX = 200;

/** `nghttpd` answers a path with the file of that name. */
export async function startNghttpd(directory: string, path: string, { body }: OneAnswer): Promise<Target> {
  const file = join(directory, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, body);
  const port = await freePort();
  const argv = ['--no-tls', '--address=127.0.0.1', `--htdocs=${directory}`, String(port)];
  const child = spawn('nghttpd', argv, { stdio: ['ignore', 'ignore', 'inherit'] });
  await untilListening(port);
  return targetOf(child, port);
}

/** It says that it listens only when its output is full. */
async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await delay(50);
  }
  throw new Error(`nghttpd does not listen on port ${port}`);
}

export function startGo(directory: string, _path: string, { type, body }: OneAnswer): Promise<Target> {
  const program = join(directory, 'go-h2c');
  const cwd = join(import.meta.dirname, 'go-h2c');
  const { status, stderr } = spawnSync('go', ['build', '-o', program, '.'], { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`go build of bench/unary/go-h2c: ${stderr}`);
  const child = spawn(program, [type, body.toString('base64')], { stdio: ['pipe', 'pipe', 'inherit'] });
  return started(child, /port (\d+)/);
}
