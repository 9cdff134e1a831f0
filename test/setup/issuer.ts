import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export interface TestIssuer {
  url: string;
  /** A token that the hub accepts, unless `changes` or `header` make it one that it must not. */
  token(claims: JWTPayload, changes?: JWTPayload, header?: Record<string, string>): Promise<string>;
  /** The published key as text, for whoever tries to sign with it as a secret. */
  publicKey(): JWK;
  /** Signs with a new key from now on; the old one is no longer published. */
  rotate(): Promise<void>;
  /** Answers nothing but errors until told otherwise. */
  setDown(down: boolean): void;
  /** What it says of the bearer of any of its tokens; null refuses them. */
  setUserInfo(claims: JWTPayload | null): void;
  /** How often the keys were asked for. */
  asked(): number;
  close(): Promise<void>;
}

export const audience = 'tandem';

/** An OpenID Connect issuer as the hub sees one: a description, keys, and tokens signed with them. */
export async function startIssuer(): Promise<TestIssuer> {
  let key: { kid: string; privateKey: CryptoKey; jwk: JWK };
  let down = false;
  let asked = 0;
  let userInfo: JWTPayload | null = null;
  const rotate = async () => {
    const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true });
    const kid = crypto.randomUUID();
    key = { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } };
  };
  await rotate();
  const server = createServer((req, res) => {
    const description = { issuer: url, jwks_uri: `${url}/keys`, userinfo_endpoint: `${url}/userinfo` };
    const answers: Record<string, object | null> = { '/keys': { keys: [key.jwk] }, '/userinfo': userInfo };
    const body = answers[req.url!] === undefined ? description : answers[req.url!];
    if (req.url === '/keys') asked += 1;
    res.writeHead(down ? 500 : body === null ? 401 : 200, { 'content-type': 'application/json' });
    res.end(JSON.stringify(down ? {} : body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    async token(claims, changes = {}, header = {}) {
      const now = Math.floor(Date.now() / 1000);
      const payload = {
        iss: url,
        aud: audience,
        sub: 'somebody',
        iat: now,
        exp: now + 600,
        ...claims,
        ...changes,
      };
      return new SignJWT(payload)
        .setProtectedHeader({ alg: 'RS256', kid: key.kid, ...header })
        .sign(key.privateKey);
    },
    publicKey: () => key.jwk,
    rotate,
    setDown: (value) => {
      down = value;
    },
    setUserInfo: (claims) => {
      userInfo = claims;
    },
    asked: () => asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
