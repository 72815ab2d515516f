/** Nonsense as credentials and as files of users: never a crash, and never a principal. Prints its seed on failure. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { isUserList, parseUserList } from '#auth/user-list.ts';
import type { Peer } from '#model/access.ts';
import { WalnutError } from '#model/errors.ts';
import { AUTH_FILE, tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const at = (remoteAddress: string): Peer => ({ remoteAddress, certificateNames: undefined });

const RUNS = Number(process.env['WALNUT_FUZZ_CREDENTIALS'] ?? 2_000);

it('no header is a credential but the right ones', async () => {
  const identities = new Identities({
    clock: new VirtualClock(),
    mode: 'required',
    users: usersOf(),
    random: { uint32: () => 1, id128: () => 'ab'.repeat(16) },
    onAnonymous: () => {},
    onFailure: () => {},
    derive: async () => Buffer.alloc(32, 9),
  });
  const right = `Bearer ${tokenOf('app')}`;
  const connection = {};
  await identities.identify(right, connection, at('::1'));
  const mutated = fc
    .tuple(fc.nat(right.length), fc.nat(3), fc.string({ maxLength: 3, unit: 'binary' }))
    .map(([at, cut, put]) => right.slice(0, at) + put + right.slice(at + cut))
    // The scheme has any case, and any number of blanks after it.
    .filter((text) => text.replace(/^bearer +/i, 'Bearer ') !== right);
  const basic = fc.base64String().map((text) => `Basic ${text}`);
  let calls = 0;
  const header = fc.oneof(mutated, basic, fc.string({ unit: 'binary' }));
  await fc.assert(
    fc.asyncProperty(header, async (text) => {
      // From a new address each time, so that each is looked at and none is paced.
      const found = await identities.identify(text, connection, at(`10.0.0.${calls++}`));
      expect(found).toBeInstanceOf(WalnutError);
    }),
    { numRuns: RUNS },
  );
});

it('no file of users is half taken', () => {
  const leaf = fc.oneof(
    fc.constantFrom(...AUTH_FILE.users, ...AUTH_FILE.roles, 'reader', 'read', null),
    fc.anything(),
  );
  const part = fc.oneof(fc.array(leaf, { maxLength: 4 }), leaf);
  const keys = fc.constantFrom('users', 'roles', 'name', 'grants', '__proto__', 'tokens');
  fc.assert(
    fc.property(fc.dictionary(keys, part, { maxKeys: 3 }), (values) => {
      const parsed = parseUserList(values);
      if (!isUserList(parsed)) {
        expect(parsed.length).toBeGreaterThan(0);
        return;
      }
      for (const { name, hashes, grants } of parsed) {
        expect([name.length > 0, hashes.length > 0]).toEqual([true, true]);
        expect(grants.every(({ access }) => access.length > 0)).toBe(true);
      }
    }),
    { numRuns: RUNS },
  );
});
