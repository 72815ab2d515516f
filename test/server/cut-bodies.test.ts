/** Bodies over HTTP/2 whose stream or connection ends before they do are not carried out. */
import { connect, type Socket } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { DeleteRequestSchema, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { http1, onCleanup, type Running, start, until } from '#test/server/running.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6 } as const;
const ACK = 1;
const END_STREAM = 1;
const END_HEADERS = 4;
const CANCEL = Buffer.from([0, 0, 0, 8]);

function frame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK: literals that are not indexed, without Huffman codes (RFC 7541, 6.2.2). */
function headers(method: string, type: string): Buffer {
  const fields = {
    ':method': 'POST',
    ':scheme': 'http',
    ':authority': '127.0.0.1',
    ':path': `/walnut.v1.KVStore/${method}`,
    'content-type': type,
  };
  const text = (one: string): Buffer => Buffer.concat([Buffer.from([one.length]), Buffer.from(one)]);
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]),
  );
}

async function open(running: Running): Promise<Socket> {
  const socket = connect(running.server.port, '127.0.0.1');
  socket.on('error', () => {});
  onCleanup(() => {
    socket.destroy();
  });
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write(Buffer.concat([PREFACE, frame(TYPE.settings, 0, 0)]));
  return socket;
}

/** Resolves when the server has seen all that was sent before. */
function seen(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
        if (bytes[at + 3] !== TYPE.ping || bytes[at + 4] !== ACK) continue;
        socket.off('data', onData);
        resolve();
      }
    };
    socket.on('data', onData);
    socket.write(frame(TYPE.ping, 0, 0, Buffer.alloc(8)));
  });
}

const ENDINGS: readonly (readonly [string, (socket: Socket) => void])[] = [
  ['reset without an error', (socket) => socket.write(frame(TYPE.reset, 0, 1, Buffer.alloc(4)))],
  ['cancelled', (socket) => socket.write(frame(TYPE.reset, 0, 1, CANCEL))],
  ['of a connection that is closed', (socket) => socket.end()],
  ['of a connection that is lost', (socket) => socket.destroy()],
];
const set = create(SetRequestSchema, { key: 'k', value: Buffer.from('v') });
const BODIES: readonly (readonly [string, string, Uint8Array])[] = [
  ['Set', 'application/proto', toBinary(SetRequestSchema, set)],
  ['Set', 'application/json', Buffer.from('{"key":"k","value":"aGk="}')],
  ['Delete', 'application/proto', toBinary(DeleteRequestSchema, create(DeleteRequestSchema, { key: 'k' }))],
];

describe('a body that looks whole, of a stream that is', () => {
  it.each(ENDINGS)('%s, is not carried out', async (_, end) => {
    const running = await start();
    for (const [method, type, body] of BODIES) {
      const socket = await open(running);
      socket.write(frame(TYPE.headers, END_HEADERS, 1, headers(method, type)));
      socket.write(frame(TYPE.data, 0, 1, body));
      await seen(socket);
      end(socket);
      socket.destroySoon();
      if (!socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
      // The server has seen that, too, when it has answered others since.
      for (let i = 0; i < 3; i++) await http1(running, 'GET', '/livez');
    }
    expect(running.node.calls).toEqual([]);
  });

  it('ended properly, is', async () => {
    const running = await start();
    const socket = await open(running);
    const [method, type, body] = BODIES[0] as (typeof BODIES)[number];
    socket.write(frame(TYPE.headers, END_HEADERS, 1, headers(method, type)));
    socket.write(frame(TYPE.data, END_STREAM, 1, body));
    await until(() => running.node.calls.length === 1);
  });
});
