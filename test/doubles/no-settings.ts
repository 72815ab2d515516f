/** Settings of a server in a test: none can be changed. */
import type { SettingsPort } from '#model/settings.ts';

export const NO_SETTINGS: SettingsPort = { list: () => [], change: async () => [] };
