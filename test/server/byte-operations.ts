/** Operations as they come in batches, valid and not, for tests that read them from bytes. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import type { BatchOperationSchema } from '#gen/walnut/v1/kv_store_pb.ts';

export type Operation = MessageInitShape<typeof BatchOperationSchema>;

/** Few, so that later operations meet earlier ones. */
export const key = fc.constantFrom(
  'a',
  'b',
  'key:000000000001',
  'schlüssel',
  '\u{feff}bom',
  '鍵',
  'k'.repeat(1_024),
);
export const badKey = fc.constantFrom('', 'k'.repeat(1_025), 'ü'.repeat(600));
const value = fc.uint8Array({ maxLength: 300 });
const position = fc.record({ epoch: fc.bigInt(0n, 2n ** 53n - 1n), lsn: fc.bigInt(0n, 9n) });

const expiry = fc.oneof(
  fc.record({ case: fc.constant('ttlMs' as const), value: fc.bigInt(1n, 2n ** 40n) }),
  fc.record({ case: fc.constant('expireAtMs' as const), value: fc.bigInt(0n, 2n ** 40n) }),
);
const condition = fc.record({
  case: fc.constantFrom('ifAbsent' as const, 'ifPresent' as const),
  value: fc.constant(true),
});

/** Few, so that names are used again. */
const name = fc
  .record(
    {
      clientId: fc.constantFrom(1n, 2n ** 64n - 1n),
      sequence: fc.oneof(fc.bigInt(1n, 3n), fc.bigInt(1n, 2n ** 53n - 1n)),
      since: fc.record({ epoch: fc.bigInt(0n, 2n ** 53n - 1n), lsn: fc.bigInt(1n, 9n) }),
    },
    { requiredKeys: ['clientId', 'sequence'] },
  )
  .chain((fields) =>
    fc.bigInt(0n, fields.sequence - 1n).map((answeredThrough) => ({ ...fields, answeredThrough })),
  );

/** One of two writes has a name: fast-check gives null once in `freq` times. */
function named<T extends object>(of: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc
    .tuple(of, fc.option(name, { freq: 2 }))
    .map(([write, its]) => (its === null ? write : { ...write, ...its }));
}

function incrementsOf(keys: fc.Arbitrary<string>): fc.Arbitrary<object> {
  return fc.record(
    {
      key: fc.oneof(keys, fc.constantFrom('n', 'm')),
      delta: fc.oneof(fc.bigInt(-3n, 3n), fc.bigInt(-(2n ** 52n), 2n ** 52n - 1n)),
      initial: fc.bigInt(-5n, 5n),
      expiry,
      condition,
    },
    { requiredKeys: ['key'] },
  );
}

function wrapped<C extends 'get' | 'set' | 'delete' | 'increment' | 'touch'>(
  name: C,
  of: fc.Arbitrary<unknown>,
): fc.Arbitrary<Operation> {
  return of.map((one) => ({ operation: { case: name, value: one } }) as Operation);
}

/** What is refused, or left to the general way. */
function oddOf(keys: fc.Arbitrary<string>): fc.Arbitrary<Operation> {
  return fc.oneof(
    wrapped(
      'get',
      fc.record({
        key: keys,
        maxStalenessMs: fc.bigInt(0n, 5n),
        waitMs: fc.integer({ min: 0, max: 70_000 }),
      }),
    ),
    wrapped(
      'set',
      fc.record({
        key: keys,
        value: fc.uint8Array({ maxLength: 600 }),
        minAcks: fc.integer({ min: 0, max: 99 }),
      }),
    ),
    wrapped(
      'set',
      fc.record({
        key: keys,
        expiry: fc.constantFrom({ case: 'ttlMs', value: 0n }, { case: 'keepTtl', value: false }),
      }),
    ),
    wrapped(
      'set',
      fc.record({ key: keys, condition: fc.record({ case: fc.constant('ifVersion'), value: position }) }),
    ),
    wrapped(
      'delete',
      fc.record({
        key: keys,
        clientId: fc.bigInt(0n, 1n),
        sequence: fc.bigInt(0n, 2n),
        answeredThrough: fc.bigInt(0n, 2n),
        since: position,
      }),
    ),
    wrapped('delete', fc.record({ key: keys, durability: fc.integer({ min: 0, max: 3 }) })),
    wrapped(
      'increment',
      fc.record(
        {
          key: keys,
          delta: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
          minAcks: fc.integer({ min: 0, max: 99 }),
        },
        { requiredKeys: ['key'] },
      ),
    ),
    wrapped('touch', fc.record({ key: keys, minAcks: fc.integer({ min: 0, max: 99 }) })),
    fc.constant({} as Operation),
  );
}

export function operationsOf(keys: fc.Arbitrary<string>): {
  plain: fc.Arbitrary<Operation>;
  any: fc.Arbitrary<Operation>;
} {
  const get = fc.record(
    { key: keys, atLeast: position, waitMs: fc.integer({ min: 0, max: 60_000 }) },
    { requiredKeys: ['key'] },
  );
  const set = fc.record(
    { key: keys, value, expiry, condition, returnPrevious: fc.boolean() },
    { requiredKeys: ['key', 'value'] },
  );
  const remove = fc.record({ key: keys, returnPrevious: fc.boolean() }, { requiredKeys: ['key'] });
  const touch = fc.record(
    { key: keys, expiry, returnValue: fc.boolean() },
    { requiredKeys: ['key', 'expiry'] },
  );
  const plain = fc.oneof(
    wrapped('get', get),
    wrapped('set', named(set)),
    wrapped('delete', named(remove)),
    wrapped('increment', named(incrementsOf(keys))),
    wrapped('touch', named(touch)),
  );
  return { plain, any: fc.oneof({ weight: 3, arbitrary: plain }, { weight: 1, arbitrary: oddOf(keys) }) };
}
