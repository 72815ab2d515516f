/**
 * The page in a real Chromium: it works, obeys its own policy, has no violation of axe in either
 * colours or width, and is wide enough for no screen. `WALNUT_SCREENSHOTS=DIRECTORY` keeps pictures.
 */
import { readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { freePort } from '#test/doubles/free-ports.ts';
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

/** Only violations leave the page: what passes is told of each element, and takes seconds to be handed over. */
const VIOLATIONS = `axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
  violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => id + ': ' + html + '\\n' + failureSummary)))`;

/** A tab, and what its console said: violations of the policy are told there. */
async function open(url: string): Promise<{ page: Page; said: string[] }> {
  const context = await browser.newContext({ viewport: WIDE });
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
  if (await page.evaluate<boolean>(`typeof axe === 'undefined'`)) await page.evaluate(`${AXE}; undefined`);
  return page.evaluate<string[]>(VIOLATIONS);
}

const LOOKS = [
  ['1280 light', WIDE, 'light'],
  ['390 dark', NARROW, 'dark'],
  ['1280 dark', WIDE, 'dark'],
  ['390 light', NARROW, 'light'],
] as const;

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

  describe('of one master', () => {
    let page: Page;
    let said: string[];
    beforeAll(async () => {
      ({ page, said } = await open(`http://${master.address}`));
    });
    afterEach(() => expect(said).toEqual([]));

    it('lists keys, explains one, and shows its value as text that does nothing', async () => {
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
    });

    it('watches a prefix until told to stop', async () => {
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
    });

    it('has no violation of axe, and nothing beyond the screen, with all that was shown before', async () => {
      await isLive(page);
      // Two of them have both widths and both colours; pictures are wanted of all.
      for (const [name, size, colorScheme] of SCREENSHOTS === undefined ? LOOKS.slice(0, 2) : LOOKS) {
        await page.setViewportSize(size);
        await page.emulateMedia({ colorScheme });
        for (const view of ['overview', 'keys', 'watch', 'slow']) {
          await page.evaluate(`location.hash = '${view}'`);
          await page.locator(`#${view}:not([hidden])`).waitFor();
          if (view === 'keys') await page.locator('#keys-list table').waitFor();
          if (SCREENSHOTS !== undefined)
            await page.screenshot({ path: join(SCREENSHOTS, `${name} ${view}.png`), fullPage: true });
          expect([name, view, await violationsOf(page)]).toEqual([name, view, []]);
          const isWithin = await page.evaluate('document.documentElement.scrollWidth <= innerWidth');
          expect([name, view, isWithin]).toEqual([name, view, true]);
        }
      }
    });
  });

  it('raises an alarm with its runbook, and can be used by keys alone', async () => {
    const running = await start();
    running.node.statusOverrides = { isReady: false, state: 'quarantined', reasons: ['another history'] };
    const { page } = await open(running.baseUrl);
    const address = new URL(running.baseUrl).host;
    const alarm = page.locator('#alarms li.critical', { hasText: 'another history' });
    await alarm.getByRole('button', { name: 'Runbook of WalnutQuarantined' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('#runbook-text', { hasText: 'walnut quarantine' }).waitFor();
    expect(await violationsOf(page)).toEqual([]);
    await page.keyboard.press('Escape');
    expect(await page.evaluate(`document.activeElement.getAttribute('aria-label')`)).toBe(
      'Runbook of WalnutQuarantined',
    );
    await page.locator('#alarms .type', { hasText: `quarantine list --address ${address}` }).waitFor();
    await page.getByText('Everything that is looked at').click();
    await page.locator('#checks li', { hasText: /WalnutQuarantined\s*critical/ }).waitFor();
    for (const [name, size, colorScheme] of SCREENSHOTS === undefined ? LOOKS.slice(0, 2) : LOOKS) {
      await page.setViewportSize(size);
      await page.emulateMedia({ colorScheme });
      if (SCREENSHOTS !== undefined)
        await page.screenshot({ path: join(SCREENSHOTS, `${name} alarms.png`), fullPage: true });
      expect([name, await violationsOf(page)]).toEqual([name, []]);
      const isWithin = await page.evaluate('document.documentElement.scrollWidth <= innerWidth');
      expect([name, isWithin]).toEqual([name, true]);
    }
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
    await page.getByLabel('Token').fill('wk_ä\u2019');
    await page.keyboard.press('Enter');
    await page.locator('#login-why', { hasText: /not ASCII/ }).waitFor();
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
    const alarms = page.locator('#alarms li');
    expect(await alarms.allInnerTexts()).toEqual([expect.stringMatching(/No answer since 2026.*is old/)]);
    await page.locator('#overview.old').waitFor();
    // The runbook is there although the server answers nothing.
    await page.route('**/*', (route) => route.abort());
    await alarms.getByRole('button').click();
    await page.locator('#runbook-title', { hasText: /does not answer/ }).waitFor();
    await page.context().close();
    const closed = running.server.close(0);
    await clock.advance(60_000);
    await closed;
  });

  it('connects again when its server comes back', async () => {
    const running = await start({ port: await freePort() });
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
