/**
 * `npm run test:h2spec`: the public HTTP/2 conformance suite against our codec,
 * over a real socket. It needs h2spec, a Go program; where that is missing
 * nothing is run, and the output says so. Exit code 1 where a case fails.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { endAtHelp } from '../../package/no-arguments.ts';

const MODULE = 'github.com/summerwind/h2spec/cmd/h2spec';
const VERSION = 'v2.2.1+incompatible';

/** In H2SPEC, on the PATH, or where Go installs. */
function findSuite(): string | undefined {
  const goPath = spawnSync('go', ['env', 'GOPATH'], { encoding: 'utf8' });
  const installed = goPath.error === undefined ? join(goPath.stdout.trim(), 'bin/h2spec') : '';
  const onPath = spawnSync('h2spec', ['--version']).error === undefined ? 'h2spec' : undefined;
  return process.env['H2SPEC'] ?? onPath ?? (existsSync(installed) ? installed : undefined);
}

endAtHelp('test:h2spec', 'Runs h2spec against the HTTP/2 codec. ARGUMENTS go to h2spec, such as --strict.');
const suite = findSuite();
if (suite === undefined) {
  process.stdout.write(
    `SKIPPED: h2spec was not run: it is not installed\ninstall it: go install ${MODULE}@${VERSION}\n0 passed, 0 failed, 1 skipped\n`,
  );
} else {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'h2spec-server.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [port] = (await once(server.stdout, 'data')) as [Buffer];
  const argv = ['-h', '127.0.0.1', '-p', String(port).trim(), '--timeout', '5', ...process.argv.slice(2)];
  const { status } = spawnSync(suite, argv, { stdio: 'inherit', timeout: 600_000 });
  server.stdin.end();
  process.exitCode = status === 0 ? 0 : 1;
}
