/** The version says whether the code is a release or what comes after one; CHANGELOG.md says the same. */
import { describe, expect, it } from 'vitest';
import { readText } from '#test/house/source-files.ts';

/** What the version must be by the headings of a changelog. */
function expectedVersion(changelog: string): RegExp {
  const [first = '', released = '0.0.0'] = [...changelog.matchAll(/^## \[(.+?)\]/gm)].map(
    ([, name]) => name ?? '',
  );
  if (first !== 'Unreleased') return exactly(first);
  const [major, minor, patch] = released.split('.').map(Number) as [number, number, number];
  const next = [`${major + 1}.0.0`, `${major}.${minor + 1}.0`, `${major}.${minor}.${patch + 1}`];
  return new RegExp(`^(?:${next.map(quote).join('|')})-dev$`);
}

function exactly(version: string): RegExp {
  return new RegExp(`^${quote(version)}$`);
}

function quote(text: string): string {
  return text.replaceAll('.', '\\.');
}

describe('the version', () => {
  const { version } = JSON.parse(readText('package.json')) as { version: string };

  it('is that of CHANGELOG.md', () => {
    expect(version).toMatch(expectedVersion(readText('CHANGELOG.md')));
  });

  it('is the same in the lock file', () => {
    const lock = JSON.parse(readText('package-lock.json')) as {
      version: string;
      packages: Record<string, { version: string }>;
    };
    expect([lock.version, lock.packages['']?.version]).toEqual([version, version]);
  });

  it.each([
    ['## [Unreleased]\n## [0.1.0] - 2026', '0.2.0-dev', true],
    ['## [Unreleased]\n## [0.1.0] - 2026', '0.1.1-dev', true],
    ['## [Unreleased]\n## [0.1.0] - 2026', '1.0.0-dev', true],
    ['## [Unreleased]\n## [0.1.0] - 2026', '0.1.0', false],
    ['## [Unreleased]\n## [0.1.0] - 2026', '0.2.0', false],
    ['## [0.2.0] - 2026\n## [0.1.0] - 2026', '0.2.0', true],
    ['## [0.2.0] - 2026\n## [0.1.0] - 2026', '0.2.0-dev', false],
  ])('after %j may be %s: %s', (changelog, candidate, isRight) => {
    expect(expectedVersion(changelog).test(candidate)).toBe(isRight);
  });
});
