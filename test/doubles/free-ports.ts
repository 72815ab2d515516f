/** Ports for servers that must be told theirs, or that close it and take it again. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/**
 * Below the range from which Linux gives ports to outgoing connections and to servers
 * that ask for port 0 (`ip_local_port_range`, from 32,768), so none of those takes a
 * port between its choice and its use, or while its server restarts.
 */
const LANES = 4;
const COUNT = 4_250;
/** Workers of vitest run side by side, and each has a lane of its own: between choice and use nobody else takes a port. */
const FIRST = 15_000 + COUNT * (Number(process.env['VITEST_POOL_ID'] ?? 0) % LANES);
const TRIES_MAX = 1_000;

/** Another place for each test file, since a port may not be free yet when its server has just ended. */
let next = Math.floor(Math.random() * COUNT);

/** Returns a port of 127.0.0.1 that nobody listens on, other than all it returned before. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = FIRST + (next % COUNT);
    next += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free among ${TRIES_MAX} from ${FIRST} on`);
}

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** Returns the first of `count` free ports in a row. */
export async function freeRow(count: number): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const ports = await freePorts(count);
    const [first = 0] = ports;
    if (ports.every((port, index) => port === first + index)) return first;
  }
  throw new Error(`no ${count} ports in a row are free`);
}

export async function isFree(port: number): Promise<boolean> {
  const server: Server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
