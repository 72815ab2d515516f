/** The routes of the page, for any edge. */
import { createLiveRoute, type LiveEdge } from '#page/live-route.ts';
import { pageFiles } from '#page/page-files.ts';
import { createFilesRoute, createIndexRoute } from '#page/page-routes.ts';
import { createPageSource, type PageSourceOptions } from '#page/page-source.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';

export interface PageOptions extends PageSourceOptions {
  /** What this process is, for those who ask `/` for text. */
  readonly text: () => string;
}

export function createPage(options: PageOptions, edge: LiveEdge): HttpRoute[] {
  const files = pageFiles();
  return [
    createIndexRoute(files, options.text),
    createLiveRoute(createPageSource(options), edge),
    createFilesRoute(files),
  ];
}
