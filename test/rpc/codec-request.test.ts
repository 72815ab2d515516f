/** Bodies of our own codecs: as a stream, and past its queue. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, it } from 'vitest';
import { receiveBody } from '#rpc/http-io.ts';
import { type CodecPort, CodecRequest } from '#rpc/http2/codec-request.ts';
import { NO_PEER } from '#rpc/peer.ts';

class Credits {
  bytes = 0;
  readonly port: CodecPort = {
    destroyed: false,
    closed: false,
    rstCode: 0,
    close() {},
    askForBody() {},
    credit: (bytes) => {
      this.bytes += bytes;
    },
    sendHead() {},
    sendData() {},
    sendEnd() {},
  };
}

function open(credits: Credits): CodecRequest {
  const head = { httpVersion: '1.1', method: 'PUT', url: '/', headers: {}, authority: undefined } as const;
  return new CodecRequest(credits.port, head, NO_PEER as never);
}

/** A connection reads into one buffer again and again. */
const shared = Buffer.alloc(4);

function arrive(request: CodecRequest, text: string): void {
  shared.write(text);
  request.takeChunk(shared.subarray(0, text.length), false);
}

it('a body that ends early is told, and one without a byte is whole', async () => {
  const cut = open(new Credits());
  const received = receiveBody(cut, () => {});
  arrive(cut, 'one ');
  cut.destroy();
  await expect(received).rejects.toThrow('ended early');
  const empty = open(new Credits());
  empty.endBody();
  await receiveBody(empty, () => expect.unreachable());
});

it('a body is received in order, what came before it was asked for too, and every byte is credited', async () => {
  const credits = new Credits();
  const request = open(credits);
  arrive(request, 'one ');
  arrive(request, 'two ');
  const got: string[] = [];
  const received = receiveBody(request, (chunk) => void got.push(chunk.toString()));
  arrive(request, 'thr ');
  await new Promise(setImmediate);
  arrive(request, 'four');
  arrive(request, 'five');
  await new Promise(setImmediate);
  request.endBody();
  await received;
  expect(got.join('')).toBe('one two thr fourfive');
  expect(credits.bytes).toBe(20);
});

it('a chunk that arrives while the body is received is neither copied nor kept', async () => {
  const request = open(new Credits());
  const memory: unknown[] = [];
  const received = receiveBody(request, (chunk) => void memory.push(chunk.buffer));
  arrive(request, 'here');
  request.endBody();
  await received;
  expect(memory).toEqual([shared.buffer]);
});

it('after a refusal the rest is thrown away', async () => {
  const credits = new Credits();
  const request = open(credits);
  let chunks = 0;
  const received = receiveBody(request, () => {
    chunks++;
    throw new Error('too much');
  });
  await new Promise(setImmediate);
  arrive(request, 'one ');
  await expect(received).rejects.toThrow('too much');
  arrive(request, 'two ');
  await new Promise(setImmediate);
  expect([chunks, credits.bytes]).toEqual([1, 8]);
});

it('each chunk that Node has made for a body is freed when it was taken', async () => {
  const chunks: Uint8Array[] = [];
  const lengths: number[] = [];
  const server = createServer(async (request, response) => {
    await receiveBody(request, (chunk) => {
      chunks.push(chunk);
      lengths.push(chunk.length);
    });
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const call = connect(port, '127.0.0.1');
  call.write('PUT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n');
  call.end('3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
  await once(call.resume(), 'close');
  server.close();
  expect([lengths, chunks.map(({ buffer }) => buffer.byteLength)]).toEqual([
    [3, 2],
    [0, 0],
  ]);
});
