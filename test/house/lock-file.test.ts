/** What is installed is what was reviewed: exact versions, hashes, and no scripts that run at an installation. */
import { describe, expect, it } from 'vitest';
import { readText } from './source-files.ts';

interface Locked {
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

/** `@bufbuild/buf` chooses the program for its platform. It is needed for development only. */
const MAY_RUN = ['node_modules/@bufbuild/buf'];

const { packages } = JSON.parse(readText('package-lock.json')) as { packages: Record<string, Locked> };
const installed = Object.entries(packages).filter(([path]) => path !== '');

describe('the lock file', () => {
  it('has a SHA-512 hash of every package, and no source but the registry', () => {
    expect(installed.length).toBeGreaterThan(50);
    const unhashed = installed.filter(
      ([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''),
    );
    expect(unhashed.map(([path]) => path)).toEqual([]);
    const elsewhere = installed.filter(
      ([, { link, resolved = '' }]) => link === true || /^(?:git|file|http:|github)/.test(resolved),
    );
    expect(elsewhere.map(([path]) => path)).toEqual([]);
  });

  it('has nothing that runs at an installation but what is known', () => {
    const running = installed.filter(([, { hasInstallScript }]) => hasInstallScript === true);
    expect(running.map(([path]) => path)).toEqual(MAY_RUN);
  });

  it('has only licences that allow what the package does with them, each listed', () => {
    const shipped = installed.filter(([, { dev, optional }]) => dev !== true && optional !== true);
    const listed = new Map(
      [...readText('docs/dependencies.md').matchAll(/^\| (\S[^|]*) \| \d+ \| (`.*`) \|$/gm)].flatMap(
        ([, license = '', names = '']) =>
          names.split(', ').map((name) => [name.replaceAll('`', ''), license]),
      ),
    );
    expect(shipped.length).toBeGreaterThan(20);
    const name = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 13);
    const expected = shipped.map(([path, { license }]) => [name(path), license]);
    expect([...listed].sort()).toEqual([...new Map(expected as [string, string][])].sort());
    const allowed =
      /^\(?(MIT|ISC|Apache-2\.0|BSD-3-Clause|BlueOak-1\.0\.0)( AND (MIT|BSD-3-Clause|Apache-2\.0))*\)?$/;
    expect(shipped.filter(([, { license }]) => !allowed.test(license ?? '')).map(([path]) => path)).toEqual(
      [],
    );
  });

  it('is of exact versions', () => {
    const manifest = JSON.parse(readText('package.json')) as Record<string, Record<string, string>>;
    const wanted = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
      Object.entries(manifest[kind] ?? {}),
    );
    expect(wanted.filter(([, version]) => !/^(?:npm:[@\w/-]+@)?\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    for (const [name, version] of wanted)
      expect([name, packages[`node_modules/${name}`]?.version]).toEqual([
        name,
        version.replace(/^npm:.*@/, ''),
      ]);
  });
});
