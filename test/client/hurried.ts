/** Clients whose pauses between attempts take no time. */
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { createNodeSeams } from '../../client/node-seams.ts';
import { WalnutClient, type WalnutClientOptions } from '../../client/walnut-client.ts';

const STEP_MS = 500;

export interface HurriedClient {
  readonly client: WalnutClient;
  /** Lets time pass until the call is settled. */
  settle<T>(call: Promise<T>): Promise<T>;
}

export function openHurried(options: WalnutClientOptions): HurriedClient {
  const clock = new VirtualClock();
  const settle = async <T>(call: Promise<T>): Promise<T> => {
    let isSettled = false;
    const end = (): void => {
      isSettled = true;
    };
    call.then(end, end);
    while (!isSettled) await clock.advance(STEP_MS);
    return call;
  };
  return { client: new WalnutClient(options, { ...createNodeSeams(options), clock }), settle };
}
