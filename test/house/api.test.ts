/**
 * Runs the examples of docs/api.md in their order on one master: every command
 * must print the JSON that stands below it, and every program what its comments
 * after `console.log` say. The page says `localhost:8080`; here it is a free port.
 */
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';
import { type CodeBlock, codeBlocksOf, shellCommandsOf } from '#test/doubles/markdown.ts';
import { ROOT, readText } from './source-files.ts';

const BLOCKS = codeBlocksOf(readText('docs/api.md'));
/** Stands for any text in an expected answer. */
const ANY = '…';

let directory = '';
let master: RunningMaster;

beforeAll(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'walnut-api-'));
  for (const name of ['bin', 'client', 'cmd', 'internal', 'package.json', 'node_modules'])
    await fs.symlink(join(ROOT, name), join(directory, name));
  master = await RunningMaster.start(join(directory, 'data'));
});

afterAll(async () => {
  await master.stop();
  await fs.rm(directory, { recursive: true, force: true });
});

async function run(command: string): Promise<{ code: number | null; out: string; err: string }> {
  const foreign = /^(npm_|VITEST|FORCE_COLOR$|NODE_OPTIONS$|WALNUT_|TEST$|NODE_ENV$)/i;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
  const child = spawn('sh', ['-c', command], {
    cwd: directory,
    env: { ...env, WALNUT_ADDRESS: master.address },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (bytes: Buffer) => {
    said.out += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    said.err += bytes.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...said };
}

const here = (text: string): string => text.replaceAll('localhost:8080', master.address);

function skipWhatIsMissing(command: string, context: TestContext): void {
  const [tool = ''] = command.split(' ');
  if (spawnSync('sh', ['-c', `command -v ${tool}`]).status !== 0) context.skip(`SKIPPED: no ${tool} here`);
}

/** The expected value, with what was answered wherever any text would do. */
function withAny(expected: unknown, answered: unknown): unknown {
  if (expected === ANY && typeof answered === 'string') return answered;
  if (typeof expected !== 'object' || expected === null) return expected;
  if (Array.isArray(expected)) return expected.map((one, i) => withAny(one, (answered as unknown[])?.[i]));
  return Object.fromEntries(
    Object.entries(expected).map(([name, one]) => [
      name,
      withAny(one, (answered as Record<string, unknown> | null)?.[name]),
    ]),
  );
}

/** One JSON value, or one a line. */
function valuesOf(text: string): unknown[] {
  try {
    return [JSON.parse(text)];
  } catch {
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  }
}

async function checkCommands(block: CodeBlock, answer: string, context: TestContext): Promise<void> {
  let last = '';
  for (const { text } of shellCommandsOf(block)) {
    skipWhatIsMissing(text, context);
    const { code, out, err } = await run(here(text));
    expect({ code, err }, text).toEqual({ code: 0, err: '' });
    last = out;
  }
  const answered = valuesOf(last);
  expect(answered).toEqual(withAny(valuesOf(answer), answered));
}

async function checkProgram(block: CodeBlock): Promise<void> {
  const file = join(directory, `line-${block.line}.ts`);
  await fs.writeFile(file, here(block.text));
  const printed = [...block.text.matchAll(/^ *console\.log\(.*\); \/\/ (.*)$/gm)].map(
    ([, text]) => `${text}\n`,
  );
  expect(printed.length).toBeGreaterThan(0);
  const { code, out, err } = await run(`node bin/launch.cjs ${file}`);
  expect({ code, out, err }).toEqual({ code: 0, out: printed.join(''), err: '' });
}

describe('the examples of docs/api.md, in their order', { timeout: 60_000 }, () => {
  BLOCKS.forEach((block, i) => {
    const { language, heading, line } = block;
    if (language === 'json') return;
    it(`${heading}, line ${line}`, async (context) => {
      if (language === 'ts') return checkProgram(block);
      const answer = BLOCKS[i + 1];
      expect([language, answer?.language]).toEqual(['sh', 'json']);
      await checkCommands(block, answer?.text ?? '', context);
    });
  });
});

describe('the test of docs/api.md', () => {
  it.each([
    ['"…"', '"a"', true],
    ['"…"', '1', false],
    ['{"a":"…","b":[1,"…"]}', '{"a":"x","b":[1,"y"]}', true],
    ['{"a":"…"}', '{"a":"x","b":1}', false],
    ['{"a":"…"}', '{}', false],
    ['[1,"…"]', '[1]', false],
  ])('with %s expected and %s answered says %s', (expected, answered, isSame) => {
    const value = JSON.parse(answered) as unknown;
    const filled = withAny(JSON.parse(expected), value);
    if (isSame) expect(value).toEqual(filled);
    else expect(value).not.toEqual(filled);
  });
});
