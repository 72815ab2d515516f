/**
 * What every rpc of KVStore has besides its implementation. The list is that of the
 * generated descriptor, so an rpc that is added fails here until it has all of it.
 * `test/node/refusals.test.ts` and `test/server/protocols.test.ts` compare what they
 * call with the same list.
 */
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { WalnutClient } from '../../client/walnut-client.ts';
import { listFiles, readText } from './source-files.ts';

/** Client methods that are not named like their rpc. */
const CLIENT_METHODS: Readonly<Record<string, string>> = { batch: 'atomic' };
/** Rpcs that no command calls, and why. */
const WITHOUT_COMMAND: Readonly<Record<string, string>> = {
  getUpdates: 'pages of the log are for programs; `walnut watch --after` prints the same changes',
};

const SECTIONS = [...readText('docs/api.md').matchAll(/^## (.*)$/gm)].flatMap(([, title = '']) =>
  title.split(', '),
);
const COMMANDS = listFiles('cmd/walnut').map(readText).join('\n');

function isCalledBy(source: string, localName: string): boolean {
  return (
    new RegExp(`\\bkv\\b[^;]{0,40}\\.${localName}\\(`).test(source) ||
    new RegExp(`\\{[^}]*\\b${localName}\\b[^}]*\\} = KVStore\\.method`).test(source)
  );
}

describe.each(KVStore.methods.map(({ name, localName }) => [name, localName] as const))(
  '%s',
  (name, localName) => {
    it('has a section with examples in docs/api.md', () => {
      expect(SECTIONS).toContain(name);
    });

    it('has a method of the client', () => {
      expect(WalnutClient.prototype).toHaveProperty(CLIENT_METHODS[localName] ?? localName);
    });

    it('is called by a command, unless there is a reason why not', () => {
      expect(isCalledBy(COMMANDS, localName)).toBe(WITHOUT_COMMAND[localName] === undefined);
    });
  },
);

describe('the test of rpcs', () => {
  it.each([
    ['const a = kv.get({ key }, CALL);', 'get', true],
    ['const { set: SET, batch: BATCH } = KVStore.method;', 'batch', true],
    ['const { set: SET } = KVStore.method;', 'batch', false],
    ['const page = map.get(key);', 'get', false],
  ])('reads calls in %s', (source, localName, isCalled) => {
    expect(isCalledBy(source, localName)).toBe(isCalled);
  });
});
