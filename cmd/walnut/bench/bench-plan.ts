/** What a load is, from the options of the command. Pure. */
import { InvalidArgumentError } from 'commander';
import { parseSize, SIZE_FORM } from '#config/size.ts';
import { KEY_BYTES_MAX, utf8Length } from '#model/limits.ts';
import { usageError } from '../command-host.ts';
import type { LEVELS } from '../keys/write-options.ts';
import type { Distribution } from './chosen-keys.ts';

export const OPERATIONS = ['get', 'set', 'increment', 'touch'] as const;
export type OperationName = (typeof OPERATIONS)[number];
export const PROTOCOLS = ['http1', 'http2'] as const;
export type BenchProtocol = (typeof PROTOCOLS)[number];

/** The options as commander gives them. */
export interface BenchOptions {
  readonly clients: number;
  readonly connections?: number;
  readonly protocol: BenchProtocol;
  readonly rate?: number;
  readonly duration: number;
  readonly warmUp: number;
  readonly keys: number;
  readonly distribution: Distribution;
  readonly valueSize: number;
  readonly mix?: Mix;
  readonly operation?: OperationName;
  readonly batch: number;
  readonly durability?: keyof typeof LEVELS;
  readonly prefix: string;
  readonly allowEviction?: boolean;
}

/** Shares of gets and sets. */
export interface Mix {
  readonly gets: number;
  readonly sets: number;
}

export interface BenchPlan {
  readonly clients: number;
  readonly connections: number;
  readonly protocol: BenchProtocol;
  /** Calls in a second; undefined: closed loop. */
  readonly ratePerS: number | undefined;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly keys: number;
  readonly distribution: Distribution;
  readonly valueBytes: number;
  /** How often each operation is chosen; together 1. */
  readonly shares: readonly (readonly [OperationName, number])[];
  readonly batch: number;
  readonly durability: keyof typeof LEVELS | undefined;
  /** What all keys of this run begin with, and no other key does. */
  readonly prefix: string;
  /** After this time a node deletes what the run could not. */
  readonly ttlMs: number;
}

export const CLIENTS_MAX = 10_000;
export const RATE_MAX = 1_000_000;
export const KEYS_MAX = 10_000_000;
/** Bytes of values in one call, far below the limit of nodes. */
const CALL_BYTES_MAX = 8 << 20;
/** Bytes of values in all calls at once. */
const FLIGHT_BYTES_MAX = 512 << 20;
const HTTP2_CONNECTIONS = 1;
const TIME_MS_MAX = 86_400_000;
/** How long keys of a run that was killed outlive its end. */
const LEFT_MS = 3_600_000;
const SHARE_MAX = 1_000;
const MIX_DEFAULT: Mix = { gets: 9, sets: 1 };
/** Digits of a key's number. */
const NUMBER_BYTES = String(KEYS_MAX).length;

/** `9:1`: nine gets for each set. */
export function parseMix(text: string): Mix {
  const [, gets, sets] = /^(\d{1,4}):(\d{1,4})$/.exec(text) ?? [];
  const mix = { gets: Number(gets), sets: Number(sets) };
  if (mix.gets <= SHARE_MAX && mix.sets <= SHARE_MAX && mix.gets + mix.sets > 0) return mix;
  throw new InvalidArgumentError(
    `Expected GETS:SETS such as 9:1, each from 0 to ${SHARE_MAX} and not both 0.`,
  );
}

export function parseValueBytes(text: string): number {
  const bytes = parseSize(text);
  if (bytes !== undefined && bytes <= CALL_BYTES_MAX) return bytes;
  throw new InvalidArgumentError(`Expected ${SIZE_FORM}, of at most 8MiB.`);
}

/** `id`: different in every run. Throws where the options do not go together. */
export function planOf(options: BenchOptions, id: string): BenchPlan {
  const { clients, protocol, duration: durationMs, warmUp: warmUpMs, keys, batch } = options;
  const prefix = `${options.prefix}${id}:`;
  checkTimes(durationMs, warmUpMs);
  checkSizes(options, prefix);
  return {
    clients,
    connections: connectionsOf(options),
    protocol,
    ratePerS: options.rate,
    warmUpMs,
    durationMs,
    keys,
    distribution: options.distribution,
    valueBytes: options.valueSize,
    shares: sharesOf(options),
    batch,
    durability: options.durability,
    prefix,
    ttlMs: warmUpMs + durationMs + LEFT_MS,
  };
}

function checkTimes(durationMs: number, warmUpMs: number): void {
  if (durationMs < 1 || durationMs > TIME_MS_MAX) throw usageError('--duration: expected 1ms to 24h');
  if (warmUpMs > TIME_MS_MAX) throw usageError('--warm-up: expected at most 24h');
}

function checkSizes({ clients, batch, valueSize }: BenchOptions, prefix: string): void {
  if (utf8Length(prefix) + NUMBER_BYTES > KEY_BYTES_MAX)
    throw usageError(`--prefix: expected fewer bytes, as a key has at most ${KEY_BYTES_MAX}`);
  const bytes = batch * valueSize;
  if (bytes > CALL_BYTES_MAX)
    throw usageError(
      `a batch of ${batch} values of ${valueSize} bytes has more than 8 MiB`,
      'Type a smaller --batch or --value-size',
    );
  if (clients * bytes > FLIGHT_BYTES_MAX)
    throw usageError(
      `${clients} clients with ${bytes} bytes of values in each call may have more than 512 MiB under way`,
      'Type fewer --clients, a smaller --batch or a smaller --value-size',
    );
}

function connectionsOf({ clients, connections, protocol }: BenchOptions): number {
  if (protocol === 'http2') return Math.min(clients, connections ?? HTTP2_CONNECTIONS);
  if (connections === undefined || connections === clients) return clients;
  throw usageError(
    '--connections: over HTTP/1.1 each client has a connection of its own',
    `Leave it out, or share them over HTTP/2: --protocol http2 --connections ${connections}`,
  );
}

function sharesOf({ operation, mix = MIX_DEFAULT }: BenchOptions): BenchPlan['shares'] {
  if (operation !== undefined) return [[operation, 1]];
  const all = mix.gets + mix.sets;
  const shares = [
    ['get', mix.gets / all],
    ['set', mix.sets / all],
  ] as const;
  return shares.filter(([, share]) => share > 0);
}
