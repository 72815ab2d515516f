/** What the tool advises after a node refused: the command names the address that was asked. */
import { expect, it } from 'vitest';
import { CallError } from '../../cmd/walnut/call/call-error.ts';
import { describeFailure } from '../../cmd/walnut/cli-error.ts';
import { FakeNode } from './fake-node.ts';
import { runCli } from './memory-io.ts';

it.each(['unavailable', 'resource_exhausted', 'deadline_exceeded'] as const)(
  'the advice after %s asks the node that answered',
  (code) => {
    const { advice } = describeFailure(new CallError(code, 'why'), 'cache.example:8081');
    expect(advice).toContain('walnut status --address cache.example:8081');
    expect(advice).not.toContain('The node');
  },
);

it.each([
  ['no role of u grants Admin/Status', expect.stringContaining('docs/security.md, "Users and roles"')],
  ['add the name to server.allowed_hosts', undefined],
])('the advice after PERMISSION_DENIED is about what was refused: %s', (message, advice) => {
  expect(describeFailure(new CallError('permission_denied', message), 'a:1').advice).toEqual(advice);
});

it.each([
  ['CERT_HAS_EXPIRED', 'renew the certificate there'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', '--ca-file FILE'],
  ['ECONNREFUSED', 'Is it running?'],
])('the advice after %s is for that', (code, advice) => {
  const lost = new CallError('lost', 'no answer', {}, Object.assign(new Error('why'), { code }));
  expect(describeFailure(lost, 'a:1').advice).toContain(advice);
});

it.each([
  [{}, 'see walnut backup list REPOSITORY'],
  [{ npm_lifecycle_event: 'walnut' }, 'see npm run -s walnut -- backup list REPOSITORY'],
  [{ npm_lifecycle_event: 'npx', npm_command: 'exec' }, 'see npm exec -- walnut backup list REPOSITORY'],
])('commands in messages are as they are typed there: %j', async (env, command) => {
  const { code, err } = await runCli(['backup', 'verify', '/nowhere'], { env });
  expect([code, err]).toEqual([
    2,
    `walnut: / contains neither a directory nor a backup with the name nowhere. Expected REPOSITORY or REPOSITORY/ID: ${command}\n`,
  ]);
});

it('an import at a node of a cluster is sent to a gateway', async () => {
  const node = await new FakeNode({}).start();
  node.options.owner = node.address;
  try {
    const run = (args: string[], text: string) =>
      runCli([...args, '--address', node.address], { stdin: Buffer.from(text) });
    const imported = await run(['import', '-'], '{"key":"a","value":"b"}\n');
    expect([imported.code, imported.err]).toEqual([5, expect.stringContaining('Name a gateway')]);
  } finally {
    await node.stop();
  }
});
