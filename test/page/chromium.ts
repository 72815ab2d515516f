/** A Chromium of the system, for tests of the page; none is downloaded. */
import { accessSync, constants } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = [
  process.env['CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** Undefined where none is installed; `CHROMIUM` names one elsewhere. */
export const CHROMIUM = PLACES.find((path) => {
  try {
    accessSync(path, constants.X_OK);
    return path !== '';
  } catch {
    return false;
  }
});

/** Root needs `--no-sandbox`; the page comes from this test. */
export function launch(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error('no Chromium here: install the package chromium');
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
}
