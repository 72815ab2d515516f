/**
 * The page in a real Chromium: it works, obeys its own policy, has no violation of axe in either
 * colours or width, and is wide enough for no screen. `WALNUT_SCREENSHOTS=DIRECTORY` keeps pictures.
 */
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { CHROMIUM, launch } from '#test/page/chromium.ts';
import { start } from '#test/server/running.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SCREENSHOTS = process.env['WALNUT_SCREENSHOTS'];
const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
const WIDE = { width: 1_280, height: 900 };
const NARROW = { width: 390, height: 844 };

if (CHROMIUM === undefined)
  process.stderr.write(
    '\nSKIPPED: the page was tried in no browser, as no Chromium is installed: apt-get install chromium\n',
  );

let browser: Browser;
let master: RunningMaster;
const directory = join(tmpdir(), `walnut-page-${process.pid}`);

/** What is used of the results of axe. */
interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
  }[];
}

/** A tab, and what its console said: violations of the policy are told there. */
async function open(
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; said: string[] }> {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  const page = await context.newPage();
  const said: string[] = [];
  page.on('console', (message) => void (message.type() === 'error' && said.push(message.text())));
  page.on('pageerror', (error) => void said.push(String(error)));
  page.on(
    'request',
    (request) => void (request.url().startsWith(url) || said.push(`asked ${request.url()}`)),
  );
  await page.goto(`${url}/`);
  return { page, said };
}

async function isLive(page: Page): Promise<void> {
  await page.locator('#link', { hasText: /^Live$/ }).waitFor();
}

async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate<AxeResults>('axe.run()');
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}

describe.skipIf(CHROMIUM === undefined)('the page in Chromium', () => {
  beforeAll(async () => {
    master = await RunningMaster.start(directory);
    for (let each = 0; each < 20; each++) await master.set(`user:${each}`, `{"name":"user ${each}"}`);
    await master.set('hostile', HOSTILE, Date.now() + 3_600_000);
    await master.set(HOSTILE, 'a key that is markup');
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    await master?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const LOOKS = [
    ['1280 light', { viewport: WIDE, colorScheme: 'light' }],
    ['390 dark', { viewport: NARROW, colorScheme: 'dark' }],
    ['1280 dark', { viewport: WIDE, colorScheme: 'dark' }],
    ['390 light', { viewport: NARROW, colorScheme: 'light' }],
  ] as const;

  // Two of them have both widths and both colours; pictures are wanted of all.
  it.each(SCREENSHOTS === undefined ? LOOKS.slice(0, 2) : LOOKS)(
    'has no violation of axe, and nothing beyond the screen: %s',
    async (name, look) => {
      const { page, said } = await open(`http://${master.address}`, look);
      await isLive(page);
      for (const view of ['overview', 'keys', 'watch', 'slow']) {
        await page.evaluate(`location.hash = '${view}'`);
        await page.locator(`#${view}:not([hidden])`).waitFor();
        if (view === 'keys') await page.locator('#keys-list table').waitFor();
        if (SCREENSHOTS !== undefined)
          await page.screenshot({ path: join(SCREENSHOTS, `${name} ${view}.png`), fullPage: true });
        expect([view, await violationsOf(page)]).toEqual([view, []]);
        const isWithin = await page.evaluate('document.documentElement.scrollWidth <= innerWidth');
        expect([view, isWithin]).toEqual([view, true]);
      }
      expect(said).toEqual([]);
      await page.context().close();
    },
  );

  it('lists keys, explains one, and shows its value as text that does nothing', async () => {
    const { page, said } = await open(`http://${master.address}`);
    await page.getByRole('link', { name: 'Keys' }).click();
    await page.getByLabel('Prefix').first().fill('user:1');
    await page.getByRole('button', { name: 'List' }).click();
    await page.locator('#keys-said', { hasText: '11 keys' }).waitFor();
    await page.getByLabel('Prefix').first().fill('h');
    await page.getByRole('button', { name: 'List' }).click();
    await page.getByRole('button', { name: 'hostile' }).click();
    await page.locator('#keys-detail', { hasText: 'Last changes' }).waitFor();
    expect(await page.locator('#keys-detail').innerText()).toMatch(/Expires in\s+5\d min/);
    await page.getByRole('button', { name: 'Show the value' }).click();
    expect(await page.locator('#keys-detail pre').innerText()).toBe(HOSTILE);
    expect(await page.locator('#keys-detail img, #keys-detail script').count()).toBe(0);
    expect(said).toEqual([]);
    await page.context().close();
  });

  it('watches a prefix until told to stop', async () => {
    const { page, said } = await open(`http://${master.address}`);
    await page.getByRole('link', { name: 'Watch' }).click();
    await page.locator('#watch-prefix').fill('live:');
    await page.getByLabel('Values').check();
    await page.locator('#watch-start').click();
    await page.locator('#watch-said', { hasText: 'Watching' }).waitFor();
    await master.set('other', '1');
    await master.set('live:1', HOSTILE);
    await master.delete('live:1');
    await page.locator('#watch-list tbody tr').nth(1).waitFor();
    expect(await page.locator('#watch-list tbody tr').allInnerTexts()).toEqual([
      expect.stringMatching(/^live:1\s+delete\s+client/),
      expect.stringMatching(/^live:1\s+set\s+client[\s\S]*onerror/),
    ]);
    await page.locator('#watch-start').click();
    await page.locator('#watch-said', { hasText: '2 changes were told' }).waitFor();
    expect(said).toEqual([]);
    await page.context().close();
  });

  it('raises an alarm with its runbook, and can be used by keys alone', async () => {
    const running = await start();
    running.node.statusOverrides = { isReady: false, state: 'quarantined', reasons: ['another history'] };
    const { page } = await open(running.baseUrl);
    const alarm = page.locator('#alarms li.critical', { hasText: 'another history' });
    await alarm.getByRole('button', { name: 'Runbook of WalnutQuarantined' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#runbook-text', { hasText: 'walnut quarantine' }).waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    expect(await page.evaluate(`document.activeElement.getAttribute('aria-label')`)).toBe(
      'Runbook of WalnutQuarantined',
    );
    await page.context().close();
  });

  it('asks for a token where callers must be known, and forgets it with the tab', async () => {
    const running = await start({
      isIdentityRequired: true,
      identities: new Identities({
        clock: new VirtualClock(),
        mode: 'required',
        users: usersOf(),
        random: createNodeRandom(),
        onAnonymous: () => {},
        onFailure: () => {},
      }),
    });
    const { page } = await open(running.baseUrl);
    await page.getByLabel('Token').fill('wrong');
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await page.locator('#login-why', { hasText: /token/ }).waitFor();
    await page.getByLabel('Token').fill(tokenOf('operator'));
    await page.keyboard.press('Enter');
    await isLive(page);
    const kept = await page.evaluate(
      'JSON.stringify([localStorage, sessionStorage, document.cookie, location.href, document.documentElement.outerHTML])',
    );
    expect(kept).not.toContain(tokenOf('operator'));
    await page.reload();
    await page.getByRole('dialog', { name: 'Log in' }).waitFor();
    await page.context().close();
  });

  it('says that what it shows is old where its server stands still', async () => {
    const clock = new VirtualClock();
    const running = await start({ clock });
    const page = await (await browser.newContext()).newPage();
    await page.clock.install();
    await page.goto(`${running.baseUrl}/`);
    await isLive(page);
    await page.clock.fastForward(6_000);
    await page.locator('#link.lost', { hasText: /^No answer. What is shown is of 2026/ }).waitFor();
    await page.context().close();
    const closed = running.server.close(0);
    await clock.advance(60_000);
    await closed;
  });

  it('connects again when its server comes back', async () => {
    const running = await start();
    const { page } = await open(running.baseUrl);
    await isLive(page);
    await running.server.close(0);
    await page.locator('#link.lost').waitFor();
    const again = await start({ port: running.server.port });
    await isLive(page);
    expect(again.server.port).toBe(running.server.port);
    await page.context().close();
  });
});
