/** One POST by HTTP/1.1 on a connection of its own, for services that are not nodes. */
import { type IncomingMessage, request } from 'node:http';
import type { Endpoint } from '#dial/endpoint.ts';
import { openSocket } from '#dial/open-socket.ts';

export interface PostAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

export type Post = (
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
) => Promise<PostAnswer>;

/** More of an answer is not read: it has a page of a proxy, or is no answer of what was meant. */
const ANSWER_BYTES_MAX = 65_536;

/** `path`: with its query. Rejects where there is no answer; redirections are answers. */
export function createPost(endpoint: Endpoint, path: string): Post {
  return (body, headers, signal) =>
    new Promise((resolve, reject) => {
      const call = request({
        method: 'POST',
        path,
        headers: { ...headers, host: endpoint.text, 'content-length': body.byteLength, connection: 'close' },
        createConnection: () => openSocket(endpoint, 'http/1.1'),
        signal,
      });
      call.once('error', reject);
      call.once('response', (answer) => readAnswer(answer).then(resolve, reject));
      call.end(body);
    });
}

async function readAnswer(answer: IncomingMessage): Promise<PostAnswer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length > ANSWER_BYTES_MAX) break;
  }
  const headers = answer.headers as Record<string, string | undefined>;
  return { status: answer.statusCode as number, headers, body: Buffer.concat(pieces) };
}
