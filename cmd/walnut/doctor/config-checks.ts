/**
 * What can be checked of a node before it runs: its configuration, the files that this names,
 * its directory and disk, memory, open files and addresses. The directory may be that of a
 * node that runs: nothing in it is opened, and the file that measures the disk is removed.
 */
import { isUserList, parseUserList } from '#auth/user-list.ts';
import type { BinaryKind, ConfigOf, NodeConfig } from '#config/binaries.ts';
import { parseYaml } from '#config/yaml-source.ts';
import { tryEndpoint } from '#dial/endpoint.ts';
import { planMemory, whyNoRoom } from '#platform/memory-plan.ts';
import { readPublicFile, readSecretFile } from '#platform/secret-file.ts';
import { parseHeaderLines } from '#telemetry/header-lines.ts';
import { checkTlsMaterial, type TlsParts } from '#tls/tls-material.ts';
import { countOf, showBytes, showDuration } from '../output/output.ts';
import type { Machine } from './config-machine.ts';
import { measureSyncs } from './disk-syncs.ts';
import { type Judgement, judgeFill, ok, problem, runbook, warning } from './judgement.ts';

type Checked = ConfigOf<BinaryKind>;
type Check = readonly [
  name: string,
  judge: (config: Checked, machine: Machine) => Promise<Judgement | undefined>,
];

const EXPIRY_MS_MIN = 14 * 86_400_000;
const OPEN_FILES_MIN = 4_096;
const FSYNC_MS_MAX = 250;
/** A client waits for it at `wal.fsync: always`. */
const FSYNC_ALWAYS_MS_MAX = 10;

export const CONFIG_CHECKS: readonly Check[] = [
  ['data directory', ofNode(judgeDirectory)],
  ['disk space', ofNode(judgeSpace)],
  ['fdatasync', ofNode(judgeSyncs)],
  ['memory', ofNode(judgeMemory)],
  ['open files', judgeOpenFiles],
  ['port', judgePort],
  ['master', judgeMaster],
  ['server.tls', ({ server }, machine) => judgeTls(tlsOfServer(server.tls), machine)],
  ['peer.tls', ({ peer }, machine) => judgeTls(tlsOfPeer(peer.tls), machine)],
  ['metrics.otlp', ({ metrics: { otlp } }, machine) => judgeTls(tlsOfOtlp(otlp), machine)],
  ['token', judgeToken],
  ['headers of exports', judgeHeaders],
  ['users', judgeUsers],
];

function ofNode(judge: (config: NodeConfig, machine: Machine) => Promise<Judgement>): Check[1] {
  return async (config, machine) => ('wal' in config ? judge(config, machine) : undefined);
}

/** The directory, or the nearest above it that is there: the node makes the rest. */
async function placeOf({ wal }: NodeConfig, { fileSystem }: Machine): Promise<string> {
  for (let path = wal.directory; ; path = path.slice(0, path.lastIndexOf('/')) || '/')
    if (path === '/' || (await fileSystem.stat(path)) !== undefined) return path;
}

async function judgeDirectory(config: NodeConfig, machine: Machine): Promise<Judgement> {
  const { directory } = config.wal;
  const advice = 'Give it to the user of the node, or name another: wal.directory';
  try {
    const place = await placeOf(config, machine);
    const stat = await machine.fileSystem.stat(place);
    if (stat?.isDirectory !== true) return problem(`${place} is no directory`, advice);
    if (place !== directory) return ok(`${directory} is not there yet; the node makes it in ${place}`);
    const names = await machine.fileSystem.readDirectory(directory);
    return ok(`${directory} ${names.includes('MANIFEST') ? 'has data' : 'has no data yet'}`);
  } catch (error) {
    return problem(`${directory}: ${(error as Error).message}`, advice);
  }
}

async function judgeSpace(config: NodeConfig, machine: Machine): Promise<Judgement> {
  const free = await machine.fileSystem.freeBytes(await placeOf(config, machine));
  const { wal, storage } = config;
  // A snapshot is made beside the one before, and log is kept behind it.
  const needed = 2 * storage.memoryBytesMax + wal.retentionBytes + 2 * wal.fileBytesMax;
  const found = `${showBytes(free)} free; a full store, its next snapshot and the log take up to ${showBytes(needed)}`;
  return needed > free
    ? warning(found, 'A larger disk, or lower storage.max_memory or wal.retention')
    : ok(found);
}

async function judgeSyncs(config: NodeConfig, machine: Machine): Promise<Judgement> {
  const place = await placeOf(config, machine);
  const advice = runbook('Calls are slow');
  try {
    const { medianMs, mostMs, count } = await measureSyncs(place, machine);
    const found = `${countOf(count, 'write')} in ${place}: half within ${medianMs.toFixed(2)} ms, all within ${mostMs.toFixed(2)} ms`;
    const isSlow = config.wal.fsync === 'always' && medianMs > FSYNC_ALWAYS_MS_MAX;
    return isSlow || mostMs > FSYNC_MS_MAX ? warning(found, advice) : ok(found);
  } catch (error) {
    return problem(
      `${place} cannot be written: ${(error as Error).message}`,
      'Run this as the user of the node, who must be able to write there',
    );
  }
}

async function judgeMemory({ kind, storage }: NodeConfig, { memoryLimitBytes }: Machine): Promise<Judgement> {
  const why = whyNoRoom(planMemory(memoryLimitBytes), storage.memoryBytesMax);
  const unless = kind === 'node' ? ' (counts only where the log of its group does not state another)' : '';
  if (why !== undefined) return warning(`${why}${unless}`, runbook('Sizing'));
  const maxMemory = `storage.max_memory ${showBytes(storage.memoryBytesMax)}`;
  return ok(`${maxMemory} of ${showBytes(memoryLimitBytes)}${unless}`);
}

async function judgeOpenFiles(_config: Checked, { openFilesMax }: Machine): Promise<Judgement> {
  const found = `${openFilesMax}, by the limit of this shell`;
  if (openFilesMax >= OPEN_FILES_MIN) return ok(found);
  return warning(
    `${found}; expected ulimit -n of ${OPEN_FILES_MIN} or more`,
    runbook('More clients than descriptors'),
  );
}

async function judgePort({ server }: Checked, machine: Machine): Promise<Judgement> {
  const { address, port } = server;
  const why = await machine.whyNotListen(address, port);
  const at = `${address} port ${port}`;
  if (why === undefined) return ok(at);
  if (why === 'EADDRINUSE')
    return warning(`${at} is in use`, 'By the node itself if it runs; else see: ss -ltnp');
  return problem(
    `${at} cannot be used: ${why}`,
    'Name an address of this machine: server.address, server.port',
  );
}

async function judgeMaster(config: Checked, machine: Machine): Promise<Judgement | undefined> {
  if (config.kind !== 'slave') return undefined;
  const { address } = config.master;
  const endpoint = tryEndpoint(address);
  const why =
    endpoint === undefined ? 'no address' : await machine.whyNotConnect(endpoint.host, endpoint.port);
  if (why === undefined) return ok(`${address} takes connections`);
  return warning(`${address} takes no connection: ${why}`, 'Is it running, and is master.address right?');
}

function tlsOfServer({ mode, cert, key, clientCa: ca }: Checked['server']['tls']): TlsParts | undefined {
  return mode === 'off' ? undefined : { cert, key, ca };
}

function tlsOfPeer({ ca, cert, key }: Checked['peer']['tls']): TlsParts | undefined {
  return ca === undefined ? undefined : { ca, cert, key };
}

function tlsOfOtlp({ ca, cert, key }: Checked['metrics']['otlp']): TlsParts | undefined {
  return ca === undefined && cert === undefined ? undefined : { ca, cert, key };
}

async function judgeTls(
  paths: TlsParts | undefined,
  { fileSystem, wallMs }: Machine,
): Promise<Judgement | undefined> {
  if (paths === undefined) return undefined;
  const advice = runbook('Files of credentials and certificates');
  try {
    const { cert, key, ca } = paths;
    const texts = {
      cert: cert && (await readPublicFile(fileSystem, cert)),
      key: key && (await readSecretFile(fileSystem, key)),
      ca: ca && (await readPublicFile(fileSystem, ca)),
    };
    const { validity } = checkTlsMaterial(texts, paths);
    if (validity === undefined) return ok('its authorities can be read');
    const leftMs = validity.toMs - wallMs;
    if (leftMs <= 0) return problem(`${cert} has expired`, advice);
    if (validity.fromMs > wallMs) return problem(`${cert} is not valid yet`, advice);
    const found = `${cert} expires in ${showDuration(leftMs)}`;
    return judgeFill(EXPIRY_MS_MIN / leftMs, [1, Number.POSITIVE_INFINITY], found, advice);
  } catch (error) {
    return problem((error as Error).message, advice);
  }
}

function judgeToken({ peer }: Checked, machine: Machine): Promise<Judgement | undefined> {
  return judgeSecret(peer.tokenFile, () => {}, machine);
}

function judgeHeaders({ metrics }: Checked, machine: Machine): Promise<Judgement | undefined> {
  return judgeSecret(metrics.otlp.headersFile, parseHeaderLines, machine);
}

/** `parse` throws where the text cannot be used. */
async function judgeSecret(
  path: string | undefined,
  parse: (text: string) => unknown,
  { fileSystem }: Machine,
): Promise<Judgement | undefined> {
  if (path === undefined) return undefined;
  try {
    parse(await readSecretFile(fileSystem, path));
    return ok(`${path} can be read`);
  } catch (error) {
    return problem((error as Error).message, runbook('Files of credentials and certificates'));
  }
}

async function judgeUsers({ auth }: Checked, { fileSystem }: Machine): Promise<Judgement | undefined> {
  if (auth.mode === 'off' || auth.file === undefined) return undefined;
  const advice = `See: walnut auth check ${auth.file}`;
  try {
    const { values, problems } = parseYaml(auth.file, await readSecretFile(fileSystem, auth.file));
    const users = problems.length > 0 ? problems : parseUserList(values, auth.certificateCn);
    if (isUserList(users)) return ok(countOf(users.length, 'user'));
    return problem(users.join('; '), advice);
  } catch (error) {
    return problem((error as Error).message, advice);
  }
}
