/** `auth`: whether callers must be known, and who they are. */
import { absolute, boolean, oneOf, optionalFile } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';

export const AUTH_MODES = ['off', 'permissive', 'required'] as const;

export interface AuthConfig {
  readonly mode: (typeof AUTH_MODES)[number];
  /** The file with users and roles; absolute where the working directory was given. */
  readonly file: string | undefined;
  /** True if credentials may cross a network in clear text. */
  readonly allowClearText: boolean;
  /** True if the CN of a client certificate may name a user. */
  readonly certificateCn: boolean;
  /** The file to which admin calls and refusals are appended. */
  readonly auditFile: string | undefined;
}

export const AUTH = defineSection({
  keys: () => ({
    mode: oneOf(AUTH_MODES, 'off'),
    file: optionalFile(),
    allow_clear_text: boolean(false),
    certificate_cn: boolean(false),
    audit_file: optionalFile(),
  }),
  read: ({ mode, file, allow_clear_text, certificate_cn, audit_file }, { cwd }): AuthConfig => ({
    mode,
    file: absolute(file, cwd),
    allowClearText: allow_clear_text,
    certificateCn: certificate_cn,
    auditFile: absolute(audit_file, cwd),
  }),
  print: ({ mode, file, allowClearText, certificateCn, auditFile }) => ({
    mode,
    ...(file === undefined ? {} : { file }),
    allow_clear_text: allowClearText,
    certificate_cn: certificateCn,
    ...(auditFile === undefined ? {} : { audit_file: auditFile }),
  }),
});
