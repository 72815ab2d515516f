/** Finds free and taken ports of this machine. */
import { createServer } from 'node:net';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Returns the first spec whose port is taken. */
export async function findTaken<One extends Endpoint>(specs: readonly One[]): Promise<One | undefined> {
  for (const spec of specs) if (!(await isFree(spec.host, spec.port))) return spec;
  return undefined;
}

const STEP = 1_000;
const PORT_MAX = 65_535;

/**
 * Returns a free port above those of `specs` that is followed by as many free ports as
 * there are specs; undefined if none is found.
 */
export async function findFreePort(specs: readonly Endpoint[]): Promise<number | undefined> {
  const [first] = specs as [Endpoint];
  for (let port = first.port + STEP; port + specs.length <= PORT_MAX; port += STEP) {
    const moved = specs.map((spec, index) => ({ ...spec, port: port + index }));
    if ((await findTaken(moved)) === undefined) return port;
  }
  return undefined;
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, host.replace(/^\[|\]$/g, ''), () => probe.close(() => resolve(true)));
  });
}
