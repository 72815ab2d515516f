/**
 * What speaks HTTP/1.1 and HTTP/2 in tests: by default our own codecs, as in a node;
 * `WALNUT_TEST_HTTP1=node` and `WALNUT_TEST_HTTP2=node` run a suite with Node's.
 */
export const HTTP1 = choice('WALNUT_TEST_HTTP1');
export const HTTP2 = choice('WALNUT_TEST_HTTP2');

function choice(name: string): 'own' | 'node' {
  const text = process.env[name] ?? 'own';
  if (text === 'own' || text === 'node') return text;
  throw new Error(`${name} is ${JSON.stringify(text)}: expected own or node`);
}
