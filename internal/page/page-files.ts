/**
 * The files of the page, read into memory once in a process. They tell nothing of the server
 * that sends them, so they need no credential. Throws where a file is missing: an incomplete
 * installation. Where the whole directory is missing there is no page: a program that was bundled
 * into one file has only its code.
 */
import { createHash } from 'node:crypto';
import { runbooksOf } from '#page/runbooks.ts';
import { type OwnFiles, ownFiles } from '#platform/own-files.ts';

export interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array;
  /** Changes with the bytes, so that a browser keeps a file and asks whether it is the same. */
  readonly etag: string;
}

/** By name: what stands behind `/page/`. */
export type PageFiles = ReadonlyMap<string, PageFile>;

export const INDEX = 'index.html';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json',
  svg: 'image/svg+xml',
};
const ROOT = new URL('../../', import.meta.url);
const ASSETS = 'internal/page/assets';
/** The documents that have runbooks. */
const MANUALS = ['operations.md', 'cluster.md', 'gateway.md'];
const UPLOT = { 'uplot.js': 'uplot/dist/uPlot.iife.min.js', 'uplot.css': 'uplot/dist/uPlot.min.css' };

let kept: PageFiles | undefined;

export function pageFiles(): PageFiles {
  kept ??= readFiles();
  return kept;
}

export function readFiles(files: OwnFiles = ownFiles(ROOT)): PageFiles {
  const names = files.list(ASSETS);
  if (names.length === 0) return new Map();
  const own = names.map((name) => [name, files.read(`${ASSETS}/${name}`)] as const);
  const charts = Object.entries(UPLOT).map(([name, path]) => [name, files.readOfPackage(path)] as const);
  const text = new TextDecoder();
  const manuals = MANUALS.map((name) => [name, text.decode(files.read(`docs/${name}`))] as const);
  const runbooks = Buffer.from(JSON.stringify(Object.fromEntries(runbooksOf(new Map(manuals)))));
  const all = [...own, ...charts, ['runbooks.json', runbooks] as const];
  return new Map(all.map(([name, bytes]) => [name, fileOf(name, bytes)]));
}

function fileOf(name: string, bytes: Uint8Array): PageFile {
  const type = TYPES[name.slice(name.lastIndexOf('.') + 1)];
  if (type === undefined) throw new Error(`${name} of the page has no content type in page-files.ts`);
  const hash = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  return { type, bytes, etag: `"${hash}"` };
}
