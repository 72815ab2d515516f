/** Runs the group in network namespaces, where the machine allows it. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '#test/house/source-files.ts';
import { runCommand } from './master-process.ts';

export interface NamespaceRun {
  readonly faults: number;
  /** How many of them were by loss, delay, duplicates and reordering; in the others the cable was down. */
  readonly lossy: number;
  readonly hasNetem: boolean;
  readonly healMs: readonly number[];
  readonly acked: number;
  readonly fullResyncs: number;
  readonly partialResyncs: number;
  readonly reasons: readonly string[];
}

/** Why there are no namespaces with cables here; undefined where there are. */
export async function whyNoNamespaces(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'network namespaces are for Linux';
  const script =
    'ip link add name one type veth peer name two && ip link add name hub type bridge && ' +
    'ip link set one master hub up';
  const { code, output } = await runCommand('unshare', ['-n', 'sh', '-c', script]);
  return code === 0
    ? undefined
    : `no namespace with cables: ${output.trim().split('\n').at(-1) || 'no unshare'}`;
}

/** Throws what the driver says where anything was lost, differed, or did not get level. */
export async function breakCablesAgainAndAgain(
  directory: string,
  seed: number,
  faults: number,
): Promise<NamespaceRun> {
  const driver = join(ROOT, 'test/torture/namespace-driver.ts');
  const child = spawn('unshare', ['-n', process.execPath, driver, `${seed}`, `${faults}`, directory], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  let complaint = '';
  child.stdout.on('data', (bytes: Buffer) => {
    said += bytes.toString();
  });
  child.stderr.on('data', (bytes: Buffer) => {
    complaint += bytes.toString();
  });
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`the driver ended with ${code}: ${complaint}`);
  return JSON.parse(said) as NamespaceRun;
}
