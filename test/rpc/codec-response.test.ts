/** Bytes that are sent past the queue of a response: in order, and held back as its port says. */
import { describe, expect, it } from 'vitest';
import { type CodecPort, CodecResponse } from '#rpc/http2/codec-request.ts';

/** A port that takes one piece at a time: the next when `takeOne` is called. */
class OnePiece {
  readonly sent: string[] = [];
  #onReady: (() => void) | undefined;
  isSlow = true;

  readonly port: CodecPort = {
    destroyed: false,
    closed: false,
    rstCode: 0,
    close() {},
    askForBody() {},
    credit() {},
    sendHead() {},
    sendData: (bytes, _isEnd, onReady) => {
      if (this.#onReady !== undefined) throw new Error('a piece is sent while another waits');
      this.sent.push(Buffer.from(bytes).toString());
      if (this.isSlow) this.#onReady = onReady;
      else onReady();
    },
    sendEnd() {},
  };

  takeOne(): void {
    const onReady = this.#onReady;
    this.#onReady = undefined;
    onReady?.();
  }
}

describe('bytes sent now', () => {
  it('stay behind what was written before them', async () => {
    const one = new OnePiece();
    const response = new CodecResponse(one.port, 'POST');
    let ready = 0;
    response.write('a');
    response.write('b');
    expect(response.sendNow(Buffer.from('c'), () => ready++)).toBe(false);
    for (let i = 0; i < 3; i++) {
      expect(ready).toBe(0);
      one.takeOne();
      await new Promise(setImmediate);
    }
    expect([one.sent.join(''), ready]).toEqual(['abc', 1]);
  });

  it('are out at once where the port takes them, and else say when the next may follow', () => {
    const one = new OnePiece();
    const response = new CodecResponse(one.port, 'POST');
    let ready = 0;
    one.isSlow = false;
    expect(response.sendNow(Buffer.from('a'), () => ready++)).toBe(true);
    one.isSlow = true;
    expect(response.sendNow(Buffer.from('b'), () => ready++)).toBe(false);
    expect([one.sent.join(''), ready]).toEqual(['ab', 0]);
    one.takeOne();
    expect(ready).toBe(1);
  });

  it('are dropped, and nobody is told to go on, where the response is over', () => {
    const one = new OnePiece();
    const response = new CodecResponse(one.port, 'POST');
    response.destroy();
    expect(response.sendNow(Buffer.from('a'), () => expect.unreachable())).toBe(false);
    expect(one.sent).toEqual([]);
  });
});
