/** What an OpenID Connect issuer publishes: where its keys are, the keys, and who a token's subject is. */
import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose';

export interface KeyTimes {
  /** How long published keys are trusted without asking again; after that, no keys means no sign-in. */
  keysForMs?: number;
  /** At most this often are keys asked for anew because a token names one that is not known. */
  askAgainAfterMs?: number;
}

export interface IssuerKeys {
  /** Fails with anything but a jose error where the issuer does not answer. */
  keyOf: JWTVerifyGetKey;
  /** What the issuer says of whom it gave this access token; null where it does not accept it. */
  userInfo(token: string): Promise<Record<string, unknown> | null>;
}

const timeoutMs = 5_000;

interface Discovered {
  keyOf: JWTVerifyGetKey;
  userInfoUrl: string | null;
}

/** Asks nobody until it must. */
export function openIssuerKeys(
  issuer: string,
  { keysForMs = 600_000, askAgainAfterMs = 5_000 }: KeyTimes,
): IssuerKeys {
  let discovered: Promise<Discovered> | undefined;

  async function discover(): Promise<Discovered> {
    const response = await get(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const found = (await response.json()) as Record<string, unknown>;
    if (!response.ok || found.issuer !== issuer || typeof found.jwks_uri !== 'string') {
      throw new Error('the issuer does not describe itself as expected');
    }
    return {
      keyOf: createRemoteJWKSet(new URL(found.jwks_uri), {
        cacheMaxAge: keysForMs,
        cooldownDuration: askAgainAfterMs,
        timeoutDuration: timeoutMs,
      }),
      userInfoUrl: typeof found.userinfo_endpoint === 'string' ? found.userinfo_endpoint : null,
    };
  }

  /** A failure is not remembered: the next request asks again. */
  function known(): Promise<Discovered> {
    discovered ??= discover().catch((error) => {
      discovered = undefined;
      throw error;
    });
    return discovered;
  }

  return {
    async keyOf(header, token) {
      return (await known()).keyOf(header, token);
    },
    async userInfo(token) {
      const { userInfoUrl } = await known();
      if (userInfoUrl === null) throw new Error('the issuer names no userinfo endpoint');
      const response = await get(userInfoUrl, { authorization: `Bearer ${token}` });
      if (response.status === 401 || response.status === 403) return null;
      if (!response.ok) throw new Error('the issuer does not say who it is');
      return (await response.json()) as Record<string, unknown>;
    },
  };
}

const get = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs), redirect: 'error' });
