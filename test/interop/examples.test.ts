/**
 * The examples in other languages, against a running group: code is generated as their
 * READMEs say, and each program writes on the master, though it is given only a node that
 * is not there and a replica. What is missing on a machine is skipped, and the reason says
 * what it is.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { RealNodes } from '#test/cmd/real-node.ts';
import { ROOT } from '#test/house/source-files.ts';

const PYTHON = process.env['INTEROP_PYTHON'] ?? 'python3';
/** A build may have to fetch modules. */
const TIMEOUT_MS = 300_000;
const PROTOS = ['types', 'errors', 'kv_store'].map((name) => join(ROOT, 'api', `walnut/v1/${name}.proto`));
const PRINTED = [
  ['get', 'hello'],
  ['increment', '1', '2', '3'],
  ['own writes', 'true'],
  ['missing', 'true'],
];

const nodes = new RealNodes();
let directory = '';
let addresses: string[] = [];
/** A replica waits for a position that it does not know; the master says that it was discarded. */
let masterAddress = '';

afterAll(async () => {
  await nodes.end();
  if (directory !== '') rmSync(directory, { recursive: true, force: true });
});

/** The group is started for the first example that can be run. */
async function startGroup(): Promise<void> {
  if (directory !== '') return;
  directory = mkdtempSync(join(tmpdir(), 'walnut-examples-'));
  const master = await nodes.start();
  masterAddress = master.address;
  const replica = await nodes.start({ binary: 'slave', sets: [`master.address=${master.address}`] });
  await replica.ready();
  addresses = ['127.0.0.1:1', replica.address];
}

/** A position of no history of the group: it is told once that what was seen is gone. */
const PYTHON_LOSS = `
import sys, grpc
from walnut.v1 import types_pb2
from walnut_client import Walnut
walnut = Walnut(sys.argv[1:])
walnut.position = types_pb2.Position(epoch=(1 << 32) + 1, lsn=1)
try:
    walnut.get("no such key")
except grpc.RpcError as error:
    print(error.code().name)
print(walnut.get("no such key"))
`;

function goLoss(address: string): string {
  return `package walnutclient

import (
	"context"
	"testing"

	"connectrpc.com/connect"

	walnutv1 "walnut.example/gen/walnut/v1"
)

func TestLoss(t *testing.T) {
	client := New("${address}")
	client.position = &walnutv1.Position{Epoch: 1<<32 + 1, Lsn: 1}
	if _, _, err := client.Get(context.Background(), "no such key"); connect.CodeOf(err) != connect.CodeDataLoss {
		t.Fatal(err)
	}
	if _, _, err := client.Get(context.Background(), "no such key"); err != nil {
		t.Fatal(err)
	}
}
`;
}

/** The example's files, where generated code may be put beside them. */
function copyOf(example: string): string {
  const cwd = join(directory, example);
  cpSync(join(ROOT, 'examples', example), cwd, { recursive: true });
  return cwd;
}

function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** The words of each line. */
function wordsOf(output: string): string[][] {
  return output
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/: |, /));
}

function isThere(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

describe('an example', { timeout: TIMEOUT_MS }, () => {
  it('is in Python', async ({ skip }) => {
    if (!isThere(PYTHON, '-c', 'import grpc, grpc_tools'))
      skip('SKIPPED: no grpcio-tools for Python here: pip install -r examples/python/requirements.txt');
    await startGroup();
    const cwd = copyOf('python');
    const out = ['--python_out=.', '--grpc_python_out=.'];
    run(cwd, PYTHON, '-m', 'grpc_tools.protoc', '-I', join(ROOT, 'api'), ...out, ...PROTOS);
    expect(wordsOf(run(cwd, PYTHON, 'main.py', ...addresses))).toEqual(PRINTED);
    expect(run(cwd, PYTHON, '-c', PYTHON_LOSS, masterAddress)).toBe('DATA_LOSS\nNone\n');
  });

  it('is in Go', async ({ skip }) => {
    if (!process.env['WALNUT_INTEROP'])
      skip('SKIPPED: it takes a minute to build; run: npm run test:interop');
    if (!isThere('go', 'version')) skip('SKIPPED: no Go here');
    await startGroup();
    const cwd = copyOf('go');
    if (!isThere('go', '-C', cwd, 'mod', 'download'))
      skip('SKIPPED: the modules of examples/go cannot be had here');
    const buf = join(ROOT, 'node_modules', '.bin', 'buf');
    run(cwd, buf, 'generate', join(ROOT, 'api'), ...PROTOS.flatMap((path) => ['--path', path]));
    run(cwd, 'go', 'build', '-o', 'example', '.');
    expect(wordsOf(run(cwd, join(cwd, 'example'), ...addresses))).toEqual(PRINTED);
    writeFileSync(join(cwd, 'walnutclient', 'loss_test.go'), goLoss(masterAddress));
    run(cwd, 'go', 'test', './walnutclient');
  });
});
