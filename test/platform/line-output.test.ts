import { describe, expect, it } from 'vitest';
import { LineOutput } from '#platform/line-output.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

/** An output that does as `fault` says, and one that keeps what it took. */
class Rig {
  readonly clock = new VirtualClock();
  written = '';
  /** A system error's code, or how many bytes it takes at most in each call. */
  fault: string | number | undefined;
  readonly output = new LineOutput({
    clock: this.clock,
    tryWrite: (bytes) => this.#take(bytes),
    describeGap: ({ lines, code }) => `[${lines} missing: ${code}]\n`,
  });

  get lines(): string[] {
    return this.written.split('\n').slice(0, -1);
  }

  #take(bytes: Uint8Array): number {
    if (typeof this.fault === 'string') throw Object.assign(new Error('no'), { code: this.fault });
    const taken = bytes.subarray(0, this.fault ?? bytes.length);
    this.written += Buffer.from(taken).toString();
    return taken.length;
  }
}

describe('LineOutput', () => {
  it('hands each line over at once', () => {
    const rig = new Rig();
    rig.output.write('a\n');
    expect(rig.written).toBe('a\n');
  });

  it.each(['ENOSPC', 'EIO', 'EPIPE', 'EBADF'])(
    'drops and counts lines while writing fails with %s, and says so before the next one',
    (code) => {
      const rig = new Rig();
      rig.output.write('a\n');
      rig.fault = code;
      rig.output.write('b\n');
      rig.output.write('c\n');
      expect(rig.output.droppedLines).toBe(2);
      rig.fault = undefined;
      rig.output.write('d\n');
      rig.output.write('e\n');
      expect(rig.lines).toEqual(['a', `[2 missing: ${code}]`, 'd', 'e']);
      expect(rig.output.droppedLines).toBe(2);
    },
  );

  it('says what is missing within a second of there being room, without another line', async () => {
    const rig = new Rig();
    rig.fault = 'ENOSPC';
    rig.output.write('a\n');
    await rig.clock.advance(5_000);
    rig.fault = undefined;
    await rig.clock.advance(1_000);
    expect(rig.lines).toEqual(['[1 missing: ENOSPC]']);
    await rig.clock.advance(10_000);
    expect(rig.lines).toHaveLength(1);
  });

  it('writes the rest of a line that was taken in parts', () => {
    const rig = new Rig();
    rig.fault = 3;
    rig.output.write('abcdefgh\n');
    expect(rig.written).toBe('abcdefgh\n');
  });

  it('begins a line of its own after one that broke off', () => {
    const rig = new Rig();
    let calls = 0;
    const output = new LineOutput({
      clock: rig.clock,
      describeGap: ({ lines }) => `[${lines} missing]\n`,
      tryWrite: (bytes) => {
        calls += 1;
        if (calls === 2) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        rig.written += Buffer.from(bytes.subarray(0, calls === 1 ? 2 : bytes.length)).toString();
        return calls === 1 ? 2 : bytes.length;
      },
    });
    output.write('abcd\n');
    output.write('e\n');
    expect(rig.lines).toEqual(['ab', '[1 missing]', 'e']);
  });

  it.each(['EAGAIN', 0])('keeps lines for a slow reader (%s), in order', async (fault) => {
    const rig = new Rig();
    rig.fault = fault;
    rig.output.write('a\n');
    rig.output.write('b\n');
    expect(rig.written).toBe('');
    rig.fault = undefined;
    await rig.clock.advance(100);
    rig.output.write('c\n');
    expect(rig.lines).toEqual(['a', 'b', 'c']);
    expect(rig.output.droppedLines).toBe(0);
  });

  it('keeps no more than 256 KiB for a reader that never comes', async () => {
    const rig = new Rig();
    rig.fault = 'EAGAIN';
    const line = `${'x'.repeat(1_023)}\n`;
    for (let count = 0; count < 1_000; count++) rig.output.write(line);
    expect(rig.output.droppedLines).toBe(1_000 - 256);
    rig.fault = undefined;
    await rig.clock.advance(1_000);
    expect(rig.lines).toHaveLength(257);
    expect(rig.lines.at(-1)).toBe('[744 missing: EAGAIN]');
  });

  it('flushes what waits, and gives up on a reader that stands still', () => {
    const rig = new Rig();
    rig.fault = 'EAGAIN';
    rig.output.write('a\n');
    rig.output.flush();
    expect(rig.written).toBe('');
    rig.fault = undefined;
    rig.output.flush();
    expect(rig.lines).toEqual(['a']);
  });
});
