/** What speaks HTTP/2 in tests: `WALNUT_TEST_HTTP2=node` or `own` runs a suite with the one that is not the default. */
export const HTTP2 = choice(process.env['WALNUT_TEST_HTTP2'] ?? 'node');

function choice(text: string): 'own' | 'node' {
  if (text === 'own' || text === 'node') return text;
  throw new Error(`WALNUT_TEST_HTTP2 is ${JSON.stringify(text)}: expected own or node`);
}
