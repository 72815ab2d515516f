/**
 * Breaks real processes, one fault at a time, and prints what their page says of it and types out.
 * `node bin/launch.cjs test/page/play-faults.ts [--only WORD] [--pictures DIRECTORY] [--stay]`: `--pictures` keeps what a
 * browser shows, `--stay` leaves the processes up until Ctrl-C, for somebody who has only the page. Needs Linux and root.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { alarmsOf, lostAlarm } from '#page/assets/alarms.js';
import { EventReader } from '#page/assets/events.js';
import { History } from '#page/assets/history.js';
import { pictureOf } from '#page/assets/picture.js';
import { launch } from '#test/page/chromium.ts';
import { FAULTS, type Shown } from '#test/page/faults.ts';
import { RealNodes } from '../cmd/real-node.ts';

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, pictures: { type: 'string' }, stay: { type: 'boolean' } },
});

/** What the page of a process says after so long. */
async function look({ address, seconds, isLost = false }: Shown): Promise<void> {
  const history = new History();
  const ends = new AbortController();
  const timer = setTimeout(() => ends.abort(), seconds * 1_000);
  try {
    const answer = await fetch(`http://${address}/page/live`, { signal: ends.signal });
    const reader = new EventReader();
    const decoder = new TextDecoder();
    for await (const piece of answer.body as ReadableStream<Uint8Array>)
      for (const { data } of reader.push(decoder.decode(piece, { stream: true })))
        history.add(JSON.parse(data));
  } catch (error) {
    if (!ends.signal.aborted && !isLost) console.log(`  ${address}: ${String(error)}`);
  }
  clearTimeout(timer);
  const { last } = history;
  const alarms = isLost
    ? [lostAlarm('No answer.', last, address)]
    : last === undefined
      ? []
      : alarmsOf({ ...history.moments, here: address });
  console.log(`  page of ${address}${last === undefined ? '' : `, ${last.kind}`}`);
  for (const { severity, text, runbook, type } of alarms) {
    console.log(`    ${severity}: ${text}\n      ${runbook}`);
    for (const command of type) console.log(`      $ ${command}`);
  }
  const nodes = last === undefined ? [] : pictureOf(last, address).flatMap((group) => group.nodes);
  console.log(`    picture: ${nodes.map(({ name, role, state }) => `${name} ${role}, ${state}`).join('; ')}`);
}

async function keepPicture({ address, seconds }: Shown, name: string, directory: string): Promise<void> {
  const browser = await launch();
  const page = await browser.newPage({ viewport: { width: 1_280, height: 900 } });
  await page.goto(`http://${address}/`);
  await page.waitForTimeout(Math.min(seconds, 12) * 1_000);
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
  await browser.close();
}

for (const { name, play } of FAULTS.filter((fault) => fault.name.includes(values.only))) {
  console.log(`\n${name}`);
  const processes = new RealNodes();
  const atEnd: (() => unknown)[] = [];
  try {
    const shown = await play(processes, (end) => void atEnd.push(end));
    for (const [at, each] of shown.entries()) {
      await look(each);
      if (values.pictures !== undefined && each.isLost !== true)
        await keepPicture(each, `${name} ${at + 1}`, values.pictures);
    }
    if (values.stay === true) {
      console.log('  Ctrl-C ends it');
      await new Promise((resolve) => process.once('SIGINT', resolve));
    }
  } finally {
    for (const end of atEnd.reverse()) await end();
    await processes.end();
  }
}
process.exit(0);
