/** What listeners of the client's channels are told. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Code } from '@connectrpc/connect';
import { expect, it, onTestFinished } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { text } from '../../client/codecs.ts';
import { WalnutClient } from '../../client/walnut-client.ts';
import { type Fault, SimulatedGroup } from './simulated-group.ts';

function listen(name: string): unknown[] {
  const messages: unknown[] = [];
  const listener = (message: unknown): void => void messages.push(message);
  subscribe(name, listener);
  onTestFinished(() => void unsubscribe(name, listener));
  return messages;
}

it('reports how each call ended and each repeat, without keys and values', async () => {
  const group = new SimulatedGroup(['m:1']);
  const client = new WalnutClient(
    { addresses: ['m:1'], timeoutMs: 1_000 },
    {
      clock: new VirtualClock(),
      random: new SeededRandom(1),
      open: (address) => ({ transport: group.transportTo(address), close: () => undefined }),
    },
  );
  await client.set('before', Buffer.from('1'));
  const [calls, retries, operations] = [
    listen('walnut:call'),
    listen('walnut:retry'),
    listen('walnut:operation'),
  ];
  await Promise.all([client.set('secret', Buffer.from('hidden')), client.get('secret')]);
  await expect(client.explain('secret')).rejects.toMatchObject({ code: Code.Unimplemented });
  const ok = { address: 'm:1', attempts: 1, tookMs: 0 };
  expect(calls).toEqual([
    { rpc: 'Batch', operations: 2, ...ok },
    { rpc: 'Explain', operations: 1, ...ok, error: { code: Code.Unimplemented, outcome: 'not_done' } },
  ]);
  const settled = { calledAtMs: expect.any(Number), tookMs: 0 };
  expect(operations).toEqual([
    { operation: 'set', ...settled },
    { operation: 'get', ...settled },
    { operation: 'explain', ...settled, error: { code: Code.Unimplemented, outcome: 'not_done' } },
  ]);
  operations.length = 0;
  const options = { ttlMs: 1, codec: text() };
  const loading = client.getOrSet('secret', () => 'hidden', options).catch(() => undefined);
  for await (const _ of client.scan('secret'));
  await expect(Array.fromAsync(client.watch({ key: 'secret' }))).rejects.toThrow();
  await client.watch({ key: 'secret' }).return();
  await loading;
  const failed = { error: { code: Code.Unimplemented, outcome: 'not_done' } };
  expect(operations).toEqual([
    { operation: 'getOrSet', ...settled },
    { operation: 'scan', ...settled },
    { operation: 'watch', ...settled, ...failed },
  ]);
  expect(retries).toEqual([]);
  const faults: Fault[] = ['lost_answer'];
  group.fault = () => faults.shift() ?? 'none';
  const write = client.set('secret', Buffer.from('hidden'));
  await new Promise((resolve) => setImmediate(resolve));
  expect(JSON.stringify([calls, retries, operations])).not.toMatch(/secret|hidden/);
  write.catch(() => undefined);
});
