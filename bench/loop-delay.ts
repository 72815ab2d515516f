/** The p99.9 of how late a Walnut's event loop ran since this was last read, in milliseconds. Throws if its metrics do not tell. */
export async function readDelayMs(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const found = /^walnut_event_loop_delay_seconds\{percentile="99\.9"\} (\S+)$/m.exec(text)?.[1];
  if (found === undefined) throw new Error('the metrics have no walnut_event_loop_delay_seconds');
  return Number(found) * 1_000;
}
