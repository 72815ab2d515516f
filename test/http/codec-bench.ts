/**
 * `node bin/launch.cjs test/http/codec-bench.ts`: what a request costs the codec
 * itself, in this process and without sockets: 8 connections × 16 streams of
 * Get-like calls (head, 20 octets, answered by a prepared head and 100 octets),
 * once with the same head each time and once with two fields that differ and
 * enter the table each time, as Go's encoder does with deadlines and traces.
 */
import { HpackEncoder, prepareBlock } from '#http/hpack/hpack-encoder.ts';
import { CLIENT_PREFACE, Flag, FrameType } from '#http/http2/frame.ts';
import { Http2Connection } from '#http/http2/http2-connection.ts';
import { OutputPool } from '#http/http2/output.ts';
import type { Stream } from '#http/http2/stream.ts';
import { data, frame, settings, settingsAck, windowUpdate } from './wire.ts';

const CONNECTIONS = 8;
const STREAMS = 16;
const TURNS = 2000;
const ROUNDS = 7;
const ANSWER = prepareBlock([':status', '200', 'content-type', 'application/proto', 'content-length', '100']);
const VALUE = Buffer.alloc(100, 7);
const HEAD = [
  ':method',
  'POST',
  ':scheme',
  'http',
  ':authority',
  '127.0.0.1:8080',
  ':path',
  '/walnut.v1.KvService/Get',
];
const REST = ['content-type', 'application/grpc', 'te', 'trailers', 'user-agent', 'bench/1.0'];

class Client {
  readonly connection: Http2Connection;
  readonly #encoder = new HpackEncoder(true);
  readonly #same = [...HEAD, ...REST];
  #id = 1;

  constructor(pool: OutputPool) {
    const answer = (stream: Stream): void => {
      this.connection.sendHead(stream, ANSWER, false);
      this.connection.sendData(stream, VALUE, true);
    };
    const fail = (): void => {
      throw new Error('the codec refused what the bench sent');
    };
    const events = {
      onHead: (stream: Stream, _: unknown, isEnd: boolean) => isEnd && answer(stream),
      onData: (stream: Stream, _: Buffer, __: number, ___: number, isEnd: boolean) => isEnd && answer(stream),
      onTrailers: fail,
      onReset: fail,
      onDrain: fail,
      onGoaway: fail,
      onFailure: fail,
    };
    this.connection = new Http2Connection({ side: 'server', events, pool, nowMs: 0 });
    this.connection.receive(Buffer.concat([CLIENT_PREFACE, settings(), settingsAck()]), 0);
    this.connection.takeOutput(0);
  }

  /** The requests of one turn, as they come from a socket. */
  turn(varies: boolean): Buffer {
    const chunks: Buffer[] = [];
    for (let i = 0; i < STREAMS; i++) {
      const passing = [
        'x-timeout',
        `${900_000 + this.#id}u`,
        'x-trace',
        `00-${String(this.#id).padStart(48, '0')}-01`,
      ];
      const block = this.#encoder.encode(varies ? [...this.#same, ...passing] : this.#same);
      chunks.push(
        frame(FrameType.headers, Flag.endHeaders, this.#id, block),
        data(this.#id, 20, Flag.endStream),
      );
      this.#id += 2;
    }
    chunks.push(windowUpdate(0, STREAMS * VALUE.length));
    return Buffer.concat(chunks);
  }
}

for (const varies of [false, true]) {
  const pool = new OutputPool();
  const clients = Array.from({ length: CONNECTIONS }, () => new Client(pool));
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const turns = clients.map((client) => Array.from({ length: TURNS }, () => client.turn(varies)));
    const start = process.cpuUsage();
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [i, { connection }] of clients.entries()) {
        connection.receive(turns[i]?.[turn] as Buffer, round * TURNS + turn);
        connection.takeOutput(round * TURNS + turn);
        connection.reuseOutput();
      }
    }
    const { user, system } = process.cpuUsage(start);
    costs.push(((user + system) * 1000) / (TURNS * CONNECTIONS * STREAMS));
  }
  const sorted = costs.slice(1).sort((a, b) => a - b);
  const [low, middle, high] = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)].map((ns) =>
    ns?.toFixed(0),
  );
  process.stdout.write(
    `${varies ? 'two fields that differ' : 'the same head'}: ${middle} ns of processor time a request (${low}–${high})\n`,
  );
}
