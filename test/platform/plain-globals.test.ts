/** The global `Buffer`: the same value, and no accessor any more. */
import { expect, it } from 'vitest';
import { makeBufferPlain } from '#platform/plain-globals.ts';

it('becomes a plain property with the same value', () => {
  const globals = {
    get Buffer() {
      return Buffer;
    },
  };
  makeBufferPlain(globals);
  expect(Object.getOwnPropertyDescriptor(globals, 'Buffer')).toEqual({
    value: Buffer,
    writable: true,
    configurable: true,
    enumerable: false,
  });
});
