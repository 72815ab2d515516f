/** Planted bugs of the page: who gets what of it, what it costs, and what it says is wrong. */
import type { Mutant } from './mutant.ts';

const ALARMS = 'test/page/alarms.test.ts';
const FEED = 'test/page/live-feed.test.ts';
const FIGURES = 'test/page/figures.test.ts';
const TEXT = 'test/page/text.test.ts';
const ROUTES = 'test/server/page.test.ts';

export const PAGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'page that runs scripts within its text',
    file: 'internal/page/page-routes.ts',
    text: `"script-src 'self'",`,
    replacement: `"script-src 'self' 'unsafe-inline'",`,
    tests: [ROUTES],
  },
  {
    name: 'page that other sites may frame',
    file: 'internal/page/page-routes.ts',
    text: `    "frame-ancestors 'none'",\n`,
    replacement: '',
    tests: [ROUTES],
  },
  {
    name: 'page whose kept files are sent again',
    file: 'internal/page/page-routes.ts',
    text: 'isKept ? 304 : 200',
    replacement: '200',
    tests: [ROUTES],
  },
  {
    name: 'page instead of text for programs',
    file: 'internal/page/page-routes.ts',
    text: '(index !== undefined && wantsPage(headers) ? FILE : TEXT_PAGE)',
    replacement: 'FILE',
    tests: [ROUTES],
  },
  {
    name: 'figures of the page open to everyone',
    file: 'internal/model/methods.ts',
    text: "'/page/live': { access: 'observe',",
    replacement: "'/page/live': { access: 'open',",
    tests: [ROUTES],
  },
  {
    name: 'page whose browser asks for a password by itself',
    file: 'internal/rpc/request-listener.ts',
    text: "const isOfPage = headers['x-requested-with'] !== undefined &&",
    replacement: 'const isOfPage = false &&',
    tests: [ROUTES],
  },
  {
    name: 'snapshots of the page made while nobody looks',
    file: 'internal/page/live-feed.ts',
    text: '    this.#timer?.cancel();\n',
    replacement: '',
    tests: [FEED],
  },
  {
    name: 'viewers of the page without a bound',
    file: 'internal/page/live-feed.ts',
    text: 'if (this.#viewers.size >= VIEWERS_MAX) this.#endOne();',
    replacement: '',
    tests: [FEED],
  },
  {
    name: 'newcomer to the page that takes the place of whoever looks longest',
    file: 'internal/page/live-feed.ts',
    text: 'each.length > most.length ? each : most',
    replacement: 'each.length > most.length ? most : each',
    tests: [FEED],
  },
  {
    name: 'viewer of the page whose place is not given back',
    file: 'internal/page/live-feed.ts',
    text: 'if (!this.#viewers.delete(viewer) || this.#viewers.size > 0) return;',
    replacement: 'if (this.#viewers.size > 1) return;',
    tests: [FEED],
  },
  {
    name: 'snapshot of the page made anew for each viewer',
    file: 'internal/page/live-feed.ts',
    text: 'if (this.#newest === undefined) this.#tick();',
    replacement: 'this.#tick();',
    tests: [FEED],
  },
  {
    name: 'watches counted among the times of calls on the page',
    file: 'internal/page/assets/figures.js',
    text: ' && method !== STREAM',
    replacement: '',
    tests: [FIGURES],
  },
  {
    name: 'percentiles of the page since the start of the process',
    file: 'internal/page/assets/figures.js',
    text: '[-1, before]',
    replacement: '[0, before]',
    tests: [FIGURES],
  },
  {
    name: 'alarm of a delay that is meant',
    file: 'internal/page/assets/alarms.js',
    text: "state !== 'NODE_STATE_DELAYED' && ",
    replacement: '',
    tests: [ALARMS],
  },
  {
    name: 'alarm of the page with the limit of another rule',
    file: 'internal/page/assets/alarms.js',
    text: 'const FSYNC_S_MAX = 0.25;',
    replacement: 'const FSYNC_S_MAX = 0.75;',
    tests: [ALARMS],
  },
  {
    name: 'key on the page that looks like another one',
    file: 'internal/page/assets/format.js',
    text: '[\\p{C}\\p{Z}]|',
    replacement: '[\\p{Cc}\\p{Z}]|',
    tests: [TEXT],
  },
  {
    name: 'value that turns the text of the page round',
    file: 'internal/page/assets/values.js',
    text: '[\\p{Cc}\\p{Cf}]',
    replacement: '[\\p{Cc}]',
    tests: [TEXT],
  },
  {
    name: 'preview of a value that decodes all of it',
    file: 'internal/page/assets/values.js',
    text: 'base64.slice(0, PREVIEW_CHARS)',
    replacement: 'base64',
    tests: [TEXT],
  },
  {
    name: 'token on the page that no header can carry',
    file: 'internal/page/assets/format.js',
    text: '[\\x21-\\x7e]*$',
    replacement: '[^ ]*$',
    tests: [TEXT],
  },
];
