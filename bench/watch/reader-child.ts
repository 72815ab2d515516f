/** One watcher that goes on by itself and counts: `events COUNT SECONDS` when it has as many as ordered. */
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { resumingWatch } from '../../client/resuming-watch.ts';

const [port = '', wanted = '', from = ''] = process.argv.slice(2);
const baseUrl = `http://127.0.0.1:${port}`;
const client = createClient(KVStore, createConnectTransport({ baseUrl, httpVersion: '2' }));
let events = 0;
let breaks = 0;
let startedMs = 0;

const start = from === 'beginning' ? ({ case: 'after', value: {} } as const) : ({ case: undefined } as const);
const messages = resumingWatch(
  (request, signal) => client.watch(request, { signal }),
  { what: { case: 'prefix', value: '' }, from: start },
  {
    clock: createNodeClock(),
    signal: new AbortController().signal,
    patienceMs: 10_000,
    onBreak: () => breaks++,
  },
);
for await (const message of messages) {
  if (startedMs === 0) process.stdout.write('watches\n');
  if (events === 0) startedMs = performance.now();
  events += message.events.length;
  if (events >= Number(wanted)) break;
}
process.stdout.write(`events ${events} ${(performance.now() - startedMs) / 1_000} ${breaks}\n`);
process.exit(0);
