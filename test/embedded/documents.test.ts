/** The programs of docs/embedded.md, as they are written there: a node in this process, a replica in another. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeBlocksOf } from '#test/doubles/markdown.ts';
import { ROOT, readText } from '#test/house/source-files.ts';
import { type EmbeddedNode, openNode } from '../../embedded/open-node.ts';
import { openReplica } from '../../embedded/open-replica.ts';

const BLOCKS = codeBlocksOf(readText('docs/embedded.md')).filter(({ language }) => language === 'ts');
const RUN_MS_MAX = 30_000;

let directory = '';
let node: EmbeddedNode;

beforeAll(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'walnut-embedded-'));
  node = await openNode({
    config: {
      server: { port: 0, address: '127.0.0.1' },
      wal: { directory: join(directory, 'master') },
      storage: { max_memory: '64MB' },
    },
  });
});

afterAll(async () => {
  await node.close();
  await fs.rm(directory, { recursive: true, force: true });
});

/** Runs a program with the node's address and the project's path in it; resolves with what it printed. */
async function run(name: string, text: string): Promise<string> {
  const file = join(directory, name);
  const there = text.replaceAll("'./", `'${ROOT}/`).replace('127.0.0.1:8080', node.address);
  await fs.writeFile(file, there);
  const child = spawn(process.execPath, [file], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS_MAX);
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (printed += bytes));
  await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  return printed;
}

describe('docs/embedded.md', () => {
  it('has a program with a replica that does what it says', async () => {
    const printed = await run('try-embedded.ts', BLOCKS[0]?.text ?? '');
    expect(printed).toBe('bob true undefined\nuser:1 true\ntrue streaming\n');
  }, 40_000);

  it('has a program with a node that does what it says', async () => {
    expect(await run('try-node.ts', BLOCKS[1]?.text ?? '')).toMatch(/^127\.0\.0\.1:\d+ serving\n$/);
  }, 40_000);
});

describe('a replica over HTTP', () => {
  it('reads what it wrote as soon as that is answered, and finds its directory taken', async () => {
    const replica = await openReplica({ master: node.address, directory: join(directory, 'own') });
    for (let i = 0; i < 5; i++) {
      const { visible } = await replica.set('k', Buffer.from(`${i}`));
      expect([visible, Buffer.from(replica.get('k') ?? '').toString()]).toEqual([true, `${i}`]);
    }
    const { deleted, visible } = await replica.delete('k');
    expect([deleted, visible, replica.has('k')]).toEqual([true, true, false]);
    const { nodeId } = replica.status;
    expect(node.status.observers?.furthest.filter((one) => one.nodeId === nodeId)).toHaveLength(1);
    expect(node.status.replicas).toEqual([]);
    const again = openReplica({ master: node.address, directory: join(directory, 'own') });
    await expect(again).rejects.toThrow(/another process uses this directory/);
    const ofMaster = openReplica({ master: node.address, directory: join(directory, 'master') });
    await expect(ofMaster).rejects.toThrow(/another process uses this directory/);
    await replica.close();
  });

  it('says what is wrong in the configuration of a node', async () => {
    const config = { server: { port: 'x' }, wall: {} };
    await expect(openNode({ config })).rejects.toThrow(/server\.port: expected[\s\S]*wall: unknown key/);
  });
});
