/** Frames that are sent past the source of a stream: while it is asked for its next piece, and never behind its end. */
import { expect, it } from 'vitest';
import { type CodecPort, CodecResponse } from '#rpc/http2/codec-request.ts';
import type { FrameSink } from '#rpc/rpc-call.ts';
import { sendStream } from '#rpc/stream-answer.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

it('frames are sent only while the source is asked', async () => {
  const sent: string[] = [];
  let [isSlow, goOn] = [false, (): void => {}];
  const port: CodecPort = {
    destroyed: false,
    closed: false,
    rstCode: 0,
    close() {},
    askForBody() {},
    credit() {},
    sendHead() {},
    sendData: (bytes, _isEnd, onReady) => {
      sent.push(Buffer.from(bytes).toString().slice(0, 5));
      if (isSlow) goOn = onReady;
      else onReady();
    },
    sendEnd: () => void sent.push('|'),
  };
  const turn = () => new Promise(setImmediate);
  let tell: (piece: Uint8Array | undefined) => void = () => {};
  const next = () =>
    new Promise<IteratorResult<Uint8Array>>((resolve) => {
      tell = (value) => resolve(value === undefined ? { done: true, value } : { done: false, value });
    });
  const body = { [Symbol.asyncIterator]: () => ({ next }) };
  let sink: FrameSink | undefined;
  const response = new CodecResponse(port, 'POST');
  const options = { clock: new VirtualClock(), onStalled: () => expect.unreachable() };
  const done = sendStream({ status: 200, header: new Headers(), body }, response, options, (frames) => {
    sink = frames;
  });
  const frame = (text: string): boolean | undefined => sink?.send(Buffer.from(text), () => {});
  tell(Buffer.from('first'));
  await turn();
  expect(frame('frame')).toBe(true);
  isSlow = true;
  // It does not fit, so the source is not asked again before it is out.
  tell(Buffer.alloc(100_000, 'e'));
  await turn();
  expect(frame('late ')).toBe(false);
  isSlow = false;
  goOn();
  await turn();
  expect(frame('again')).toBe(true);
  tell(undefined);
  await done;
  expect(frame('never')).toBe(false);
  expect(sent).toEqual(['first', 'frame', 'eeeee', 'again', '|']);
});
