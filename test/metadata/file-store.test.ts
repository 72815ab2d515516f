import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openFileStore } from '#metadata/file/file-store.ts';
import type { MetadataStore } from '#metadata/metadata-store.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

let directory = '';
let store: MetadataStore;
const open = () => openFileStore(join(directory, 'metadata.db'), new VirtualClock());
const value = Uint8Array.of(1, 0, 255);

beforeEach(async () => {
  directory = await fs.mkdtemp(join(tmpdir(), 'walnut-metadata-'));
  store = await open();
});

afterEach(async () => {
  await store.close();
  await fs.rm(directory, { recursive: true });
});

it('has after a restart what it had, with the revisions, but nothing that went with a lease', async () => {
  const lease = await store.grantLease(5_000);
  const { revision } = await store.transact({
    compare: [],
    writes: [
      { key: '/meta', value },
      { key: '/leader', value, lease },
    ],
  });
  await store.transact({ compare: [], writes: [{ key: '/gone', value }] });
  await store.transact({ compare: [], writes: [{ key: '/gone', value: undefined }] });
  await store.close();
  store = await open();
  const view = await store.read('/');
  expect(view.entries).toEqual([{ key: '/meta', value, createRevision: revision, modRevision: revision }]);
  expect(view.revision).toBeGreaterThan(revision + 2);
});

it('is open in one place at a time', async () => {
  await expect(open()).rejects.toThrow(
    `another process has the metadata store ${join(directory, 'metadata.db')} open: it serves one coordinator; for several use etcd`,
  );
});

it('refuses a file that is no store, naming it', async () => {
  await fs.writeFile(join(directory, 'other.db'), 'not a database, '.repeat(100));
  await expect(openFileStore(join(directory, 'other.db'), new VirtualClock())).rejects.toThrow(
    /cannot open the metadata store .*other\.db: file is not a database/,
  );
});

it('answers nothing after it was closed', async () => {
  await store.close();
  await expect(store.read('/')).rejects.toMatchObject({ code: 'unavailable' });
  await expect(store.grantLease(1_000)).rejects.toMatchObject({ code: 'unavailable' });
});
