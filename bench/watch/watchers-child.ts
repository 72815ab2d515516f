/**
 * Opens as many watchers as were ordered, each of a prefix of its own, over HTTP/2
 * connections with as many streams as a node allows. They read and drop what comes:
 * what watching costs the node is measured there. Says when all of them watch.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { WatchRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { prefixOf } from './prefixes.ts';

const STREAMS_PER_CONNECTION = 250;

const [port = '', count = ''] = process.argv.slice(2);
let begun = 0;

for (let i = 0; i < Number(count); i += STREAMS_PER_CONNECTION) {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', fail);
  for (let j = i; j < Math.min(Number(count), i + STREAMS_PER_CONNECTION); j++) watch(session, j);
}

function watch(session: ClientHttp2Session, index: number): void {
  const what = { case: 'prefix', value: prefixOf(index) } as const;
  const message = toBinary(
    WatchRequestSchema,
    create(WatchRequestSchema, { what, progressEveryMs: 600_000 }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/walnut.v1.KVStore/Watch',
    'content-type': 'application/connect+proto',
    'connect-protocol-version': '1',
  });
  stream.once('data', () => {
    if (++begun === Number(count)) process.stdout.write(`${begun} watch\n`);
  });
  stream.resume();
  stream.on('error', fail);
  stream.end(Buffer.concat([head, message]));
}

function fail(error: Error): void {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
