/** Nodes whose standard error is full, blocks, or has lost its reader serve like any other. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, type RealNode, RealNodes } from './real-node.ts';

const nodes = new RealNodes();
const files: number[] = [];
afterEach(async () => {
  for (const file of files.splice(0)) closeSync(file);
  await nodes.end();
});

function open(path: string, flags: number): number {
  const file = openSync(path, flags);
  files.push(file);
  return file;
}

/** A full named pipe that is open at both ends and that nobody reads until `drain`. */
class FullPipe {
  readonly file: number;

  constructor(directory: string) {
    const path = join(directory, 'pipe');
    execFileSync('mkfifo', [path]);
    this.file = open(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.fill();
  }

  fill(): void {
    for (const size of [65_536, 4_096, 1])
      while (this.#isMoved(() => writeSync(this.file, Buffer.alloc(size, '\n')))) {}
  }

  drain(): string {
    const buffer = Buffer.alloc(65_536);
    let text = '';
    while (
      this.#isMoved(() => {
        const bytes = readSync(this.file, buffer);
        text += buffer.toString('utf8', 0, bytes);
        return bytes;
      })
    ) {}
    return text.trim();
  }

  #isMoved(step: () => number): boolean {
    try {
      return step() > 0;
    } catch {
      return false;
    }
  }
}

async function expectService(node: RealNode): Promise<void> {
  expect((await node.call('KVStore/Set', { key: 'a', value: 'aGk=' })).status).toBe(200);
  const made = await node.call('Admin/Checkpoint');
  expect(made).toMatchObject({ status: 200, body: { entries: '1' } });
  expect((await node.call('KVStore/Get', { key: 'a' })).body.found).toBe(true);
}

async function expectCleanStop(node: RealNode): Promise<void> {
  node.kill('SIGTERM');
  expect(await node.ended).toEqual({ code: 0, signal: null });
}

describe.skipIf(process.platform !== 'linux')('a node whose log cannot be written', () => {
  it('starts, checkpoints, takes replicas and stops on a full device, and counts the lines', async () => {
    const full = open('/dev/full', constants.O_WRONLY);
    const master = await nodes.start({ stdio: ['ignore', 'ignore', full] });
    await master.ready();
    await expectService(master);
    const replica = await nodes.start({
      binary: 'slave',
      stdio: ['ignore', 'ignore', full],
      sets: [`master.address=${master.address}`],
    });
    await replica.ready();
    expect((await master.call('Admin/Status')).body.replicas).toHaveLength(1);
    for (const [node, least] of [
      [master, 3],
      [replica, 2],
    ] as const)
      await eventually(
        async () => (await node.metric('walnut_log_lines_dropped_total')) >= least,
        `${least} lines that were lost`,
      );
    await expectCleanStop(replica);
    await expectCleanStop(master);
  }, 60_000);

  it('says what is wrong by its exit code alone where standard error is full', async () => {
    const full = open('/dev/full', constants.O_WRONLY);
    const node = await nodes.start({ stdio: ['ignore', 'ignore', full], sets: ['wal.nothing=1'] });
    expect((await node.ended).code).toBe(2);
  }, 30_000);

  it('is not held up by a pipe that nobody reads, and writes on when it is read', async () => {
    const pipe = new FullPipe(await nodes.directory());
    const node = await nodes.start({ stdio: ['ignore', 'ignore', pipe.file] });
    await node.ready();
    await expectService(node);
    let text = pipe.drain();
    await eventually(() => {
      text += pipe.drain();
      return text.includes('"checkpoint made"');
    }, 'the lines that waited');
    expect(text).toMatch(/"listening"[\s\S]*"recovered"[\s\S]*"checkpoint made"/);
    pipe.fill();
    await expectCleanStop(node);
  }, 60_000);

  it('goes on without the reader of its log', async () => {
    const node = await nodes.start();
    await node.ready();
    node.child.stderr?.destroy();
    // The system may close this end of the pipe after the first lines: they are read then, not lost.
    await eventually(async () => {
      await expectService(node);
      return (await node.metric('walnut_log_lines_dropped_total')) >= 1;
    }, 'a line that was lost');
    await expectCleanStop(node);
  }, 60_000);
});
