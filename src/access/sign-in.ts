/**
 * Turns a bearer token into a viewer. Tokens are signed JWTs of the issuers the hub trusts, each checked against the
 * keys of that issuer alone; nothing about a request but its token says who is asking. Costs no SQL.
 */
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { Fault } from '../platform/fault.ts';
import { type ReadViewer, readingAll } from './claims.ts';
import { type IssuerKeys, type KeyTimes, openIssuerKeys } from './issuer-keys.ts';
import type { Viewer } from './viewer.ts';

export interface Issuer {
  url: string;
  audience: string;
  algorithms: readonly string[];
  viewerOf: ReadViewer;
  /** Where the hub signs the tokens itself. Others publish their keys at their address. */
  keys?: IssuerKeys['keyOf'];
  /** Its tokens do not say all that `viewerOf` needs: its userinfo endpoint says the rest. */
  userInfo?: boolean;
}

interface SignInOptions extends KeyTimes {
  /** Two of one address differ by audience. */
  issuers: Issuer[];
  now: () => Date;
}

export interface SignIn {
  /** @throws Fault UNAUTHENTICATED, or SIGN_IN_UNAVAILABLE when the issuer's keys cannot be had. */
  viewerFrom(authorization: string | undefined): Promise<Viewer>;
}

/** Asymmetric only: with a shared secret, whoever can check a token could make one. */
export const algorithms = ['RS256', 'RS512', 'PS256', 'PS512', 'ES256', 'ES384', 'EdDSA'] as const;

/** The only issuer of a hub: its tokens carry the hub's own names for claims, and it speaks for everybody. */
export const soleIssuer = (url: string, audience: string): Issuer => ({
  url,
  audience,
  algorithms,
  viewerOf: readingAll,
});

/** A checked token is not checked again for this long, nor beyond its own end. */
const rememberedMs = 30_000;

const unauthenticated = () =>
  new Fault('UNAUTHENTICATED', 'Sign in: send a valid token as "Authorization: Bearer …".');

const unavailable = (cause: unknown) =>
  new Fault('SIGN_IN_UNAVAILABLE', 'Sign-in cannot be checked now: the issuer does not answer.', {
    retryable: true,
    cause,
  });

export function openSignIn({ issuers, now, ...times }: SignInOptions): SignIn {
  const remembered = new LRUCache<string, { viewer: Viewer; until: number }>({ max: 5_000 });
  const published = new Map(
    issuers.filter(({ keys }) => keys === undefined).map(({ url }) => [url, openIssuerKeys(url, times)]),
  );

  /** By what the token itself says, which is believed only once its signature has been checked. */
  function issuerOf(token: string): Issuer | undefined {
    let said: JWTPayload;
    try {
      said = decodeJwt(token);
    } catch {
      return undefined;
    }
    return issuers.find(({ url, audience }) => url === said.iss && [said.aud].flat().includes(audience));
  }

  async function verify(token: string, issuer: Issuer): Promise<JWTPayload> {
    const keyOf = issuer.keys ?? published.get(issuer.url)!.keyOf;
    try {
      const { payload } = await jwtVerify(token, keyOf, {
        issuer: issuer.url,
        audience: issuer.audience,
        algorithms: [...issuer.algorithms],
        currentDate: now(),
        requiredClaims: ['exp', 'sub'],
      });
      return payload;
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

  async function claimsOf(token: string, issuer: Issuer): Promise<JWTPayload> {
    const payload = await verify(token, issuer);
    if (!issuer.userInfo) return payload;
    const more = await published
      .get(issuer.url)!
      .userInfo(token)
      .catch((cause) => {
        throw unavailable(cause);
      });
    if (more === null || more.sub !== payload.sub) throw unauthenticated();
    return { ...more, ...payload };
  }

  return {
    async viewerFrom(authorization) {
      const token = /^Bearer ([\w.-]+)$/i.exec(authorization ?? '')?.[1];
      if (token === undefined) throw unauthenticated();
      const known = remembered.get(token);
      const instant = now().getTime();
      if (known !== undefined && instant < known.until) return known.viewer;
      const issuer = issuerOf(token);
      if (issuer === undefined) throw unauthenticated();
      const claims = await claimsOf(token, issuer);
      const viewer = issuer.viewerOf(claims);
      if (viewer === null) throw unauthenticated();
      remembered.set(token, { viewer, until: Math.min(instant + rememberedMs, claims.exp! * 1000) });
      return viewer;
    },
  };
}
