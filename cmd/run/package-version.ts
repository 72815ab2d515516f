/** The version of this project. */
import { ownFiles } from '#platform/own-files.ts';

export function packageVersion(): string {
  const bytes = ownFiles(new URL('../../', import.meta.url)).read('package.json');
  return (JSON.parse(new TextDecoder().decode(bytes)) as { version: string }).version;
}
