/**
 * A stampede: many callers miss one key at the same moment. Run as a program, it is one
 * process of callers, `node stampede.ts ADDRESS KEY CALLERS`, which prints its counts.
 */
import { spawn } from 'node:child_process';
import { connect } from '../../client/connect.ts';
import { pause } from './node-process.ts';

export interface StampedeCounts {
  readonly callers: number;
  /** Callers that were given a lease. */
  readonly fillers: number;
  /** Callers that got the value, fillers included. */
  readonly served: number;
}

/** How long a filler takes, as its database would. */
const FILL_MS = 100;
const LEASE_MS = 30_000;

/** All callers of one client. */
export async function callAtOnce(address: string, key: string, callers: number): Promise<StampedeCounts> {
  const walnut = connect({ address });
  const counts = { callers, fillers: 0, served: 0 };
  const call = async (): Promise<void> => {
    const answer = await walnut.get(key, { fillLeaseMs: LEASE_MS, waitMs: LEASE_MS });
    if (answer.fillLease === undefined) {
      if (Buffer.from(answer.value).toString() === 'filled') counts.served++;
      return;
    }
    counts.fillers++;
    await pause(FILL_MS);
    const condition = { case: 'ifFillLease', value: answer.fillLease.token } as const;
    if ((await walnut.set(key, Buffer.from('filled'), { condition })).applied) counts.served++;
  };
  await Promise.all(Array.from({ length: callers }, call));
  await walnut.close();
  return counts;
}

/** The same by processes of their own. */
export async function stampede(
  address: string,
  key: string,
  processes: number,
  callers: number,
): Promise<StampedeCounts> {
  const all = await Promise.all(
    Array.from({ length: processes }, () => runCallers([address, key, String(callers)])),
  );
  const sum = (count: keyof StampedeCounts): number => all.reduce((total, one) => total + one[count], 0);
  return { callers: sum('callers'), fillers: sum('fillers'), served: sum('served') };
}

async function runCallers(args: readonly string[]): Promise<StampedeCounts> {
  const child = spawn(process.execPath, [import.meta.filename, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString();
  });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`callers ended with ${code}`);
  return JSON.parse(out) as StampedeCounts;
}

if (process.argv[1] === import.meta.filename) {
  const [, , address = '', key = '', callers = ''] = process.argv;
  process.stdout.write(JSON.stringify(await callAtOnce(address, key, Number(callers))));
}
