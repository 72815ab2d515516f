import { describe, expect, it } from 'vitest';
import { readQuery } from '#server/query.ts';

const KNOWN = ['a', 'b', 'ü'];

describe('the query of a plain route', () => {
  it.each([
    ['', {}],
    ['a', { a: '' }],
    ['a=', { a: '' }],
    ['&a=1&&b=2&', { a: '1', b: '2' }],
    ['a=1=2', { a: '1=2' }],
    ['a=x+y%2Bz%20w', { a: 'x y+z w' }],
    ['%61=%C3%BC&%c3%bc=1', { a: 'ü', ü: '1' }],
    ['a=%F0%9F%8C%B0%00', { a: '\u{1f330}\0' }],
  ])('%j says %j', (query, parameters) => {
    expect(Object.fromEntries(readQuery(query, KNOWN))).toEqual(parameters);
    expect(Object.fromEntries(readQuery(query, KNOWN))).toEqual(
      Object.fromEntries(new URLSearchParams(query)),
    );
  });

  it.each([
    '%ff=1',
    'a=%ff',
    'a=%fe',
    'a=%zz',
    'a=%',
    'a=%4',
    'a=%C3',
    'a=%ED%A0%80',
    'a=%C0%80',
    'a=ü',
    'a=\u00c3\u00bc',
  ])('%j is refused', (query) => {
    expect(() => readQuery(query, KNOWN)).toThrow('expected %XX with UTF-8 bytes');
  });

  it.each([
    ['c=1', 'unknown parameter "c": expected one of a, b, ü'],
    ['a=1&a=1', 'parameter a is given twice'],
    ['a=1&%61=2', 'parameter a is given twice'],
  ])('%j is refused', (query, message) => {
    expect(() => readQuery(query, KNOWN)).toThrow(message);
  });
});
