/** The program's own files, beside its code and within an executable. */
import { describe, expect, it } from 'vitest';
import { type Embedded, ownFiles } from '#platform/own-files.ts';

const ROOT = new URL('../../', import.meta.url);
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe('files beside the code', () => {
  const files = ownFiles(ROOT);
  it('are listed and read', () => {
    expect(files.list('internal/page/assets')).toContain('index.html');
    expect(files.list('internal/none')).toEqual([]);
    expect(text(files.read('package.json'))).toContain('"walnut"');
    expect(files.readOfPackage('uplot/dist/uPlot.min.css').length).toBeGreaterThan(100);
    expect(() => files.read('none')).toThrow('ENOENT');
  });
});

describe('files within an executable', () => {
  const within: Readonly<Record<string, string>> = {
    'a/b.txt': '1',
    'a/c.txt': '2',
    'node_modules/p/d.js': '3',
  };
  const embedded: Embedded = {
    getAssetKeys: () => Object.keys(within),
    getRawAsset: (path) => new TextEncoder().encode(within[path]).buffer as ArrayBuffer,
  };
  const files = ownFiles(ROOT, embedded);
  it('are listed and read', () => {
    expect([files.list('a'), files.list('b')]).toEqual([['b.txt', 'c.txt'], []]);
    expect([text(files.read('a/c.txt')), text(files.readOfPackage('p/d.js'))]).toEqual(['2', '3']);
  });
});
