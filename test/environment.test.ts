import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { EnvironmentError, isDemo, readEnvironment } from '../src/platform/environment.ts';

function problemsOf(env: Record<string, string>): string {
  try {
    readEnvironment(env);
  } catch (error) {
    if (error instanceof EnvironmentError) return error.message;
    throw error;
  }
  throw new Error('These variables were accepted');
}

const keyOf = (type: 'ed25519' | 'x25519') =>
  generateKeyPairSync(type as 'ed25519')
    .privateKey.export({ format: 'der', type: 'pkcs8' })
    .toString('base64');
const auditKey = keyOf('ed25519');

describe('the environment', () => {
  test('needs nothing to be set', () => {
    expect(readEnvironment({})).toEqual({
      databaseUrl: undefined,
      redisUrl: undefined,
      host: '127.0.0.1',
      port: 4000,
      publicUrl: undefined,
      oidcIssuer: undefined,
      signInFile: undefined,
      oidcAudience: 'tandem',
      stepUpMinutes: 30,
      privacyAlertUrl: undefined,
      logLevel: 'info',
      dataDir: './.data',
      limit: { documentsOnlyClients: [] },
      evidence: { folder: '.data/evidence' },
      audit: { file: '.data/audit-anchor.jsonl', key: undefined },
    });
  });

  test('counts an empty variable as not set, as compose files pass them', () => {
    expect(readEnvironment({ DATABASE_URL: '', PORT: ' ' })).toMatchObject({
      databaseUrl: undefined,
      port: 4000,
    });
  });

  test('takes what is set', () => {
    const env = {
      DATABASE_URL: 'postgres://u:p@db/tandem',
      REDIS_URL: 'rediss://queue:6380',
      HOST: '0.0.0.0',
      PORT: '0',
      PUBLIC_URL: 'https://hub.example/',
      STEP_UP_MINUTES: '10',
      OIDC_ISSUER: 'https://login.example/realm',
      OIDC_AUDIENCE: 'urn:tandem',
      PRIVACY_ALERT_URL: 'https://alerts.example/hook?key=1',
      LOG_LEVEL: 'debug',
      DATA_DIR: '/var/lib/tandem',
      AUDIT_ANCHOR_FILE: '/mnt/elsewhere/anchor.jsonl',
      AUDIT_KEY: auditKey,
      RATE_LIMIT_POINTS_PER_MINUTE: '5000',
      INTROSPECTION: 'off',
      TRUSTED_DOCUMENTS: '/etc/tandem/documents.json',
      DOCUMENTS_ONLY_CLIENTS: 'portal,app',
      CURSOR_KEY: 'k'.repeat(32),
      EVIDENCE_SECRET: 'x'.repeat(32),
      CLAMD_URL: 'tcp://clamav:3310',
      EVIDENCE_S3_ENDPOINT: 'http://minio:9000',
      EVIDENCE_S3_BUCKET: 'tandem-evidence',
      EVIDENCE_S3_REGION: 'eu-west-2',
      EVIDENCE_S3_ACCESS_KEY_ID: 'id',
      EVIDENCE_S3_SECRET_ACCESS_KEY: 'secret',
      PATH: '/bin',
    };
    expect(readEnvironment(env)).toEqual({
      databaseUrl: 'postgres://u:p@db/tandem',
      redisUrl: 'rediss://queue:6380',
      host: '0.0.0.0',
      port: 0,
      publicUrl: 'https://hub.example',
      oidcIssuer: 'https://login.example/realm',
      signInFile: undefined,
      oidcAudience: 'urn:tandem',
      stepUpMinutes: 10,
      privacyAlertUrl: 'https://alerts.example/hook?key=1',
      logLevel: 'debug',
      dataDir: '/var/lib/tandem',
      audit: { file: '/mnt/elsewhere/anchor.jsonl', key: auditKey },
      limit: {
        pointsPerMinute: 5_000,
        introspection: 'off',
        trustedDocuments: '/etc/tandem/documents.json',
        documentsOnlyClients: ['portal', 'app'],
      },
      cursorKey: 'k'.repeat(32),
      evidence: {
        folder: '/var/lib/tandem/evidence',
        secret: 'x'.repeat(32),
        clamd: { host: 'clamav', port: 3310 },
        s3: {
          endpoint: 'http://minio:9000',
          bucket: 'tandem-evidence',
          region: 'eu-west-2',
          accessKeyId: 'id',
          secretAccessKey: 'secret',
        },
      },
    });
  });

  test('tells every problem at once, with an example and without the value', () => {
    const problems = problemsOf({
      DATABASE_URL: 'mysql://root:hunter2@db/tandem',
      REDIS_URL: 'hunter2',
      PORT: '70000',
      OIDC_ISSUER: 'http://hunter2.example',
      LOG_LEVEL: 'hunter2',
    });
    expect(problems.split('\n')).toEqual([
      'DATABASE_URL: found an address of another kind; allowed is a postgresql:// address, for example postgresql://tandem:secret@db.example:5432/tandem',
      'REDIS_URL: found text that is not an address; allowed is a redis:// or rediss:// address, for example redis://queue.example:6379',
      'PORT: found a number that is too large; allowed is a whole number from 0 to 65535, for example 4000',
      'OIDC_ISSUER: found an http:// address of another machine; allowed is an https:// address (http:// on this machine only), for example https://login.example',
      'LOG_LEVEL: found another word; allowed is one of fatal, error, warn, info, debug, trace, silent, for example info',
    ]);
  });

  test.each([
    ['PORT', '4000.5'],
    ['PORT', '-1'],
    ['PORT', '0x50'],
    ['HOST', 'http://0.0.0.0'],
    ['OIDC_ISSUER', 'https://user:pass@login.example'],
    ['OIDC_ISSUER', 'https://login.example?tenant=1'],
    ['OIDC_AUDIENCE', 'two words'],
    ['PUBLIC_URL', 'http://hub.example'],
    ['SIGN_IN_FILE', 'https://hub.example/sign-in.json'],
    ['PRIVACY_ALERT_URL', 'http://alerts.example/hook'],
    ['PRIVACY_ALERT_URL', 'https://user:pass@alerts.example'],
    ['PRIVACY_ALERT_URL', 'ftp://alerts.example'],
    ['STEP_UP_MINUTES', '0'],
    ['STEP_UP_MINUTES', 'soon'],
    ['DATA_DIR', 'file:///var/lib/tandem'],
    ['DATABASE_URL', 'postgresql://host:notaport/db'],
    ['EVIDENCE_SECRET', 'hunter2'],
    ['AUDIT_KEY', 'hunter2'],
    ['AUDIT_KEY', keyOf('x25519')],
    ['CLAMD_URL', 'http://clamav:3310'],
    ['CLAMD_URL', 'tcp://clamav'],
    ['CLAMD_URL', 'clamav:3310'],
  ])('refuses %s set to %s', (name, value) => {
    expect(problemsOf({ [name]: value })).toMatch(new RegExp(`^${name}: found `));
  });

  test('describes an S3 store whole or not at all, and says so beside every other problem', () => {
    const env = { PORT: 'x', EVIDENCE_S3_BUCKET: 'b/c', EVIDENCE_S3_SECRET_ACCESS_KEY: 'hunter2' };
    const problems = problemsOf(env).split('\n');
    expect(problems).toEqual([
      expect.stringMatching(/^PORT: found /),
      expect.stringMatching(/^EVIDENCE_S3_BUCKET: found /),
      'EVIDENCE_S3_ENDPOINT: missing; set all of EVIDENCE_S3_*, or none',
      'EVIDENCE_S3_REGION: missing; set all of EVIDENCE_S3_*, or none',
      'EVIDENCE_S3_ACCESS_KEY_ID: missing; set all of EVIDENCE_S3_*, or none',
    ]);
    expect(problems.join()).not.toContain('hunter2');
  });

  test('takes one issuer or a file of them, not both', () => {
    expect(problemsOf({ OIDC_ISSUER: 'https://login.example', SIGN_IN_FILE: 'sign-in.json' })).toMatch(
      /^SIGN_IN_FILE: set beside OIDC_ISSUER/,
    );
    expect(isDemo(readEnvironment({ SIGN_IN_FILE: 'sign-in.json' }))).toBe(false);
    expect(isDemo(readEnvironment({ OIDC_ISSUER: 'https://login.example' }))).toBe(false);
    expect(isDemo(readEnvironment({}))).toBe(true);
  });

  test('lets an issuer on this machine speak plain http', () => {
    expect(readEnvironment({ OIDC_ISSUER: 'http://localhost:4000/demo' }).oidcIssuer).toBe(
      'http://localhost:4000/demo',
    );
  });
});
