/**
 * Load from a process of its own: wrk for HTTP/1.1 and h2load for HTTP/2 where
 * they are installed, else own-load.ts, which is slower and so flatters the
 * slower server. HTTP/2 with heads of their own is own-http2-load.ts. One thread each:
 * 32 connections, or 8 with 16 streams.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MeasuredCall } from './calls.ts';
import { isInstalled } from './processes.ts';

const run = promisify(execFile);
export const CONNECTIONS = 32;
const SESSIONS = 8;
const STREAMS = 16;

export interface Loaded {
  /** Answered with a 2xx. */
  readonly requests: number;
  readonly seconds: number;
}

export type Load = (port: number, call: MeasuredCall, seconds: number) => Promise<Loaded>;

/** `directory`: where the generators' input goes. */
export function createLoad(directory: string): Load {
  const hasWrk = isInstalled('wrk');
  const hasH2load = isInstalled('h2load');
  return (port, call, seconds) => {
    if (call.http === 1 && hasWrk) return wrk(directory, port, call, seconds);
    // Every request of h2load has the same head.
    if (call.http === 2 && call.isHeadOwn === true) return ownLoad('own-http2-load.ts', port, call, seconds);
    if (call.http === 2 && hasH2load) return h2load(directory, port, call, seconds);
    return ownLoad('own-load.ts', port, call, seconds);
  };
}

export function loadNames(): string {
  const names = [isInstalled('wrk') ? 'wrk' : 'own-load', isInstalled('h2load') ? 'h2load' : 'own-load'];
  return `HTTP/1.1 by ${names[0]}, ${CONNECTIONS} connections; HTTP/2 by ${names[1]}, ${SESSIONS}×${STREAMS} streams`;
}

/** In wrk's language: what `ownHead` of own-load.ts makes. */
const OWN_HEADS = `
local number = 0
function request()
  number = number + 1
  wrk.headers["connect-timeout-ms"] = tostring(5000 + number % 5000)
  wrk.headers["traceparent"] = string.format("00-%032x-%016x-01", number, number)
  return wrk.format()
end
`;

async function wrk(directory: string, port: number, call: MeasuredCall, seconds: number): Promise<Loaded> {
  const script = join(directory, 'wrk.lua');
  const escaped = [...call.body].map((byte) => `\\${String(byte).padStart(3, '0')}`).join('');
  const type = call.contentType === undefined ? '' : `wrk.headers["content-type"] = "${call.contentType}"\n`;
  const request = call.isHeadOwn ? OWN_HEADS : '';
  writeFileSync(script, `wrk.method = "${call.method}"\nwrk.body = "${escaped}"\n${type}${request}`);
  const url = urlOf(port, call);
  const options = ['-t1', `-c${call.connections ?? CONNECTIONS}`, `-d${seconds}s`, '-s', script, url];
  const { stdout } = await run('wrk', options);
  const [, requests, took] = /(\d+) requests in ([\d.]+)s/.exec(stdout) ?? [];
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
  return { requests: Number(requests) - failed, seconds: Number(took) };
}

async function h2load(directory: string, port: number, call: MeasuredCall, seconds: number): Promise<Loaded> {
  const data = join(directory, 'h2load.bin');
  writeFileSync(data, call.body);
  const options = ['-t1', `-c${SESSIONS}`, `-m${STREAMS}`, '-D', String(seconds), '-d', data];
  const headers = ['-H', `content-type: ${call.contentType ?? ''}`, '-H', 'te: trailers'];
  const { stdout } = await run('h2load', [...options, ...headers, urlOf(port, call)]);
  const requests = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1] ?? Number.NaN);
  return { requests, seconds };
}

function urlOf(port: number, { isTls, path }: MeasuredCall): string {
  return `${isTls ? 'https' : 'http'}://127.0.0.1:${port}${path}`;
}

async function ownLoad(program: string, port: number, call: MeasuredCall, seconds: number): Promise<Loaded> {
  const body = Buffer.from(call.body).toString('base64');
  const shape = JSON.stringify({
    connections: CONNECTIONS,
    ...call,
    body,
    port,
    seconds,
    sessions: SESSIONS,
    streams: STREAMS,
  });
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, program), shape]);
  return { requests: Number(stdout), seconds };
}

export interface RedisOrder {
  readonly command: 'get' | 'set';
  readonly seconds: number;
  /** Requests sent together on each connection. */
  readonly pipelined?: number;
  /** Different keys. */
  readonly keys?: number;
  readonly connections?: number;
  /** True: the port is that of one master of a cluster, and requests go to the master of their slot. */
  readonly isCluster?: boolean;
  /** About what it does, since redis-benchmark does not take a time. */
  readonly ratePerSecond: number;
}

/** What a fast server answers in a second, one by one and in hundreds. */
export const REDIS_RATE = { alone: 60_000, pipelined: 800_000 };

export async function redisLoad(
  port: number,
  {
    command,
    seconds,
    ratePerSecond,
    pipelined = 1,
    keys = 1,
    connections = CONNECTIONS,
    isCluster,
  }: RedisOrder,
): Promise<Loaded> {
  const requests = Math.round(ratePerSecond * seconds);
  const counts = { p: port, c: connections, n: requests, d: 100, P: pipelined, r: keys };
  const options = Object.entries(counts).flatMap(([name, value]) => [`-${name}`, String(value)]);
  if (isCluster) options.push('--cluster');
  const { stdout } = await run('redis-benchmark', ['-h', '127.0.0.1', ...options, '--csv', '-t', command]);
  const rate = Number(new RegExp(`"${command}","([\\d.]+)"`, 'i').exec(stdout)?.[1] ?? Number.NaN);
  return { requests, seconds: requests / rate };
}
