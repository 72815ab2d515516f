/** What groups and nodes of a cluster may be called. Pure. */

export const NODE_NAME_FORM =
  'letters, digits and . : [ ] _ - only, at most 64, such as "cache-1" or "cache-1:8080"';
export const GROUP_ID_FORM = 'letters, digits and hyphens, at most 64, such as "g1"';

export function isNodeName(text: string): boolean {
  return /^[\w.:[\]-]{1,64}$/.test(text);
}

export function isGroupId(text: string): boolean {
  return /^[A-Za-z0-9-]{1,64}$/.test(text);
}
