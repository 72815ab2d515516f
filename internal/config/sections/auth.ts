/** `auth`: whether callers must be known, and who they are. */
import { absolute, boolean, judgedLater, oneOf, optionalFile } from '#config/leaf-schemas.ts';
import { defineSection } from '#config/section.ts';

const AUTH_MODES = ['off', 'permissive', 'required'] as const;

export interface AuthConfig {
  readonly mode: (typeof AUTH_MODES)[number];
  /** The file with users and roles; absolute where the working directory was given. */
  readonly file: string | undefined;
  /** What `users` and `roles` are in that file, as the configuration has it: `parseUserList` takes both. Undefined: there are none here. */
  readonly users: unknown;
  readonly roles: unknown;
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
    users: judgedLater(),
    roles: judgedLater(),
    allow_clear_text: boolean(false),
    certificate_cn: boolean(false),
    audit_file: optionalFile(),
  }),
  fileOnly: ['users', 'roles'],
  read: (
    { mode, file, users, roles, allow_clear_text, certificate_cn, audit_file },
    { cwd },
  ): AuthConfig => ({
    mode,
    file: absolute(file, cwd),
    users,
    roles,
    allowClearText: allow_clear_text,
    certificateCn: certificate_cn,
    auditFile: absolute(audit_file, cwd),
  }),
  print: ({ mode, file, users, roles, allowClearText, certificateCn, auditFile }) => ({
    mode,
    ...(file === undefined ? {} : { file }),
    ...(users === undefined ? {} : { users: withoutHashes(users) }),
    ...(roles === undefined ? {} : { roles }),
    allow_clear_text: allowClearText,
    certificate_cn: certificateCn,
    ...(auditFile === undefined ? {} : { audit_file: auditFile }),
  }),
});

/** Users as they may be shown; they passed the checks of the configuration. */
function withoutHashes(users: unknown): readonly unknown[] {
  return (users as readonly { readonly tokens?: readonly string[] }[]).map((user) =>
    user.tokens === undefined ? user : { ...user, tokens: user.tokens.map(() => 'hidden') },
  );
}
