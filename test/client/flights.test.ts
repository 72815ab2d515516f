/** Work that several callers of a key share, when the client is closed. */
import { expect, it } from 'vitest';
import { Flights } from '../../client/flights.ts';

it.each([
  ['a load that nobody waits for', 1, 0, true],
  ['a load that goes on by itself, where one waits', 1, 1, false],
  ['a load for one caller', 0, 1, false],
  ['a load for two callers', 0, 2, false],
] as const)('ends of %s what is unwanted', async (_, own, callers, isEnded) => {
  const flights = new Flights<string>();
  let signal = new AbortController().signal;
  let land: (value: string) => void = () => undefined;
  const work = (given: AbortSignal): Promise<string> => {
    signal = given;
    return new Promise((resolve) => {
      land = resolve;
    });
  };
  const flight = flights.begin('k', work, own);
  const results = Array.from({ length: callers }, () => flights.wait('k', flight, undefined));
  flights.endUnwanted();
  expect(signal.aborted).toBe(isEnded);
  land('v');
  expect(await Promise.all(results)).toEqual(results.map(() => 'v'));
});
