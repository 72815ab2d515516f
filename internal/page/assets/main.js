/**
 * The page: one view at a time, chosen by the fragment of the URL, all fed by one stream of
 * snapshots. The stream is closed while nobody looks at the tab.
 */
import { describe, follow, hasToken, Lost, Refusal, setToken } from './connection.js';
import { byId, el, say } from './dom.js';
import { showEnum, showTime } from './format.js';
import { KeysView } from './keys.js';
import { Overview } from './overview.js';
import { keepRunbooks } from './runbook.js';
import { SlowView } from './slow.js';
import { WatchView } from './watch.js';

const RETRY_MS = [1_000, 2_000, 5_000, 10_000];
/** The server has no place for this page: others that look take turns slowly. */
const FULL_MS = 30_000;
/** A tab that was left so long ago gets no snapshots. */
const HIDDEN_MS = 10_000;
/** A snapshot comes each second: after the first time the page says that none does, after the second it connects again. */
const SILENT_MS = 4_000;
const DEAD_MS = 20_000;
const NO_TOKEN =
  'This is no token: it has a space, or a character that is not ASCII. Copy what walnut auth new-token printed.';
const VIEWS = [
  { id: 'overview', title: 'Overview', kinds: ['node', 'coordinator', 'gateway'] },
  { id: 'keys', title: 'Keys', kinds: ['node', 'gateway'] },
  { id: 'watch', title: 'Watch', kinds: ['node', 'gateway'] },
  { id: 'slow', title: 'Slow calls', kinds: ['node'] },
];

const overview = new Overview();
const watch = new WatchView();
const views = { overview, keys: new KeysView(), watch, slow: new SlowView() };
let kind;
/** Ends the stream under way; undefined: there is none. */
let stream;
let failures = 0;
/** The server has said that it has no place for this page. */
let isRefused = false;
/** When the newest snapshot came, by `performance.now`. */
let heardMs = 0;
/** Wall time of what is shown; 0: nothing is. */
let shownMs = 0;
let retry;

/** A process that stands still keeps its connections, so what is shown would look like the present. */
function checkSilence() {
  const silentMs = performance.now() - heardMs;
  if (stream === undefined || kind === undefined || isRefused || silentMs < SILENT_MS) return;
  lose('No answer');
  if (silentMs > DEAD_MS) connect();
}

function lose(why) {
  byId('link').classList.add('lost');
  byId('state').className = 'badge';
  say(byId('link'), shownMs === 0 ? why : `${why}. What is shown is of ${showTime(shownMs)}`);
  overview.lose(shownMs === 0 ? `${why}.` : `No answer since ${showTime(shownMs)}: what is shown is old.`);
  document.title = `(!) ${location.host} – Walnut`;
}

function connect() {
  heardMs = performance.now();
  isRefused = false;
  clearTimeout(retry);
  stream?.abort();
  stream = new AbortController();
  void run(stream);
}

async function run(own) {
  try {
    const end = await follow('page/live', own.signal, show);
    const why = end === undefined ? 'Disconnected' : `Disconnected: ${end.message}`;
    tryAgain(own, why, end?.code === 'resource_exhausted');
  } catch (error) {
    if (own.signal.aborted) return;
    if (!(error instanceof Refusal || error instanceof Lost)) reportError(error);
    if (error instanceof Refusal && (error.status === 401 || error.status === 403)) askForToken(error);
    else tryAgain(own, describe(error), error.status === 429);
  }
}

function tryAgain(own, why, isFull) {
  if (own !== stream || own.signal.aborted) return;
  isRefused = isFull;
  lose(why);
  // Keys and watches need no place among those that look.
  if (isFull && kind === undefined) {
    showNavigation();
    route();
  }
  retry = setTimeout(connect, isFull ? FULL_MS : RETRY_MS[Math.min(failures, RETRY_MS.length - 1)]);
  failures += 1;
}

function show(snapshot) {
  failures = 0;
  isRefused = false;
  heardMs = performance.now();
  shownMs = snapshot.atMs;
  byId('link').classList.remove('lost');
  say(byId('link'), 'Live');
  byId('logout').hidden = !hasToken();
  void keepRunbooks();
  if (kind !== snapshot.kind) {
    kind = snapshot.kind;
    showNavigation();
    route();
  }
  const alarms = overview.show(snapshot);
  showHeader(snapshot, alarms);
}

function showHeader({ view, kind: shown }, alarms) {
  const state =
    shown === 'node'
      ? `${showEnum(view.role, 'ROLE_')}, ${showEnum(view.state, 'NODE_STATE_')}`
      : `${shown}, ${view.readiness.state}`;
  const isCritical = alarms.some(({ severity }) => severity === 'critical');
  const badge = byId('state');
  badge.textContent = state;
  badge.className = `badge ${isCritical ? 'bad' : alarms.length > 0 ? 'warn' : 'good'}`;
  const count = alarms.length === 0 ? '' : `(${alarms.length}) `;
  document.title = `${count}${location.host} – Walnut`;
  byId('title').textContent = location.host;
}

/** The views that this process has; until a snapshot says what it is, those that every process has. */
function served() {
  return VIEWS.filter(({ kinds }) => kinds.includes(kind ?? 'gateway'));
}

function showNavigation() {
  byId('views').replaceChildren(...served().map(({ id, title }) => el('a', { href: `#${id}` }, title)));
}

/** Shows the view that the fragment names, else the first one. */
function route() {
  if (kind === undefined && !isRefused) return;
  const wanted = location.hash.slice(1);
  if (wanted === 'main') return;
  const chosen = served().find(({ id }) => id === wanted)?.id ?? 'overview';
  for (const { id } of VIEWS) byId(id).hidden = id !== chosen;
  for (const link of byId('views').children) {
    if (link.hash === `#${chosen}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  views[chosen].open?.();
}

function askForToken({ status, message }) {
  byId('login-why').textContent = status === 401 && !hasToken() ? 'This server asks who you are.' : message;
  setToken('');
  clear();
  stream = undefined;
  byId('logout').hidden = true;
  if (!byId('login').open) byId('login').showModal();
  byId('login-token').focus();
}

/** A caller without rights finds nothing of what was shown behind the dialog. */
function clear() {
  kind = undefined;
  shownMs = 0;
  byId('views').replaceChildren();
  byId('link').textContent = '';
  byId('state').textContent = '';
  for (const [id, view] of Object.entries(views)) {
    byId(id).hidden = true;
    view.clear();
  }
}

function logOut() {
  watch.stop();
  setToken('');
  // Nothing that was shown stays.
  location.reload();
}

function startLogin() {
  byId('login-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const input = byId('login-token');
    const isUsable = setToken(input.value);
    input.value = '';
    if (!isUsable) {
      say(byId('login-why'), NO_TOKEN);
      return input.focus();
    }
    byId('login').close();
    connect();
  });
  // There is nothing behind the dialog to go back to.
  byId('login').addEventListener('cancel', (event) => event.preventDefault());
  byId('logout').addEventListener('click', logOut);
}

function startTheme() {
  const choice = byId('theme');
  choice.value = localStorage.getItem('theme') ?? '';
  const apply = () => {
    if (choice.value === '') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice.value;
    overview.redraw();
  };
  choice.addEventListener('change', () => {
    localStorage.setItem('theme', choice.value);
    apply();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
  apply();
}

function startVisibility() {
  let leaving;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(leaving);
    if (document.hidden) {
      leaving = setTimeout(() => {
        stream?.abort();
        stream = undefined;
        clearTimeout(retry);
      }, HIDDEN_MS);
    } else if (stream === undefined && !byId('login').open) connect();
  });
}

startTheme();
startLogin();
startVisibility();
addEventListener('hashchange', route);
setInterval(checkSilence, 1_000);
connect();
