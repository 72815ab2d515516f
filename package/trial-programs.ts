/** Programs that use the published package, as a project would: as ES module, as CommonJS, on `fetch`. */
import { PACKAGE_NAME } from './manifest.ts';

/** What the package exports to programs: names by path. */
const NAMES = [
  ['', 'CallError, Code, connect, json'],
  ['/keyv', 'KeyvWalnut'],
  ['/v1/kv_store', 'KVStore'],
] as const;

/** Takes the address of a master as its argument. */
const USE = `
const [address] = process.argv.slice(2);
(async () => {
  const walnut = connect(address);
  const notes = walnut.map('note:', json());
  await notes.set('a', { text: 'hi' });
  const store = new KeyvWalnut(walnut);
  await store.set('k', 'v');
  const bad = await walnut.set('', new Uint8Array()).catch((error) => error);
  console.log((await notes.get('a')).text, await store.get('k'), KVStore.typeName);
  console.log(bad instanceof CallError, bad.outcome, Code[bad.code]);
  await walnut.close();
})();
`;

/** What each of them prints. */
export const PRINTED = 'hi v walnut.v1.KVStore\ntrue not_done InvalidArgument\n';

/** By the name of its file. */
export const PROGRAMS: Readonly<Record<string, string>> = {
  'use.mjs': importing('') + USE,
  'fetch.mjs': importing('/fetch') + USE,
  'use.cjs':
    NAMES.map(([path, names]) => `const { ${names} } = require('${PACKAGE_NAME}${path}');\n`).join('') + USE,
};

function importing(main: string): string {
  const lines = NAMES.map(([path, names]) => `import { ${names} } from '${PACKAGE_NAME}${path || main}';\n`);
  return lines.join('');
}
