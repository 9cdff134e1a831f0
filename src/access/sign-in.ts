/**
 * Turns a bearer token into a viewer. Tokens are signed JWTs of one OpenID Connect issuer, checked against the keys
 * it publishes; nothing about a request but its token says who is asking. Costs no SQL.
 */
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { Fault } from '../platform/fault.ts';
import { type Viewer, viewerOf } from './viewer.ts';

interface SignInOptions {
  issuer: string;
  audience: string;
  now: () => Date;
  /** How long published keys are trusted without asking again; after that, no keys means no sign-in. */
  keysForMs?: number;
  /** At most this often are keys asked for anew because a token names one that is not known. */
  askAgainAfterMs?: number;
}

export interface SignIn {
  /** @throws Fault UNAUTHENTICATED, or SIGN_IN_UNAVAILABLE when the issuer's keys cannot be had. */
  viewerFrom(authorization: string | undefined): Promise<Viewer>;
}

/** Asymmetric only: with a shared secret, whoever can check a token could make one. */
const algorithms = ['RS256', 'RS512', 'PS256', 'PS512', 'ES256', 'ES384', 'EdDSA'];

/** A checked token is not checked again for this long, nor beyond its own end. */
const rememberedMs = 30_000;
const timeoutMs = 5_000;

const unauthenticated = () =>
  new Fault('UNAUTHENTICATED', 'Sign in: send a valid token as "Authorization: Bearer …".');

export function openSignIn({
  issuer,
  audience,
  now,
  keysForMs = 600_000,
  askAgainAfterMs = 5_000,
}: SignInOptions): SignIn {
  const remembered = new LRUCache<string, { viewer: Viewer; until: number }>({ max: 5_000 });
  let keys: Promise<JWTVerifyGetKey> | undefined;

  async function discover(): Promise<JWTVerifyGetKey> {
    const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    });
    const found = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
    if (!response.ok || found.issuer !== issuer || typeof found.jwks_uri !== 'string') {
      throw new Error('the issuer does not describe itself as expected');
    }
    return createRemoteJWKSet(new URL(found.jwks_uri), {
      cacheMaxAge: keysForMs,
      cooldownDuration: askAgainAfterMs,
      timeoutDuration: timeoutMs,
    });
  }

  async function verify(token: string) {
    keys ??= discover();
    let getKey: JWTVerifyGetKey;
    try {
      getKey = await keys;
    } catch (cause) {
      keys = undefined;
      throw unavailable(cause);
    }
    try {
      return await jwtVerify(token, getKey, {
        issuer,
        audience,
        algorithms,
        currentDate: now(),
        requiredClaims: ['exp', 'sub'],
      });
    } catch (error) {
      // jose's own errors say what is wrong with the token; anything else, that the keys could not be had.
      if (
        error instanceof errors.JOSEError &&
        !(error instanceof errors.JWKSTimeout) &&
        error.code !== 'ERR_JOSE_GENERIC'
      ) {
        throw unauthenticated();
      }
      throw unavailable(error);
    }
  }

  return {
    async viewerFrom(authorization) {
      const token = /^Bearer ([\w.-]+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw unauthenticated();
      const known = remembered.get(token);
      const instant = now().getTime();
      if (known !== undefined && instant < known.until) return known.viewer;
      const { payload } = await verify(token);
      const viewer = viewerOf(payload);
      if (viewer === null) throw unauthenticated();
      remembered.set(token, { viewer, until: Math.min(instant + rememberedMs, payload.exp! * 1000) });
      return viewer;
    },
  };
}

const unavailable = (cause: unknown) =>
  new Fault('SIGN_IN_UNAVAILABLE', 'Sign-in cannot be checked now: the issuer does not answer.', {
    retryable: true,
    cause,
  });
