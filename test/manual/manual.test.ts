/**
 * Types the commands of the documents as they are written there, at processes that were started as they say. A
 * command is neither left out nor forgotten: it has a step here, or an excuse that names its test or what it needs.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { key, rdb, select } from '#test/cli/move/rdb-bytes.ts';
import { eventually } from '#test/cmd/real-node.ts';
import type { ShellCommand } from '#test/doubles/markdown.ts';
import { readText } from '#test/house/source-files.ts';
import { DOCUMENTS, type Document, type Step } from './documents.ts';
import { Rig } from './rig.ts';
import { statedCommands } from './stated-commands.ts';

const SERVER = /^npm run (master|slave|node|coordinator|gateway) /;
/** Blocks that are one program of the shell: `test/cmd/secure-group.ts` types them whole. */
const OPENSSL = /^(openssl|for name in|printf|done)/;
const STATED = DOCUMENTS.map((document) => ({
  document,
  commands: statedCommands(document.file).filter(({ text }) => !OPENSSL.test(text)),
}));
const MASTER = 'configs/master.yaml';
let rig: Rig;

function typedAs(text: string, { places = {}, more = '' }: Step): string {
  const whole = Object.entries(places).reduce((so, [part, by]) => so.replaceAll(part, () => by), text);
  return `${whole} ${more}`
    .trim()
    .replaceAll('$HOME', rig.directory)
    .replaceAll('$PID', rig.server(MASTER).pid)
    .replaceAll('$COLLECTOR', rig.collectorUrl);
}

function stepOf({ file, steps }: Document, text: string): Step {
  const step = steps[text];
  if (step === undefined)
    throw new Error(`${file} states a command that has neither a step nor an excuse: ${text}`);
  return step;
}

async function typeIt(document: Document, { text }: ShellCommand): Promise<void> {
  const step = stepOf(document, text);
  const { world, port } = document;
  const typed = rig
    .withPorts(typedAs(text, step), world)
    .replace(/^npm run -s walnut -- /, () =>
      text === 'npm run -s walnut -- …' ? 'npm run -s walnut -- ' : 'walnut ',
    );
  const { code, said } = await rig.type(typed, { WALNUT_ADDRESS: rig.address(port, world) }, step.stdin);
  const { codes = [0] } = step;
  if (code === null || !codes.includes(code)) throw new Error(`${typed} ended with ${code}: ${said}`);
  if (step.says !== undefined) expect(said).toMatch(step.says);
  const { logs } = step;
  if (logs !== undefined) await eventually(() => rig.server(MASTER).said.includes(logs), logs);
}

beforeAll(async () => {
  rig = await Rig.create();
  await writeFile(join(rig.directory, 'commands'), 'get greeting\n');
  await writeFile(join(rig.directory, 'dump.rdb'), rdb([select(0), key('user:1', 'bob')]));
  for (const { document, commands } of STATED)
    for (const { text } of commands)
      if (SERVER.test(text) && document.excuses[text] === undefined)
        rig.start(typedAs(text, stepOf(document, text)));
  await rig.ready();
}, 240_000);
afterAll(() => rig?.end());

describe.each(STATED)('the commands of $document.file', ({ document, commands }) => {
  const { excuses } = document;

  it.each(commands.filter(({ text }) => excuses[text] === undefined && !SERVER.test(text)))(
    'line $line: $text',
    (command) => typeIt(document, command),
    60_000,
  );

  it('have no step and no excuse without a command', () => {
    const stated = new Set(commands.map(({ text }) => text));
    const known = [...Object.keys(document.steps), ...Object.keys(excuses)];
    expect(known.filter((text) => !stated.has(text))).toEqual([]);
  });

  it('that are typed elsewhere are there', () => {
    for (const [text, excuse] of Object.entries(excuses))
      if ('test' in excuse) expect(readText(excuse.test), text).toContain(excuse.word);
  });
});
