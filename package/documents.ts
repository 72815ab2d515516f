/** The documents of the package: their links lead to what is in it, and their examples import it by its name. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LIBRARIES, PACKAGE_NAME } from './manifest.ts';

/** What users of the package read; the manuals of the page are among them. */
const DOCUMENTS = [
  'client/README.md',
  'docs/api.md',
  'docs/cluster.md',
  'docs/embedded.md',
  'docs/gateway.md',
  'docs/glossary.md',
  'docs/how-it-maps.md',
  'docs/moving.md',
  'docs/operations.md',
  'docs/replication.md',
  'docs/security.md',
  'docs/when-not.md',
];
/** The file of the repository that is the package's own README. */
const README = 'package/README.md';

const LINK = /!?\[([^\]]*)\]\(([^)\s]+)\)/g;
const IMPORT = /(?<=from ')\.\/((?:client|embedded)\/[\w-]+)\.ts(?=')/g;

/** Copies them from the repository `root` into the package. Call it when everything else is there. */
export function writeDocuments(root: string, target: string): void {
  for (const path of DOCUMENTS) {
    mkdirSync(dirname(join(target, path)), { recursive: true });
    cpSync(join(root, path), join(target, path));
  }
  const readme = readFileSync(join(root, README), 'utf8').replaceAll('](../', '](');
  writeFileSync(join(target, 'README.md'), readme);
  for (const path of ['README.md', ...DOCUMENTS]) rewrite(target, path);
}

/** A document that is there already, such as one of the page. */
export function rewrite(target: string, path: string): void {
  const text = readFileSync(join(target, path), 'utf8');
  writeFileSync(join(target, path), withNames(withLivingLinks(text, join(target, dirname(path)))));
}

/** A link to what is not there is its text alone. `directory`: of the document. */
function withLivingLinks(text: string, directory: string): string {
  return text.replaceAll(LINK, (link: string, label: string, to: string) => {
    const [file = ''] = to.split('#');
    const isLiving = /^\w+:/.test(to) || file === '' || existsSync(join(directory, file));
    return isLiving ? link : label;
  });
}

/** Imports of sources as imports of the package that exports what they do. */
export function withNames(text: string): string {
  return text.replaceAll(IMPORT, (_, file: string) => {
    const own = LIBRARIES.find((library) => library.file === file && library.path !== '.');
    const path = own?.path.slice(1) ?? (file.startsWith('embedded/') ? '/embedded' : '');
    return PACKAGE_NAME + path;
  });
}
