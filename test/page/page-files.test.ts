/** The files of the page, where they are and where there are none. */
import { describe, expect, it } from 'vitest';
import { readFiles } from '#page/page-files.ts';
import { createIndexRoute } from '#page/page-routes.ts';
import { filesBeside } from '#platform/own-files.ts';

describe('a program that was bundled into one file', () => {
  const none = readFiles(filesBeside(new URL('none/', import.meta.url)));

  it('has no page, and starts all the same', () => {
    expect([...none]).toEqual([]);
  });

  it('has the text at / for browsers, too', () => {
    const route = createIndexRoute(none, () => 'text');
    expect(route.operation('GET', '', { accept: 'text/html' }).name).toBe('/');
    const page = createIndexRoute(readFiles(), () => 'text');
    expect(page.operation('GET', '', { accept: 'text/html' }).name).toBe('/page/{file}');
  });
});
