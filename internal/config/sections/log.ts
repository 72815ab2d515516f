/** `log`: what the process writes about itself. */
import { oneOf } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from '#platform/create-logger.ts';

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

export const LOG = defineSection({
  keys: () => ({ level: oneOf(LOG_LEVELS, 'info'), format: oneOf(LOG_FORMATS, 'auto') }),
  read: (values): LogConfig => ({ level: values.level, format: values.format }),
  print: ({ level, format }) => ({ level, format }),
});
