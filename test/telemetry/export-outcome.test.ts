/** What answers of a collector mean, and how long it is left alone. */
import { describe, expect, it } from 'vitest';
import type { PostAnswer } from '#dial/post.ts';
import { outcomeOf, type Refusal, waitOf } from '#telemetry/export-outcome.ts';

const NOW_MS = Date.parse('2026-01-01T00:00:00Z');
const answer = (status: number, headers: PostAnswer['headers'] = {}, text = ''): PostAnswer => ({
  ...{ status, headers, body: Buffer.from(text) },
});
const judge = (given: PostAnswer, refused?: Refusal) =>
  outcomeOf(given, { refused: () => refused, nowMs: NOW_MS });

describe('the answer of a collector', () => {
  it.each<[PostAnswer, Refusal | undefined, object]>([
    [answer(200), undefined, { result: 'ok', isWorthRetry: false }],
    [answer(202), undefined, { result: 'ok', isWorthRetry: false }],
    [
      answer(200),
      { result: 'partial', why: '2 points' },
      { result: 'partial', why: '2 points', isWorthRetry: false },
    ],
    [
      answer(307, { location: 'https://u:p@c:1/v1/metrics?token=t' }),
      undefined,
      { result: 'refused', why: 'HTTP 307 to https://c:1/v1/metrics', isWorthRetry: false },
    ],
    [
      answer(308, { location: '/v1/metrics/?token=t' }),
      undefined,
      { result: 'refused', why: 'HTTP 308 to /v1/metrics/', isWorthRetry: false },
    ],
    [answer(400, {}, 'bad\n'), undefined, { result: 'refused', why: 'HTTP 400: bad', isWorthRetry: false }],
    [answer(401), undefined, { result: 'refused', why: 'HTTP 401', isWorthRetry: false }],
    [answer(301), undefined, { result: 'refused', why: 'HTTP 301', isWorthRetry: false }],
    [answer(500, {}, '\u0012\u0004'), undefined, { result: 'refused', why: 'HTTP 500', isWorthRetry: false }],
    [answer(502), undefined, { result: 'failed', why: 'HTTP 502', isWorthRetry: true }],
    [answer(504), undefined, { result: 'failed', why: 'HTTP 504', isWorthRetry: true }],
    [
      answer(429, { 'retry-after': '7' }),
      undefined,
      { result: 'failed', why: 'HTTP 429', isWorthRetry: true, retryAfterMs: 7_000 },
    ],
    [
      answer(503, { 'retry-after': 'Thu, 01 Jan 2026 00:00:30 GMT' }),
      undefined,
      { result: 'failed', why: 'HTTP 503', isWorthRetry: true, retryAfterMs: 30_000 },
    ],
    [
      answer(503, { 'retry-after': '999999999' }),
      undefined,
      { result: 'failed', why: 'HTTP 503', isWorthRetry: true, retryAfterMs: 600_000 },
    ],
    [
      answer(503, { 'retry-after': 'soon' }),
      undefined,
      { result: 'failed', why: 'HTTP 503', isWorthRetry: true },
    ],
  ])('%o means what it says', (given, refused, outcome) => {
    expect(judge(given, refused)).toEqual(outcome);
  });

  it('is shown cut where it is a page', () => {
    expect(judge(answer(404, {}, `<html>${'x'.repeat(5_000)}`)).why).toHaveLength('HTTP 404: '.length + 300);
  });
});

describe('the wait until the next export', () => {
  const wait = (status: number, failures: number, more: object = {}): number =>
    waitOf({ outcome: judge(answer(status)), failures, intervalMs: 15_000, chance: 0.5, ...more });

  it.each([
    ['the interval after one that was taken', wait(200, 0), 15_000],
    ['the interval after one that will never be taken', wait(400, 0), 15_000],
    ['a second after the first failure', wait(503, 1), 1_000],
    ['twice as long after each further one', wait(503, 4), 8_000],
    ['at most a minute', wait(503, 90), 60_000],
    ['at most the interval where that is longer', wait(503, 90, { intervalMs: 120_000 }), 120_000],
    ['a fifth shorter', wait(503, 1, { chance: 0 }), 800],
    ['a fifth longer', wait(503, 1, { chance: 1 }), 1_200],
  ])('is %s', (_, waitMs, expected) => expect(waitMs).toBe(expected));

  it('is what the collector said, where that is longer', () => {
    const outcome = judge(answer(429, { 'retry-after': '90' }));
    expect(waitOf({ outcome, failures: 1, intervalMs: 15_000, chance: 0 })).toBe(90_000);
  });
});
