/** Requests of HTTP/1.1 at random, valid and not, and a socket that takes them to any server of this process. */
import { Duplex } from 'node:stream';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';

/** What a server of Node's uses of a socket; what is written to it is kept. */
export class Pipe extends Duplex {
  readonly remoteAddress = '127.0.0.1';
  override _read(): void {}
  readonly writes: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.writes.push(Buffer.from(chunk));
    callback();
  }
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
}

const LINES = [
  'X-A: 1',
  'x-b:  two words ',
  'Accept: */*',
  'Connection: keep-alive',
  'Connection: close',
  'Content-Type: application/proto',
  'X-U: \u00fc',
  'Connect-Timeout-Ms: 5',
  'grpc-timeout: 1S',
  'Traceparent: 00-aa-bb-01',
  'tracestate: a=1 ',
  'X-Empty:',
];
const ODD = [
  'Transfer-Encoding: chunked',
  'Content-Length: 3',
  'Content-Length: 3',
  'Content-Length: 03',
  'Expect: 100-continue',
  'Host: b',
  'Upgrade: h2c',
  'X : 1',
  ' folded',
  'NoColon',
  'X: a\u0000b',
  'Connection: close, x',
  'X: a\rb',
  'X: a\nY: b',
];

/** Requests in a row, many of which differ from the one before only in what belongs to one call. */
export function randomRequests(random: SeededRandom, count: number): string {
  const requests = [randomRequest(random)];
  while (requests.length < count) {
    const last = requests.at(-1) as string;
    requests.push(random.chance(0.5) ? withOtherValues(last, random) : randomRequest(random));
  }
  return requests.join('');
}

const VALUES = [
  '7',
  '5',
  '00-cc-dd-00',
  'b=2,c=3',
  'b=2, c',
  '\u00fc',
  '',
  ' 1',
  '1\t',
  'a\u0000',
  '\r',
  '1\r\nX: 2',
];

/** `request` with other values of the fields that belong to one call; a few are none. */
export function withOtherValues(request: string, random: SeededRandom): string {
  const end = request.indexOf('\r\n\r\n');
  const body = request.length > end + 4 ? 'c'.repeat(random.below(120)) : '';
  const head = request
    .slice(0, end)
    .replace(/^((?:connect|grpc|trace)[a-z-]*: ?)\S*/gim, (line, name) =>
      random.chance(0.7) ? name + random.pick(VALUES) : line,
    );
  const length = random.chance(0.9)
    ? `${body.length}`
    : random.pick(['', '0', '+1', '1 1', '1'.repeat(16), '00']);
  return `${head.replace(/^(content-length: ?)\S*/gim, `$1${length}`)}\r\n\r\n${body}`;
}

function randomRequest(random: SeededRandom): string {
  const body = random.chance(0.4) ? 'b'.repeat(random.below(40)) : undefined;
  const method = random.pick(body === undefined ? ['GET', 'HEAD', 'DELETE'] : ['POST', 'PUT']);
  const lines = ['Host: a', ...Array.from({ length: random.below(5) }, () => random.pick(LINES))];
  if (random.chance(0.15)) lines.splice(random.below(lines.length + 1), 0, random.pick(ODD));
  if (body !== undefined) lines.splice(random.below(lines.length + 1), 0, `Content-Length: ${body.length}`);
  const target = random.pick([
    '/',
    '/walnut.v1.KVStore/Get',
    '/v1/keys/a?x=1',
    `/${'p'.repeat(random.below(30))}`,
  ]);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body ?? ''}`;
}

export function mutate(text: string, random: SeededRandom): string {
  const at = random.below(text.length);
  const octet = random.pick([
    '\r',
    '\n',
    ' ',
    '\t',
    ':',
    '\u0000',
    'X',
    '0',
    '\u00ff',
    ',',
    String.fromCharCode(random.below(256)),
  ]);
  return random.pick([
    () => text.slice(0, at) + octet + text.slice(at),
    () => text.slice(0, at) + octet + text.slice(at + 1),
    () => text.slice(0, at) + text.slice(at + 1),
    () => text.slice(0, at),
    () => text.slice(0, at) + text.slice(at, at + 20) + text.slice(at),
  ])();
}
