/** Headers of exports in a file. */
import { describe, expect, it } from 'vitest';
import { parseHeaderLines } from '#telemetry/header-lines.ts';

describe('a file of headers', () => {
  it.each([
    ['', {}],
    ['# who we are\r\nAuthorization: Bearer a:b=\r\n\n', { authorization: 'Bearer a:b=' }],
    ['x-scope-orgid:7\nAPI-Key:\tk', { 'x-scope-orgid': '7', 'api-key': 'k' }],
    ['__proto__: 1', { ['__proto__']: '1' }],
  ])('%j is read', (text, headers) =>
    expect(Object.entries(parseHeaderLines(text))).toEqual(Object.entries(headers)),
  );

  it.each([
    ['secret', 'line 1: expected a header such as "authorization: Bearer …"'],
    ['a: 1\nb:', 'line 2: expected a header'],
    ['a b: secret', 'line 1: expected a header'],
    ['a: sécret', 'line 1: expected a header'],
    ['a: 1\nA: 2', 'line 2: a is there twice'],
    ['Content-Type: text/plain', 'line 1: content-type is set by each export itself'],
    [Array.from({ length: 33 }, (_, at) => `h${at}: 1`).join('\n'), 'expected at most 32 headers'],
  ])('%j is refused and not shown', (text, message) => {
    expect(() => parseHeaderLines(text)).toThrow(message);
    expect(() => parseHeaderLines(text)).not.toThrow(/secret|sécret/);
  });
});
