/** Ports for servers that must be told theirs, or that close it and take it again. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/**
 * Below the range from which Linux gives ports to outgoing connections and to servers
 * that ask for port 0 (`ip_local_port_range`, from 32,768), so none of those takes a
 * port between its choice and its use, or while its server restarts. Tests run side by side, in
 * threads and processes: each has a lane of its own, which is held by listening on a port for it.
 */
const LANES = 16;
const LANE_PORTS = 15_000;
const FIRST = LANE_PORTS + LANES;
const COUNT = 1_060;
const TRIES_MAX = 1_000;

/** The lane of this thread, however often its modules are loaded. */
interface Lane {
  readonly first: number;
  /** Another place for each start, since a port may not be free yet when its server has just ended. */
  next: number;
  /** Kept, or it would be collected, and the lane be free. */
  readonly holder: Server;
}

const LANE = Symbol.for('walnut.test.lane');
const here = globalThis as unknown as Record<symbol, Promise<Lane> | undefined>;

/** Returns a port of 127.0.0.1 that nobody listens on, other than all it returned before. */
export async function freePort(): Promise<number> {
  here[LANE] ??= takeLane();
  const lane = await here[LANE];
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const port = lane.first + (lane.next % COUNT);
    lane.next += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port is free among ${TRIES_MAX} from ${lane.first} on`);
}

async function takeLane(): Promise<Lane> {
  for (let i = 0; i < LANES; i++) {
    const holder = await tryListen(LANE_PORTS + i);
    if (holder === undefined) continue;
    holder.unref();
    return { first: FIRST + COUNT * i, next: Math.floor(Math.random() * COUNT), holder };
  }
  throw new Error(
    `the ports ${LANE_PORTS} to ${FIRST - 1} are taken: more than ${LANES} runs of tests, or other servers`,
  );
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
  const server = await tryListen(port);
  if (server === undefined) return false;
  server.close();
  await once(server, 'close');
  return true;
}

/** Undefined where somebody listens on the port. */
async function tryListen(port: number): Promise<Server | undefined> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return server;
  } catch {
    return undefined;
  }
}
