/** Ctrl-C during a call that waits: the command ends with 130, and the node sees its caller go. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

let node: FakeNode;
beforeEach(async () => {
  node = await new FakeNode().start();
});
afterEach(() => node.stop());

it.each<[string[], string]>([
  [['hotkeys'], 'HotKeys'],
  [['bigkeys'], 'Scan'],
  [['get', 'k', '--linearizable'], 'Get'],
  [['get', 'k', 'l', '--linearizable'], 'Get'],
  [['set', 'k', 'v', '--durability', 'quorum'], 'Set'],
  [['del', 'k'], 'Delete'],
  [['touch', 'k', '--ttl', '1s'], 'Touch'],
  [['increment', 'k'], 'Increment'],
  [['await', '4294967303-12'], 'AwaitDurable'],
  [['digest'], 'Digest'],
  [['digest', '--compare', '127.0.0.1:1'], 'Status'],
])('ends %j while %s is not answered', async (args, silent) => {
  const ctrlC = new AbortController();
  const isGone = once(node.server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
  node.fault = (method) => {
    if (method !== silent) return 'serve';
    setImmediate(() => ctrlC.abort());
    return 'silent';
  };
  const ran = await runCli([...args, '--address', node.address], { interrupted: ctrlC.signal });
  expect([ran.code, node.calls[silent]]).toEqual([130, 1]);
  await isGone;
});

it('shows what bigkeys found before', async () => {
  const ctrlC = new AbortController();
  await runCli(['--address', node.address], {
    stdin: Buffer.from([...'abcdefghij'].map((key) => `set ${key} 1\n`).join('')),
  });
  node.fault = () => {
    if (node.calls['Scan'] !== 2) return 'serve';
    setImmediate(() => ctrlC.abort());
    return 'silent';
  };
  const ran = await runCli(['bigkeys', '--pause', '0s', '--address', node.address], {
    interrupted: ctrlC.signal,
  });
  expect([ran.code, ran.out]).toEqual([130, expect.stringContaining('7 entries')]);
});
