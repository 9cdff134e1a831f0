import { createPrivateKey } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import type { FilesSettings } from './file.ts';

/** What the hub is told from outside. Everything has a default: with nothing set it runs on its own. */
export interface Environment {
  /** PostgreSQL to use; where there is none the hub runs its own under `dataDir`. */
  databaseUrl: string | undefined;
  /** Redis for the queue; where there is none the queue lives in PostgreSQL. */
  redisUrl: string | undefined;
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Where the hub is found from outside, without a slash at the end; where it is not told, at its port on this machine. */
  publicUrl: string | undefined;
  /** The only issuer, or a file that describes several. With neither, the demo's own sign-in lets people in. */
  oidcIssuer: string | undefined;
  signInFile: string | undefined;
  oidcAudience: string;
  /** A person's sign-in is good for moving money for so long. */
  stepUpMinutes: number;
  /** Where the privacy officer is told of records opened in an emergency; if not set, in the log. */
  privacyAlertUrl: string | undefined;
  /** Files of the hub's own certificate and key, and of the authority whose certificates may connect; plain HTTP without. */
  tls: { certFile: string; keyFile: string; clientCaFile: string | undefined } | undefined;
  logLevel: LogLevel;
  dataDir: string;
  /** Where documents are kept, and what looks them through. */
  evidence: FilesSettings;
  /** Where each seal of the audit is told outside the database, and what it is signed with. */
  audit: { file: string; key: string | undefined };
  /** What callers may ask. */
  limit: {
    /** Objects that a subject and its client may ask for in a minute; the usual number when it is not set. */
    pointsPerMinute: number | undefined;
    /** Who may ask for the schema: everybody in the demo, else admins, when it is not set. */
    introspection: (typeof introspections)[number] | undefined;
    /** The manifest of trusted documents. */
    trustedDocuments: string | undefined;
    /** Client applications that may send nothing but trusted documents. */
    documentsOnlyClients: string[];
  };
  /** Signs the cursors of lists: the same for all processes that share a load. Kept in `dataDir` when it is not set. */
  cursorKey: string | undefined;
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Every problem at once, one a line, in words for whoever set the variables. Holds no value that was found. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

const introspections = ['on', 'off', 'admin'] as const;

const postgres = address(['postgresql:', 'postgres:']);
const redis = address(['redis:', 'rediss:']);

const shape = z.object({
  DATABASE_URL: variable(
    postgres,
    'a postgresql:// address',
    'postgresql://tandem:secret@db.example:5432/tandem',
  ).optional(),
  REDIS_URL: variable(redis, 'a redis:// or rediss:// address', 'redis://queue.example:6379').optional(),
  HOST: variable(hostName, 'a host name or an IP address to listen on', '0.0.0.0').default('127.0.0.1'),
  PORT: variable(portNumber, 'a whole number from 0 to 65535', '4000').default('4000').transform(Number),
  PUBLIC_URL: variable(
    issuer,
    'an https:// address (http:// on this machine only)',
    'https://hub.example',
  ).optional(),
  OIDC_ISSUER: variable(
    issuer,
    'an https:// address (http:// on this machine only)',
    'https://login.example',
  ).optional(),
  OIDC_AUDIENCE: variable(oneWord, 'a name without spaces', 'tandem').default('tandem'),
  SIGN_IN_FILE: variable(folder, 'the path of a file', '/etc/tandem/sign-in.json').optional(),
  STEP_UP_MINUTES: variable(minutes, 'a whole number from 1 to 1440', '30').default('30').transform(Number),
  PRIVACY_ALERT_URL: variable(
    receiver,
    'an https:// address (http:// on this machine only)',
    'https://alerts.example/tandem',
  ).optional(),
  TLS_CERT_FILE: variable(folder, 'the path of a file', '/etc/tandem/hub.crt').optional(),
  TLS_KEY_FILE: variable(folder, 'the path of a file', '/etc/tandem/hub.key').optional(),
  TLS_CLIENT_CA_FILE: variable(folder, 'the path of a file', '/etc/tandem/clients-ca.crt').optional(),
  LOG_LEVEL: variable(logLevel, `one of ${logLevels.join(', ')}`, 'info').default('info'),
  DATA_DIR: variable(folder, 'the path of a folder', './.data').default('./.data'),
  RATE_LIMIT_POINTS_PER_MINUTE: variable(
    points,
    'a whole number from 1,000 to 100,000,000, without commas',
    '120000',
  ).optional(),
  INTROSPECTION: variable(introspection, `one of ${introspections.join(', ')}`, 'admin').optional(),
  TRUSTED_DOCUMENTS: variable(folder, 'the path of a file', './documents.json').optional(),
  DOCUMENTS_ONLY_CLIENTS: variable(oneWord, 'client ids, with commas between them', 'portal,app').optional(),
  CURSOR_KEY: variable(
    secret,
    'a random text of 32 characters or more',
    'what `openssl rand -base64 32` says',
  ).optional(),
  EVIDENCE_SECRET: variable(
    secret,
    'a random text of 32 characters or more',
    'what `openssl rand -base64 32` says',
  ).optional(),
  AUDIT_ANCHOR_FILE: variable(folder, 'the path of a file', '/var/log/tandem/audit-anchor.jsonl').optional(),
  AUDIT_KEY: variable(
    signingKey,
    'an Ed25519 private key in base64',
    'what `openssl genpkey -algorithm ed25519 -outform DER | base64 -w0` says',
  ).optional(),
  CLAMD_URL: variable(
    clamd,
    'the tcp:// address of clamd with its port',
    'tcp://clamav.example:3310',
  ).optional(),
  EVIDENCE_S3_ENDPOINT: variable(
    address(['https:', 'http:']),
    'an https:// or http:// address',
    'https://s3.eu-west-2.amazonaws.com',
  ).optional(),
  EVIDENCE_S3_BUCKET: variable(bucket, 'the name of a bucket', 'tandem-evidence').optional(),
  EVIDENCE_S3_REGION: variable(oneWord, 'a name without spaces', 'eu-west-2').optional(),
  EVIDENCE_S3_ACCESS_KEY_ID: variable(oneWord, 'a text without spaces', 'AKIAIOSFODNN7EXAMPLE').optional(),
  EVIDENCE_S3_SECRET_ACCESS_KEY: variable(
    oneWord,
    'a text without spaces',
    'the one that belongs to the key id',
  ).optional(),
});

/** With no sign-in of its own choice the hub is a demo. */
export const isDemo = ({ oidcIssuer, signInFile }: Pick<Environment, 'oidcIssuer' | 'signInFile'>): boolean =>
  oidcIssuer === undefined && signInFile === undefined;

/** Reads and checks the variables. An empty one counts as not set. @throws EnvironmentError */
export function readEnvironment(env: Record<string, string | undefined>): Environment {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));
  const result = shape.safeParse(set);
  const problems = [
    ...(result.error?.issues ?? []).map((issue) => `${String(issue.path[0])}: ${issue.message}`),
    ...missingOf(set),
    ...missingOfTls(set),
    ...('OIDC_ISSUER' in set && 'SIGN_IN_FILE' in set
      ? ['SIGN_IN_FILE: set beside OIDC_ISSUER; name all issuers in the file, and leave OIDC_ISSUER out']
      : []),
  ];
  if (!result.success || problems.length > 0) throw new EnvironmentError(problems.join('\n'));
  const found = result.data;
  return {
    databaseUrl: found.DATABASE_URL,
    redisUrl: found.REDIS_URL,
    host: found.HOST,
    port: found.PORT,
    publicUrl: found.PUBLIC_URL?.replace(/\/+$/, ''),
    oidcIssuer: found.OIDC_ISSUER,
    signInFile: found.SIGN_IN_FILE,
    oidcAudience: found.OIDC_AUDIENCE,
    stepUpMinutes: found.STEP_UP_MINUTES,
    privacyAlertUrl: found.PRIVACY_ALERT_URL,
    tls:
      found.TLS_CERT_FILE === undefined
        ? undefined
        : {
            certFile: found.TLS_CERT_FILE,
            keyFile: found.TLS_KEY_FILE!,
            clientCaFile: found.TLS_CLIENT_CA_FILE,
          },
    logLevel: found.LOG_LEVEL as LogLevel,
    dataDir: found.DATA_DIR,
    audit: {
      file: found.AUDIT_ANCHOR_FILE ?? join(found.DATA_DIR, 'audit-anchor.jsonl'),
      key: found.AUDIT_KEY,
    },
    limit: {
      pointsPerMinute:
        found.RATE_LIMIT_POINTS_PER_MINUTE === undefined
          ? undefined
          : Number(found.RATE_LIMIT_POINTS_PER_MINUTE),
      introspection: found.INTROSPECTION as Environment['limit']['introspection'],
      trustedDocuments: found.TRUSTED_DOCUMENTS,
      documentsOnlyClients: (found.DOCUMENTS_ONLY_CLIENTS ?? '').split(',').filter(Boolean),
    },
    cursorKey: found.CURSOR_KEY,
    evidence: {
      folder: join(found.DATA_DIR, 'evidence'),
      secret: found.EVIDENCE_SECRET,
      clamd: found.CLAMD_URL === undefined ? undefined : hostAndPort(found.CLAMD_URL),
      s3:
        found.EVIDENCE_S3_ENDPOINT === undefined
          ? undefined
          : {
              endpoint: found.EVIDENCE_S3_ENDPOINT,
              bucket: found.EVIDENCE_S3_BUCKET!,
              region: found.EVIDENCE_S3_REGION!,
              accessKeyId: found.EVIDENCE_S3_ACCESS_KEY_ID!,
              secretAccessKey: found.EVIDENCE_S3_SECRET_ACCESS_KEY!,
            },
    },
  };
}

const s3Names = ['ENDPOINT', 'BUCKET', 'REGION', 'ACCESS_KEY_ID', 'SECRET_ACCESS_KEY'].map(
  (name) => `EVIDENCE_S3_${name}`,
);

/** A store is described whole or not at all: half of it would keep documents where nobody looks for them. */
function missingOf(set: Record<string, unknown>): string[] {
  const absent = s3Names.filter((name) => !(name in set));
  if (absent.length === s3Names.length) return [];
  return absent.map((name) => `${name}: missing; set all of EVIDENCE_S3_*, or none`);
}

/** Whoever asks for certificates of others has one itself. */
function missingOfTls(set: Record<string, unknown>): string[] {
  const names = ['TLS_CERT_FILE', 'TLS_KEY_FILE'];
  const absent = names.filter((name) => !(name in set));
  if (absent.length === names.length && !('TLS_CLIENT_CA_FILE' in set)) return [];
  return absent.map((name) => `${name}: missing; set TLS_CERT_FILE and TLS_KEY_FILE, or no TLS_*`);
}

/** `fault` says what is wrong with a value as a class, since the value may be a secret in the wrong place. */
type Check = (value: string) => string | null;

function variable(fault: Check, allowed: string, example: string) {
  return z.string().superRefine((value, context) => {
    const found = fault(value);
    if (found) context.addIssue(`found ${found}; allowed is ${allowed}, for example ${example}`);
  });
}

function address(protocols: string[]): Check {
  return (value) => {
    const found = urlOf(value);
    if (typeof found === 'string') return found;
    return protocols.includes(found.protocol) ? null : 'an address of another kind';
  };
}

function issuer(value: string): string | null {
  const found = urlOf(value);
  if (typeof found !== 'string' && (found.search || found.hash))
    return 'an address with a query or a fragment';
  return receiver(value);
}

function receiver(value: string): string | null {
  const found = urlOf(value);
  if (typeof found === 'string') return found;
  if (found.username || found.password) return 'an address with a user name or password in it';
  if (found.protocol === 'https:') return null;
  if (found.protocol !== 'http:') return 'an address of another kind';
  return ['localhost', '127.0.0.1', '[::1]'].includes(found.hostname)
    ? null
    : 'an http:// address of another machine';
}

function urlOf(value: string): URL | string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return 'text that is not an address';
  return URL.canParse(value) ? new URL(value) : 'an address that cannot be read';
}

function portNumber(value: string): string | null {
  if (!/^\d+$/.test(value)) return 'text that is not a whole number';
  return Number(value) <= 65_535 ? null : 'a number that is too large';
}

function minutes(value: string): string | null {
  if (!/^\d+$/.test(value)) return 'text that is not a whole number';
  return Number(value) >= 1 && Number(value) <= 1_440 ? null : 'a number outside of it';
}

function hostName(value: string): string | null {
  return /^[A-Za-z0-9.:_-]+$/.test(value) ? null : 'text that is neither';
}

function oneWord(value: string): string | null {
  return /\s/.test(value) ? 'text with spaces' : null;
}

function secret(value: string): string | null {
  return value.trim().length >= 32 ? null : 'a text that is too short to be a secret';
}

function signingKey(value: string): string | null {
  try {
    const key = createPrivateKey({ key: Buffer.from(value, 'base64'), format: 'der', type: 'pkcs8' });
    return key.asymmetricKeyType === 'ed25519' ? null : 'a key of another kind';
  } catch {
    return 'text that is no such key';
  }
}

function bucket(value: string): string | null {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(value) ? null : 'text that is none';
}

function clamd(value: string): string | null {
  const found = urlOf(value);
  if (typeof found === 'string') return found;
  if (found.protocol !== 'tcp:') return 'an address of another kind';
  return found.hostname && found.port ? null : 'an address without a host or port';
}

function hostAndPort(value: string): { host: string; port: number } {
  const { hostname, port } = new URL(value);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function logLevel(value: string): string | null {
  return (logLevels as readonly string[]).includes(value) ? null : 'another word';
}

function introspection(value: string): string | null {
  return (introspections as readonly string[]).includes(value) ? null : 'another word';
}

function points(value: string): string | null {
  if (!/^\d+$/.test(value)) return 'text that is not a whole number';
  return Number(value) >= 1_000 && Number(value) <= 1e8 ? null : 'a number that is too small or too large';
}

function folder(value: string): string | null {
  return urlOf(value) instanceof URL ? 'an address' : null;
}
