// cache-manager over Walnut: its first tier in this process, its second on the nodes, where all processes share it.
// npm install @walnut-cache/walnut cache-manager keyv@5 && node main.mjs localhost:8080

import { connect } from '@walnut-cache/walnut';
import { KeyvWalnut5 } from '@walnut-cache/walnut/keyv';
import { createCache } from 'cache-manager';
import { Keyv } from 'keyv';

const walnut = connect(process.argv.slice(2));
const shared = new Keyv({ store: new KeyvWalnut5(walnut), namespace: 'example' });
const cache = createCache({ stores: [new Keyv({ ttl: 5_000 }), shared], ttl: 60_000 });

let loads = 0;
const load = async () => ({ name: 'Ann', loads: ++loads });
const first = await cache.wrap('user:ann', load);
const second = await cache.wrap('user:ann', load);
console.log(first, second);
await cache.mset([
  { key: 'a', value: 1 },
  { key: 'b', value: 2 },
]);
console.log(await cache.mget(['a', 'b', 'none']), await shared.get('a'));
await cache.clear();
console.log(await shared.get('a'));
await walnut.close();
