/** A hostile node, key or value must not control the terminal. */
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NodeState, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { type Invocation, showAgain } from '../../cmd/walnut/command-host.ts';
import { renderFacts, renderTable, widthOf, wrap } from '../../cmd/walnut/output/table.ts';
import {
  chooseColors,
  escapeControls,
  escapeLine,
  guardTerminal,
  own,
} from '../../cmd/walnut/output/terminal.ts';
import { FakeNode } from './fake-node.ts';
import { memoryIo, type RunOptions, runCli } from './memory-io.ts';

/** Sets the title, turns red, moves up (also by C1), changes the direction, and begins a new line. */
const HOSTILE = 'a\u001b]0;x\u0007\u001b[31m\u001b[1A\u009b2J\u202eb\r\nwalnut: OK';
const OBEYED = /(?![\n\t])[\p{Cc}\u202e]/u;
const TERMINAL: RunOptions = { isTerminal: true, env: { NO_COLOR: '1' } };

let node: FakeNode;
beforeEach(async () => {
  node = await new FakeNode({
    reasons: [HOSTILE],
    replicas: [{ address: HOSTILE, state: 3, lastFullResyncReason: HOSTILE }],
  }).start();
});
afterEach(() => node.stop());

const run = (args: string[], options = TERMINAL) => runCli([...args, '--address', node.address], options);

describe('a terminal', () => {
  it('gets the escape sequences of nobody outside, in whatever is shown', async () => {
    await run(['set', HOSTILE, HOSTILE]);
    for (const args of [
      ['status'],
      ['status', '--json'],
      ['get', HOSTILE],
      ['get', HOSTILE, '--json'],
      ['get', `${HOSTILE}?`],
      ['scan'],
      ['scan', '--all'],
      ['scan', '--json'],
      ['digest', '--compare'],
      ['set', HOSTILE, 'x', '--if-absent'],
      ['promote'],
      ['diverged', 'show', '1'],
      ['quarantine', 'list'],
    ]) {
      const { out, err } = await run(args);
      expect(out + err, args.join(' ')).not.toMatch(OBEYED);
      // A value may contain line breaks; messages about other things may not.
      if (args[0] !== 'get') expect(`${out}${err}`.split('\n'), args.join(' ')).not.toContain('walnut: OK');
    }
  });

  it('gets error messages and hints on one line, escaped', async () => {
    const replica = await new FakeNode({ master: HOSTILE.replaceAll(/[\r\n]/g, ' ') }).start();
    try {
      for (const args of [
        ['set', 'k', 'v'],
        ['del', 'k', '--no-follow'],
        ['digest', '--compare'],
      ]) {
        const { code, out, err } = await runCli([...args, '--address', replica.address], TERMINAL);
        expect(code).toBe(5);
        expect(out + err).not.toMatch(OBEYED);
      }
    } finally {
      await replica.stop();
    }
  });

  it('gets a value with what it would obey escaped, its bytes with --raw', async () => {
    await run(['set', 'k', HOSTILE]);
    const { out } = await run(['get', 'k']);
    expect(out).toBe('a\\u001b]0;x\\u0007\\u001b[31m\\u001b[1A\\u009b2J\\u202eb\\u000d\nwalnut: OK\n');
    expect((await run(['get', 'k', '--raw'])).out).toBe(`${HOSTILE}\n`);
    expect((await run(['get', 'k'], {})).out).toBe(HOSTILE);
    await run(['set', 'b', '-'], { stdin: Buffer.from([0x41, 0xff, 0x1b]) });
    expect((await run(['get', 'b'])).out).toBe('A\\xff\\u001b\n');
    expect((await run(['get', 'b', '--raw', '--json'])).code).toBe(2);
  });

  it('gets JSON that says the same as elsewhere', async () => {
    await run(['set', 'k', HOSTILE]);
    const shown = JSON.parse((await run(['get', 'k', '--json'])).out);
    expect(shown).toEqual(JSON.parse((await run(['get', 'k', '--json'], {})).out));
    expect(shown.value).toBe(HOSTILE);
  });

  it('gets the colours of the tool, and no others', async () => {
    const { out } = await run(['status'], { isTerminal: true });
    expect(out).toContain('\u001b[32mserving\u001b[39m');
    expect(out).toContain('\\u001b[31m');
  });
});

describe('text for a terminal', () => {
  it.each([
    [{}, true],
    [{ NO_COLOR: '1' }, true],
    [{ TERM: 'dumb' }, false],
  ])('replaces what was shown before with %j: %s', async (env, isReplaced) => {
    const { io, out } = memoryIo({ isTerminal: true, env });
    const { columns, ...colors } = chooseColors(io, true);
    const invocation = { io: guardTerminal(io), isJson: false } as Invocation;
    await showAgain(invocation, Object, () => colors.red(`${columns}`));
    const text = Buffer.concat(out).toString();
    expect(text.includes('\u001b[2J')).toBe(isReplaced);
    if (!isReplaced) expect(text).toBe('80\n');
  });

  it('is escaped character by character, the tool’s own sequences apart', () => {
    expect(escapeControls('a\tb\nc\u0000\u007f\u0085\u2028\u{e0001}é👩\u200d🚀')).toBe(
      'a\tb\nc\\u0000\\u007f\\u0085\\u2028\\udb40\\udc01é👩\u200d🚀',
    );
    const { io, out } = memoryIo({ isTerminal: true });
    void guardTerminal(io).write(`${own('\u001b[1m')}${escapeLine(`x\n${own('\u001b[K')}\u001b[1m`)}`);
    expect(Buffer.concat(out).toString()).toBe('\u001b[1mx\\n\u001b[K\\u001b[1m');
  });
});

describe('tables and facts', () => {
  const colors = (columns: number) => chooseColors(memoryIo({ isTerminal: true, columns }).io, true);

  it('fit the columns of the terminal, whatever is in them', () => {
    const cell = fc.string({ unit: 'grapheme', maxLength: 60 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(cell, cell, cell), { maxLength: 4 }),
        fc.integer({ min: 40, max: 120 }),
        (rows, columns) => {
          const style = colors(columns);
          const text = renderTable(style, ['KEY', 'VERSION', 'VALUE'], rows);
          for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(columns);
          for (const line of renderFacts(
            style,
            rows.map(([a, b]) => [a.slice(0, 4), b]),
          ).split('\n'))
            expect(widthOf(line)).toBeLessThanOrEqual(columns);
        },
      ),
    );
  });

  it('keep a row on one line where the reader is no terminal', () => {
    const wide = chooseColors(memoryIo().io, false);
    const long = 'x '.repeat(200).trim();
    expect(renderTable(wide, ['A', 'B'], [['1', long]])).toBe(`A  B\n1  ${long}\n`);
  });

  it('wrap the last column, and turn rows into blocks where that is not enough', () => {
    const style = chooseColors(memoryIo({ isTerminal: true, columns: 30, env: { NO_COLOR: '1' } }).io, true);
    expect(renderTable(style, ['ID', 'WHY'], [['1', 'because it is told to wrap at thirty']])).toBe(
      'ID  WHY\n1   because it is told to wrap\n    at thirty\n',
    );
    const blocks = renderTable(
      style,
      ['NAME', 'DIGEST', 'VERDICT'],
      [['n'.repeat(20), 'd'.repeat(20), 'same']],
    );
    expect(blocks).toBe(`NAME     ${'n'.repeat(20)}\nDIGEST   ${'d'.repeat(20)}\nVERDICT  same\n`);
  });

  it('lose nothing by wrapping', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), fc.integer({ min: 1, max: 30 }), (text, room) => {
        expect(wrap(text, room).join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''));
      }),
    );
  });

  it('show the status of a group within 80 columns', async () => {
    const replica = (port: number) => ({
      address: `127.0.0.1:${port}`,
      state: NodeState.STREAMING,
      acked: create(PositionSchema, { epoch: 2n ** 40n, lsn: 123_456n }),
      lagRecords: 1_234n,
      lagMs: 1_500n,
      fullResyncs: 1,
      lastFullResyncReason: 'the log no longer reaches back to its position, and it has to take a snapshot',
    });
    const group = await new FakeNode({ replicas: [replica(8_081), replica(8_082)] }).start();
    try {
      for (const args of [['status'], ['digest']]) {
        const { out } = await runCli([...args, '--address', group.address], TERMINAL);
        for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
      }
    } finally {
      await group.stop();
    }
  });
});
