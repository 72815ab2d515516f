/** What speaks HTTP/2 in tests: by default our own codec, as in a node; `WALNUT_TEST_HTTP2=node` runs a suite with Node's. */
export const HTTP2 = choice(process.env['WALNUT_TEST_HTTP2'] ?? 'own');

function choice(text: string): 'own' | 'node' {
  if (text === 'own' || text === 'node') return text;
  throw new Error(`WALNUT_TEST_HTTP2 is ${JSON.stringify(text)}: expected own or node`);
}
