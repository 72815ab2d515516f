/** Errors survive the wire: what one node sends, another reads back. */
import { Code, ConnectError } from '@connectrpc/connect';
import { errorFromJsonBytes, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { describe, expect, it } from 'vitest';
import { LogRangeSchema } from '#gen/walnut/v1/errors_pb.ts';
import { type ErrorCode, type ErrorDetails, WalnutError } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import { fromError, fromErrorToHttp } from '#wire/error-codec.ts';
import { RECEIVED_CODES, SENT_CODES, WIRE_CODES, type WireCode } from '#wire/error-codes.ts';
import { codeName, toError } from '#wire/error-reader.ts';

/** `shard_moved` is told from other preconditions by its own details: see below. */
const CODES = (Object.keys(SENT_CODES) as ErrorCode[]).filter((code) => code !== 'shard_moved');
const EARLIEST = { epoch: 4_294_967_297, lsn: 7 as Lsn };
const LATEST = { epoch: 4_294_967_297, lsn: 9 as Lsn };

/** As another process sees it: the body in JSON, the metadata as headers. */
function sent(error: ConnectError): ConnectError {
  const fallback = new ConnectError('unreadable', Code.Unknown);
  return errorFromJsonBytes(errorToJsonBytes(error, undefined), error.metadata, fallback);
}

function received({ code, message, details }: WalnutError): object {
  const { cause, ...told } = details;
  expect(cause).toBeInstanceOf(ConnectError);
  return { code, message, ...JSON.parse(JSON.stringify(told)) };
}

const DETAILS: readonly [string, ErrorDetails][] = [
  ['nothing', {}],
  ['where the master is', { leaderHint: 'm:8080' }],
  ['that nothing was done', { nothingDone: true }],
  ['a limit', { limit: { name: 'server.max_value_bytes', max: 1_024, size: 1_025 } }],
  ['the first record', { earliest: EARLIEST }],
  ['the first and the last record', { earliest: EARLIEST, latest: LATEST }],
  ['when there may be room', { retryAfterS: 1 }],
  [
    'everything',
    { leaderHint: 'm:8080', nothingDone: true, retryAfterS: 9, earliest: EARLIEST, latest: LATEST },
  ],
];

describe.each(CODES)('%s', (code) => {
  it.each(DETAILS)('comes back with its message and %s', (_name, details) => {
    const error = toError(sent(fromError(new WalnutError(code, 'because', details))));
    const expected =
      { storage_failed: 'internal', deadline_exceeded: 'cancelled', rate_limited: 'resource_exhausted' }[
        code as string
      ] ?? code;
    expect(received(error)).toEqual({ code: expected, message: 'because', ...details });
  });

  it('has one name for rpcs and for HTTP', () => {
    const error = new WalnutError(code, 'because', { leaderHint: 'm:8080' });
    const { code: name, message, headers } = fromErrorToHttp(error);
    expect(name).toBe(codeName(fromError(error).code));
    expect(message).toBe('because');
    expect(headers).toEqual({ 'x-leader-hint': 'm:8080' });
  });
});

describe('a key whose slot another group owns', () => {
  const shard = { slot: 12_182, group: 'g2', address: 'b:8080', mapEpoch: 7 };
  const moved = (details: Partial<typeof shard>): WalnutError =>
    new WalnutError('shard_moved', 'because', { shard: { ...shard, ...details }, nothingDone: true });

  it('comes back with its owner, in which nobody finds the master of this group', () => {
    const error = toError(sent(fromError(moved({}))));
    expect(received(error)).toEqual({ code: 'shard_moved', message: 'because', shard, nothingDone: true });
  });

  it('comes back where the owner is not known', () => {
    const unknown = { group: '', address: '' };
    const error = toError(sent(fromError(moved(unknown))));
    expect(received(error)).toMatchObject({ code: 'shard_moved', shard: { ...shard, ...unknown } });
  });

  it('is FAILED_PRECONDITION with headers for programs that know no details, and 421 over HTTP', () => {
    const headers = { 'x-shard-id': '12182', 'x-map-epoch': '7', 'x-new-node-hint': 'b:8080' };
    const error = fromError(moved({}));
    expect(error.code).toBe(Code.FailedPrecondition);
    expect(Object.fromEntries(error.metadata)).toEqual(headers);
    expect(fromErrorToHttp(moved({}))).toMatchObject({ httpStatus: 421, headers });
    expect(fromErrorToHttp(moved({ address: '' })).headers).toEqual({
      'x-shard-id': '12182',
      'x-map-epoch': '7',
    });
  });
});

describe('a code of the wire', () => {
  it.each(Object.entries(WIRE_CODES))('%s has the name and number of Connect', (name, number) => {
    const own = name.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());
    expect(Code[number]).toBe(own);
    expect(codeName(number)).toBe(name);
    expect(toError(new ConnectError('because', number)).code).toBe(RECEIVED_CODES[name as WireCode]);
  });

  it('is one of all there are', () => {
    const numbers = Object.values(Code).filter((value) => typeof value === 'number');
    expect(Object.values(WIRE_CODES)).toEqual(numbers);
  });

  it('that is none is unknown, and a bug of the sender', () => {
    expect(codeName(99 as Code)).toBe('unknown');
    expect(toError(new ConnectError('because', 99 as Code)).code).toBe('internal');
  });
});

describe('an error of v0.1.0, which has headers and no details', () => {
  it('is not_master where it names one', () => {
    const hint = { 'x-leader-hint': 'm:8080' };
    const error = toError(new ConnectError('because', Code.FailedPrecondition, hint));
    expect(received(error)).toEqual({ code: 'not_master', message: 'because', leaderHint: 'm:8080' });
  });

  it('keeps the earliest position', () => {
    const header = { 'x-earliest-position': '4294967297-7' };
    const error = toError(new ConnectError('because', Code.OutOfRange, header));
    expect(received(error)).toEqual({ code: 'out_of_range', message: 'because', earliest: EARLIEST });
  });
});

describe('details that make no sense', () => {
  it('are left out', () => {
    const value = { earliest: { epoch: 2n ** 60n, lsn: 1n } };
    const failure = new ConnectError('because', Code.OutOfRange, { 'x-earliest-position': 'far away' }, [
      { desc: LogRangeSchema, value },
    ]);
    expect(received(toError(sent(failure)))).toEqual({ code: 'out_of_range', message: 'because' });
  });
});
