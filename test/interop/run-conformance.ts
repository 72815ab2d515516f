/**
 * `npm run test:conformance`: the public Connect conformance suite against the
 * unary path, and against the adapter alone, in clear text, by TLS and with client
 * certificates. It needs the suite's runner, a Go program; where that is missing nothing is
 * run, and the output says so.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAtHelp } from '../../package/no-arguments.ts';

const VERSION = 'v1.0.5';
const MODULE = 'connectrpc.com/conformance';
const ROOT = join(import.meta.dirname, '../..');

const FEATURES = `features:
  versions: [HTTP_VERSION_1, HTTP_VERSION_2]
  protocols: [PROTOCOL_CONNECT, PROTOCOL_GRPC, PROTOCOL_GRPC_WEB]
  codecs: [CODEC_PROTO, CODEC_JSON]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP]
  stream_types: [STREAM_TYPE_UNARY]
  supports_h2c: true
  supports_tls: true
  supports_tls_client_certs: true
  supports_trailers: true
  supports_connect_get: true
  supports_message_receive_limit: true
`;

function output(command: string, argv: readonly string[]): string | undefined {
  const { status, stdout, error } = spawnSync(command, argv, { encoding: 'utf8' });
  return error === undefined && status === 0 ? stdout.trim() : undefined;
}

function skip(why: string): void {
  process.stdout.write(
    `SKIPPED: the Connect conformance suite was not run: ${why}\n` +
      `install it: go install ${MODULE}/cmd/connectconformance@${VERSION}\n0 passed, 0 failed, 1 skipped\n`,
  );
}

/** In CONNECTCONFORMANCE, on the PATH, or where Go installs. */
function findRunner(): string | undefined {
  const goPath = output('go', ['env', 'GOPATH']);
  const candidates = [process.env['CONNECTCONFORMANCE'], 'connectconformance'];
  if (goPath !== undefined) candidates.push(join(goPath, 'bin/connectconformance'));
  return candidates.find((each) => each !== undefined && output(each, ['--help']) !== undefined);
}

function findProtos(): string | undefined {
  const cache = output('go', ['env', 'GOMODCACHE']);
  const path = cache === undefined ? undefined : join(cache, `${MODULE}@${VERSION}/proto`);
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** The generated code finds the libraries beside it. */
function generate(scratch: string, protos: string): string {
  const generated = join(scratch, 'gen');
  const options = ['target=ts', 'import_extension=ts', 'erasable_syntax=true'];
  const template = { version: 'v2', plugins: [{ local: 'protoc-gen-es', out: generated, opt: options }] };
  const argv = ['generate', protos, '--template', JSON.stringify(template)];
  if (spawnSync('buf', argv, { stdio: 'inherit' }).status !== 0) throw new Error('buf generate failed');
  symlinkSync(join(ROOT, 'node_modules'), join(scratch, 'node_modules'));
  writeFileSync(join(scratch, 'package.json'), '{"type":"module"}');
  return generated;
}

function run(runner: string, protos: string): boolean {
  const scratch = mkdtempSync(join(tmpdir(), 'walnut-conformance-'));
  try {
    const generated = generate(scratch, protos);
    const features = join(scratch, 'features.yaml');
    writeFileSync(features, FEATURES);
    return ['direct', 'adapter'].every((way) => {
      process.stdout.write(`${way}:\n`);
      const server = [process.execPath, join(import.meta.dirname, 'conformance-server.ts'), generated, way];
      // Several at once start too slowly for the runner where the machine is busy.
      const options = ['--mode', 'server', '--conf', features, '--max-servers', '1'];
      const argv = [...options, ...process.argv.slice(2), '--', ...server];
      return spawnSync(runner, argv, { stdio: 'inherit' }).status === 0;
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

endAtHelp(
  'test:conformance',
  `Runs the Connect conformance suite against the edge. ARGUMENTS go to its runner, connectconformance ${VERSION}.`,
);
const runner = findRunner();
const protos = findProtos();
if (runner === undefined) skip('connectconformance is not installed');
else if (protos === undefined) skip(`the protos of ${MODULE}@${VERSION} are not in Go's module cache`);
else if (!run(runner, protos)) process.exitCode = 1;
