/**
 * What open pages cost a node, in milliseconds of processor time a second: a real master in this process,
 * its viewers in another. `node bin/launch.cjs test/page/viewer-bench.ts [SECONDS]`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunningMaster } from '#test/cli/running-node.ts';

const SECONDS = Number(process.argv[2] ?? 10);
const VIEWERS = [0, 1, 8, 32];
const CLIENT = `
const { get } = require('node:http');
const [url, many] = process.argv.slice(1);
let events = 0;
for (let each = 0; each < Number(many); each++)
  get(url, { agent: false }, (answer) => answer.on('data', () => { events += 1; }));
process.on('message', () => process.send(events));
process.send('ready');
setInterval(() => {}, 1_000);
`;

async function startViewers(url: string, many: number): Promise<ChildProcess> {
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
  const child = spawn(process.execPath, ['-e', CLIENT, url, String(many)], { stdio: [...stdio] });
  await once(child, 'message');
  return child;
}

async function measure(url: string, many: number): Promise<{ ms: number; events: number }> {
  const child = await startViewers(url, many);
  await sleep(2_000);
  const before = process.cpuUsage();
  await sleep(SECONDS * 1_000);
  const { user, system } = process.cpuUsage(before);
  child.send('count');
  const [events] = await once(child, 'message');
  child.kill();
  await once(child, 'close');
  return { ms: (user + system) / 1_000 / SECONDS, events: Number(events) };
}

const directory = mkdtempSync(join(tmpdir(), 'walnut-viewers-'));
const master = await RunningMaster.start(directory);
for (let each = 0; each < 1_000; each++) await master.set(`key:${each}`, 'a value');
let idle = 0;
for (const many of VIEWERS) {
  const { ms, events } = await measure(`http://${master.address}/page/live`, many);
  if (many === 0) idle = ms;
  const own = many === 0 ? '' : `, ${((ms - idle) / many).toFixed(2)} a viewer`;
  process.stdout.write(
    `${many} viewers: ${ms.toFixed(2)} ms of processor time a second${own}; ${events} events\n`,
  );
}
await master.stop();
rmSync(directory, { recursive: true, force: true });
