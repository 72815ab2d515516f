/** Programs that use the published package, as a project would: as ES modules and as CommonJS. */
import { PACKAGE_NAME } from './manifest.ts';

export interface TrialProgram {
  /** The name of its file; the extension says which module system it uses. */
  readonly name: string;
  readonly text: string;
  /** Its standard output. */
  readonly printed: string;
}

/** Takes the address of a master as its argument. */
const USE_CLIENT = `
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
const CLIENT_PRINTED = 'hi v walnut.v1.KVStore\ntrue not_done InvalidArgument\n';

const USE_EMBEDDED = `
(async () => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-trial-'));
  const server = { port: 0, address: '127.0.0.1' };
  const config = { server, wal: { directory: join(directory, 'node') }, storage: { max_memory: '64MB' } };
  const node = await openNode({ config });
  const replica = await openReplica({ master: node.address, directory: join(directory, 'replica') });
  await replica.ready();
  await replica.set('k', Buffer.from('v'));
  console.log(Buffer.from(replica.get('k')).toString());
  await replica.close();
  await node.close();
  rmSync(directory, { recursive: true });
})();
`;

type Names = readonly (readonly [module: string, names: string])[];

const client = (path: string): Names => [
  [`${PACKAGE_NAME}${path}`, 'CallError, Code, connect, json'],
  [`${PACKAGE_NAME}/keyv`, 'KeyvWalnut'],
  [`${PACKAGE_NAME}/v1/kv_store`, 'KVStore'],
];
const embedded: Names = [
  [`${PACKAGE_NAME}/embedded`, 'openNode, openReplica'],
  ['node:fs', 'mkdtempSync, rmSync'],
  ['node:os', 'tmpdir'],
  ['node:path', 'join'],
];

const importing = (names: Names): string =>
  names.map(([module, each]) => `import { ${each} } from '${module}';\n`).join('');
const requiring = (names: Names): string =>
  names.map(([module, each]) => `const { ${each} } = require('${module}');\n`).join('');

export const PROGRAMS: readonly TrialProgram[] = [
  { name: 'use.mjs', text: importing(client('')) + USE_CLIENT, printed: CLIENT_PRINTED },
  { name: 'fetch.mjs', text: importing(client('/fetch')) + USE_CLIENT, printed: CLIENT_PRINTED },
  { name: 'use.cjs', text: requiring(client('')) + USE_CLIENT, printed: CLIENT_PRINTED },
  { name: 'embedded.mjs', text: importing(embedded) + USE_EMBEDDED, printed: 'v\n' },
  { name: 'embedded.cjs', text: requiring(embedded) + USE_EMBEDDED, printed: 'v\n' },
];
