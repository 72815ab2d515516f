/** What is installed is what was reviewed: exact versions, hashes, and no scripts that run at an installation. */
import { describe, expect, it } from 'vitest';
import { readText } from './source-files.ts';

interface Locked {
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
