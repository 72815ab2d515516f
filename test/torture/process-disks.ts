/**
 * Disks that are full, by every means that the machine has, then not any more; and two
 * processes that want one directory. Each function throws at what is wrong.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { attachStrace, MasterProcess, runCommand, withScratch } from './master-process.ts';
import { pause } from './node-process.ts';
import { ProcessJournal, writeOne } from './process-journal.ts';
import { fail } from './reference-model.ts';

const WRITES_MAX = 5_000;
const RESUME_MS_MAX = 20_000;
const EXIT_LOCKED = 3;

/** Why no small file system can be mounted; undefined where one can. */
export async function whyNoTmpfs(): Promise<string | undefined> {
  if (process.platform !== 'linux') return 'tmpfs is for Linux';
  return withScratch(async (scratch) => {
    const { code, output } = await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', scratch]);
    if (code === 0) await runCommand('umount', [scratch]);
    return code === 0 ? undefined : `mounting needs root: ${output.trim()}`;
  });
}

/** Why the file size limit of a process cannot be changed from outside. */
export async function whyNoLimits(): Promise<string | undefined> {
  const { code } = await runCommand('prlimit', ['--version']);
  return code === 0 ? undefined : 'prlimit is not installed';
}

/** A tmpfs with a ballast on it: the log fills the rest, the ballast goes, writes resume. */
export function fillTmpfs(): Promise<void> {
  return withScratch(async (scratch) => {
    const mount = join(scratch, 'mount');
    await mkdir(mount);
    const mounted = await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount]);
    if (mounted.code !== 0) fail(mounted.output);
    try {
      const ballast = join(mount, 'ballast');
      await writeFile(ballast, Buffer.alloc(3_600_000));
      const directory = join(mount, 'data');
      await fillAndFree({ directory, sets: ['wal.max_file_size=100KB'] }, () => rm(ballast));
    } finally {
      // Lazily, should a process that failed the test still sit on it.
      await runCommand('umount', ['-l', mount]);
    }
  });
}

/** `ulimit -f`: no file of the process may grow over 64 KiB, until that is lifted. */
export function fillToLimit(): Promise<void> {
  return withScratch((scratch) => {
    const wrapper = ['prlimit', '--fsize=65536:unlimited', '--'];
    const directory = join(scratch, 'data');
    return fillAndFree({ directory, sets: [], wrapper }, async (master) => {
      const { code, output } = await runCommand('prlimit', [
        '--pid',
        String(master.pid),
        '--fsize=unlimited',
      ]);
      if (code !== 0) fail(`prlimit: ${output}`);
    });
  });
}

/** Every write of the log answers ENOSPC while a tracer is attached. */
export function fillByInjection(): Promise<void> {
  return withScratch(async (scratch) => {
    const directory = join(scratch, 'data');
    let detach: (() => Promise<void>) | undefined;
    await fillAndFree(
      { directory, sets: [], hasOneThread: true },
      async () => detach?.(),
      async (master) => {
        const inject = ['-e', 'trace=pwrite64', '-e', 'inject=pwrite64:error=ENOSPC:when=1+'];
        ({ detach } = await attachStrace(master.pid, inject, join(scratch, 'trace')));
      },
    );
  });
}

/**
 * Writes until refused; then everything acknowledged is still readable, nothing
 * refused is, and once there is room writes are taken again by themselves. All
 * of it is there after a restart, too.
 */
async function fillAndFree(
  options: ConstructorParameters<typeof MasterProcess>[0],
  free: (master: MasterProcess) => Promise<void> | undefined,
  fill?: (master: MasterProcess) => Promise<void>,
): Promise<void> {
  const journal = new ProcessJournal();
  const master = new MasterProcess(options);
  try {
    if (!(await master.ready())) fail(`it does not start: ${master.output}`);
    for (let i = 0; i < 50; i++) await writeOne(master, journal, journal.plan(`k${i}`, false));
    await fill?.(master);
    if (!(await writeUntilRefused(master, journal))) fail(`${WRITES_MAX} writes and the disk is not full`);
    await journal.verify(master);
    await free(master);
    await resume(master, journal);
    await journal.verify(master);
  } finally {
    await master.destroy();
  }
  const next = new MasterProcess({ directory: options.directory });
  try {
    if (!(await next.ready())) fail(`the next start fails: ${next.output}`);
    await journal.verify(next);
  } finally {
    await next.destroy();
  }
}

async function writeUntilRefused(master: MasterProcess, journal: ProcessJournal): Promise<boolean> {
  for (let i = 0; i < WRITES_MAX; i++) {
    const isAcked = await writeOne(master, journal, journal.plan(`k${i % 500}`, false));
    if (master.exit !== undefined) fail(`it ends with ${master.exit.code}: ${master.output}`);
    if (!isAcked) return true;
  }
  return false;
}

async function resume(master: MasterProcess, journal: ProcessJournal): Promise<void> {
  for (const endMs = Date.now() + RESUME_MS_MAX; Date.now() < endMs; ) {
    if (await writeOne(master, journal, journal.plan('resumed', false))) return;
    if (master.exit !== undefined) fail(`it ends with ${master.exit.code}: ${master.output}`);
    await pause(100);
  }
  fail(`there is room, but writes are refused: ${master.output}`);
}

/** Two masters start at once in one directory: one serves, the other leaves with 3, and a killed owner blocks nobody. */
export function raceForDirectory(): Promise<void> {
  return withScratch(async (scratch) => {
    const directory = join(scratch, 'data');
    const journal = new ProcessJournal();
    const masters = [new MasterProcess({ directory }), new MasterProcess({ directory })];
    try {
      const areReady = await Promise.all(masters.map((master) => master.ready()));
      const owner = masters[areReady.indexOf(true)];
      const other = masters[areReady.indexOf(false)];
      if (owner === undefined || other === undefined) return fail(`ready are: ${areReady.join(' and ')}`);
      if ((await other.exited).code !== EXIT_LOCKED)
        fail(`the other ends with ${other.exit?.code}: ${other.output}`);
      await writeOne(owner, journal, journal.plan('k', false));
      await owner.destroy();
      const next = new MasterProcess({ directory });
      masters.push(next);
      if (!(await next.ready())) fail(`a killed owner blocks the next: ${next.output}`);
      await journal.verify(next);
    } finally {
      await Promise.all(masters.map((master) => master.destroy()));
    }
  });
}

/** SIGTERM with an idle HTTP/2 session open: everything is synced, and the exit code is 0. */
export function stopInOrder(): Promise<void> {
  return withScratch(async (scratch) => {
    const directory = join(scratch, 'data');
    const journal = new ProcessJournal();
    const master = new MasterProcess({ directory });
    try {
      if (!(await master.ready())) fail(`it does not start: ${master.output}`);
      for (let i = 0; i < 20; i++) await writeOne(master, journal, journal.plan(`k${i}`, false));
      const session = connect(`http://127.0.0.1:${master.port}`);
      session.on('error', () => undefined);
      await new Promise((resolve) => session.once('remoteSettings', resolve));
      master.kill('SIGTERM');
      const exit = await Promise.race([master.exited, pause(10_000)]);
      session.destroy();
      if (exit?.code !== 0) fail(`within 10 s it ends with ${exit?.code}: ${master.output}`);
    } finally {
      await master.destroy();
    }
    const next = new MasterProcess({ directory });
    try {
      if (!(await next.ready())) fail(`the next start fails: ${next.output}`);
      await journal.verify(next);
    } finally {
      await next.destroy();
    }
  });
}
