/**
 * Node's global `Buffer` is an accessor, so each use of it calls a function: some 10 ns, and
 * the hot path has a dozen uses. V8 knows the value of a plain property when it compiles.
 */

/** `globals`: those of the process, whose `Buffer` becomes a plain property with the same value. */
export function makeBufferPlain(globals: { readonly Buffer: unknown } = globalThis): void {
  const { Buffer: value } = globals;
  Object.defineProperty(globals, 'Buffer', { value, writable: true, configurable: true, enumerable: false });
}
