import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { type HttpRequest, receiveBody } from '#rpc/http-io.ts';

it('says that a body ends early whose caller has gone before it is asked for', async () => {
  const request = new PassThrough();
  request.destroy();
  await once(request, 'close');
  await expect(receiveBody(request as unknown as HttpRequest, () => {})).rejects.toThrow('ended early');
});
