/** What keys of a configuration need of each other. Pure. */
import type { BinaryKind, ConfigOf } from '#config/binaries.ts';
import { checkMetadata } from '#config/check-metadata.ts';
import { checkMetrics } from '#config/check-metrics.ts';
import {
  type CrossProblem,
  checkCoordinatorSecurity,
  checkGatewaySecurity,
  checkNodeSecurity,
} from '#config/check-security.ts';

export function checkTogether(config: ConfigOf<BinaryKind>): CrossProblem[] {
  return [...checkMetrics(config.metrics, config.auth.allowClearText), ...checkOwn(config)];
}

function checkOwn(config: ConfigOf<BinaryKind>): CrossProblem[] {
  if (config.kind === 'gateway') return checkGatewaySecurity(config);
  if (config.kind !== 'coordinator') return checkNodeSecurity(config);
  return [
    ...checkCoordinatorSecurity(config),
    ...checkMetadata(config.coordinator.metadata, config.auth.allowClearText),
  ];
}
