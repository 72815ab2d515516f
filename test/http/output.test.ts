/** The buffer of a turn: whose it is, when it may be written to again, and what an idle connection holds. */
import { expect, it } from 'vitest';
import { Flag, FrameType } from '#http/http2/frame.ts';
import { Output, OutputPool } from '#http/http2/output.ts';
import { describeFrame, parseFrames } from './wire.ts';

const write = (output: Output, bytes: number): void =>
  output.frame(FrameType.data, Flag.none, 1, Buffer.alloc(bytes, bytes), 0, bytes);

it("is nobody else's after it was taken, until it is given back", () => {
  const output = new Output(new OutputPool());
  write(output, 100);
  const first = output.take() as Buffer;
  const copy = Buffer.from(first);
  write(output, 200);
  const second = output.take() as Buffer;
  expect(second.buffer).not.toBe(first.buffer);
  expect(first).toEqual(copy);
  output.reuse();
  write(output, 1);
  expect(output.take()?.buffer).toBe(second.buffer);
});

it('is shared by connections, one after the other, and held by none that is idle', () => {
  const pool = new OutputPool();
  const [a, b] = [new Output(pool), new Output(pool)];
  write(a, 100);
  const taken = a.take() as Buffer;
  expect([a.length, a.take()]).toEqual([0, undefined]);
  a.reuse();
  a.reuse();
  write(b, 5);
  write(a, 5);
  const [ofA, ofB] = [a.take(), b.take()];
  expect(ofB?.buffer).toBe(taken.buffer);
  expect(ofA?.buffer).not.toBe(taken.buffer);
});

it('grows past the size of the pool, and keeps what was written', () => {
  const output = new Output(new OutputPool());
  for (let n = 0; n < 40; n++) write(output, 16_384);
  output.number(FrameType.windowUpdate, 7, 0xabcdef);
  const frames = parseFrames(output.take() as Buffer);
  expect(frames).toHaveLength(41);
  expect(frames.slice(0, 40).every(({ payload }) => payload.every((octet) => octet === (16_384 & 255)))).toBe(
    true,
  );
  expect(describeFrame(frames[40] as never)).toBe('windowUpdate 7 11259375');
});

it.each([30, 100, 240, 500])('makes no new buffer for a further turn of %d KiB', (kib) => {
  const pool = new OutputPool();
  const [a, b] = [new Output(pool), new Output(pool)];
  const turn = (output: Output): Buffer => {
    for (let n = 0; n < kib; n += 10) write(output, 10_000);
    const taken = output.take() as Buffer;
    output.reuse();
    return taken;
  };
  expect(turn(b).buffer).toBe(turn(a).buffer);
});

it('keeps at most 2 MiB, and no buffer above 512 KiB', () => {
  const pool = new OutputPool();
  const outputs = Array.from({ length: 10 }, () => new Output(pool));
  const turn = (): Set<unknown> => {
    for (const output of outputs) write(output, 400_000);
    const buffers = new Set(outputs.map((output) => output.take()?.buffer));
    for (const output of outputs) output.reuse();
    return buffers;
  };
  const first = turn();
  expect([...turn()].filter((buffer) => first.has(buffer))).toHaveLength(4);
  const output = outputs[0] as Output;
  const large = (): unknown => {
    write(output, 600_000);
    const { buffer } = output.take() as Buffer;
    output.reuse();
    return buffer;
  };
  expect(large()).not.toBe(large());
});

it('writes a number where the buffer is full', () => {
  const output = new Output(new OutputPool());
  write(output, 64 * 1024 - 9);
  output.number(FrameType.rstStream, 9, 8);
  expect(parseFrames(output.take() as Buffer).map(describeFrame)).toEqual(['data 1 65527', 'rstStream 9 8']);
});

it('cuts a long block into CONTINUATION', () => {
  const output = new Output(new OutputPool());
  output.block(3, Buffer.alloc(40_000), 16_384, true);
  const frames = parseFrames(output.take() as Buffer);
  expect(frames.map(({ type, flags, payload }) => [type, flags, payload.length])).toEqual([
    [FrameType.headers, Flag.endStream, 16_384],
    [FrameType.continuation, Flag.none, 16_384],
    [FrameType.continuation, Flag.endHeaders, 7232],
  ]);
});
