/** Reads an Accept header (RFC 9110, 12.5.1). Pure. */

/**
 * The weight, from 0 to 1, that the header gives to a type that it names; 0 for one that it
 * does not name, as wildcards choose nothing here. `type`: in lower case.
 */
export function weightOf(accept: string | undefined, type: string): number {
  for (const range of accept?.split(',') ?? []) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    if (name !== type) continue;
    const weight = Number(parameters.find((one) => one.startsWith('q='))?.slice(2) ?? 1);
    return weight >= 0 && weight <= 1 ? weight : 1;
  }
  return 0;
}
