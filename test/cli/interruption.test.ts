/** Ctrl-C during a call that waits: the command ends with 130, and the node sees its caller go. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { DescMethodUnary } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel as IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { Coordinator } from '#gen/walnut/v1/coordinator_pb.ts';
import { InterruptedCallError } from '../../cmd/walnut/call/call-error.ts';
import { describeInterruption } from '../../cmd/walnut/call/describe-interruption.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

/** Matches advice that an operator can type as it is. */
const LOOK = /^See what became of it with: walnut [a-z ]+$/;

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
  [['failover', '--to', '127.0.0.1:1'], 'Failover'],
  [['promote'], 'Promote'],
  [['checkpoint'], 'Checkpoint'],
  [['config'], 'GetConfig'],
  [['status'], 'Status'],
  [['status', '--all'], 'Status'],
  [['doctor'], 'Status'],
  [['scan'], 'Scan'],
  [['export'], 'Scan'],
  [['explain', 'k'], 'Explain'],
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

it.each<[string[], string, string]>([
  [
    ['failover', '--to', '127.0.0.1:1'],
    'Failover',
    'Failover, which was sent: it may be carried out all the same\nSee what became of it with: walnut status\n',
  ],
  [['set', 'k', 'v'], 'Set', 'all the same\nSee what became of it with: walnut explain KEY\n'],
  [['status'], 'Status', 'answered Status\n'],
  [['config'], 'GetConfig', 'answered GetConfig\n'],
  [['config', 'log.level=debug'], 'SetConfig', 'all the same\nSee what became of it with: walnut config\n'],
  [['clock'], 'MendClock', 'answered MendClock\n'],
])('says what is known of %j', async (args, silent, known) => {
  const ctrlC = new AbortController();
  node.fault = (method) => {
    if (method === silent) setImmediate(() => ctrlC.abort());
    return 'silent';
  };
  const { err } = await runCli([...args, '--address', node.address], { interrupted: ctrlC.signal });
  expect(err).toMatch(/^walnut: interrupted before 127\.0\.0\.1:\d+ answered /);
  expect(err).toContain(known);
});

it('says that nothing was sent where the interruption came before', async () => {
  const { code, err } = await runCli(['promote', '--address', node.address], {
    interrupted: AbortSignal.abort(),
  });
  expect([code, err]).toEqual([
    130,
    expect.stringMatching(/answered Promote: nothing was sent, so nothing was changed\n$/),
  ]);
  expect(node.calls).toEqual({});
});

it('names a command that shows what became of it for every change that an operator asks for', () => {
  const changes = [...Admin.methods, ...Coordinator.methods].filter(
    ({ methodKind, idempotency, name }) =>
      methodKind === 'unary' &&
      idempotency === IdempotencyLevel.IDEMPOTENCY_UNKNOWN &&
      !['Heartbeat', 'Restore'].includes(name),
  );
  for (const method of changes as DescMethodUnary[]) {
    const { advice } = describeInterruption(new InterruptedCallError(method, 'a:1', true));
    expect([method.name, advice]).toEqual([method.name, expect.stringMatching(LOOK)]);
  }
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
