/** Frames that are sent past the source of a stream: while it is asked for its next piece, and never behind its end. */
import { expect, it } from 'vitest';
import { type CodecPort, CodecResponse } from '#rpc/http2/codec-request.ts';
import type { FrameSink } from '#rpc/rpc-call.ts';
import { sendStream } from '#rpc/stream-answer.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const turn = () => new Promise(setImmediate);

function portOf(sent: string[], sendData: CodecPort['sendData']): CodecPort {
  return {
    destroyed: false,
    closed: false,
    rstCode: 0,
    close: () => void sent.push('reset'),
    askForBody() {},
    credit() {},
    sendHead() {},
    sendData,
    sendEnd: () => void sent.push('|'),
  };
}

it.each([
  ['ends', undefined],
  ['goes on', Buffer.from('next')],
])('a stream that %s within a frame is cut off', async (_, more) => {
  const sent: string[] = [];
  const port = portOf(sent, (bytes, _isEnd, onReady) => {
    sent.push(Buffer.from(bytes).toString());
    onReady();
  });
  const response = new CodecResponse(port, 'POST');
  const options = { clock: new VirtualClock(), onStalled: () => expect.unreachable() };
  const gate = Promise.withResolvers<void>();
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('first');
    await gate.promise;
    if (more !== undefined) yield more;
  }
  let sink: FrameSink | undefined;
  const answer = { status: 200, header: new Headers(), body: body() };
  const done = sendStream(answer, response, options, (frames) => {
    sink = frames;
  });
  await turn();
  sink?.sendPart(Buffer.from('half'), () => {});
  sink?.sendPart(Buffer.from('half'), () => {});
  sink?.send(Buffer.from('end'), () => {});
  sink?.sendPart(Buffer.from('half'), () => {});
  gate.resolve();
  await done;
  expect(sent).toEqual(['first', 'half', 'half', 'end', 'half', 'reset']);
});

it('frames are sent only while the source is asked', async () => {
  const sent: string[] = [];
  let [isSlow, goOn] = [false, (): void => {}];
  const port = portOf(sent, (bytes, _isEnd, onReady) => {
    sent.push(Buffer.from(bytes).toString().slice(0, 5));
    if (isSlow) goOn = onReady;
    else onReady();
  });
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
