/** `gateway`: the cluster that a gateway serves, and how much may wait in it. */
import { absolute, hostPorts, oneOf, optionalFile, size, wholeNumber } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import { formatSize } from '#config/size.ts';
import { KIB, MIB } from '#config/units.ts';
import { READ_POLICIES } from '#model/wish.ts';

export interface GatewayConfig {
  /** `host:port` of the coordinators, at least one. */
  readonly coordinators: readonly string[];
  /** Where the newest map is kept; undefined: nowhere. Absolute where the working directory was given. */
  readonly mapFile: string | undefined;
  /** Which nodes answer reads. */
  readonly readFrom: (typeof READ_POLICIES)[number];
  /** Calls of each group that are not answered. */
  readonly heldCallsMax: number;
  /** Bytes of their keys and values. */
  readonly heldBytesMax: number;
}

export const GATEWAY = defineSection({
  keys: () => ({
    coordinators: hostPorts({ min: 1 }),
    map_file: optionalFile(),
    read_from: oneOf(READ_POLICIES, 'master'),
    held_calls: wholeNumber({ min: 1, max: 1_000_000 }, 10_000),
    held_bytes: size({ min: 64 * KIB, max: 4_096 * MIB }, 64 * MIB),
  }),
  read: (values, { cwd }): GatewayConfig => ({
    coordinators: values.coordinators,
    mapFile: absolute(values.map_file, cwd),
    readFrom: values.read_from,
    heldCallsMax: values.held_calls,
    heldBytesMax: values.held_bytes,
  }),
  print: ({ coordinators, mapFile, readFrom, heldCallsMax, heldBytesMax }) => ({
    coordinators,
    ...(mapFile === undefined ? {} : { map_file: mapFile }),
    read_from: readFrom,
    held_calls: heldCallsMax,
    held_bytes: formatSize(heldBytesMax),
  }),
});
