/** What to type to start the group on the same ports again. Pure. */
export function startCommand(firstPort: number | undefined): string {
  return firstPort === undefined ? 'npm start' : `npm start -- --port ${firstPort}`;
}
