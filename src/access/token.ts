/**
 * Systems sign in with a JWT that they sign themselves (client credentials with `private_key_jwt`, RFC 6749 §4.4 and
 * RFC 7523), and get a token of the hub for five minutes. What counts as used is kept in PostgreSQL, so that an
 * assertion is good once, whichever process it is sent to.
 */
import { randomUUID } from 'node:crypto';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Response } from 'express';
import { createLocalJWKSet, decodeJwt, errors, importJWK, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type pg from 'pg';
import { readingAll } from './claims.ts';
import { assertionAlgorithm, type ClientApplication, enabledClient } from './client.ts';
import { hubKeyAlgorithm as algorithm, hubKey } from './hub-key.ts';
import type { Issuer } from './sign-in.ts';
import type { Viewer } from './viewer.ts';

type Pool = Pick<pg.Pool, 'query'>;

interface TokenOptions {
  pool: Pool;
  /** Where the hub is found from outside: it is the issuer, and `/oauth/token` under it the endpoint. */
  publicUrl: string;
  audience: string;
  now: () => Date;
}

/** Of the audit, what an assertion leaves there. */
interface Account {
  record(event: {
    at: Date;
    requestId: string;
    correlationId: null;
    viewer: Pick<Viewer, 'subject' | 'role' | 'organisation'>;
    action: 'READ' | 'DENY';
    object: 'token';
    outcome: 'DONE' | 'REFUSED';
    reason?: string;
    personIds: string[];
  }): Promise<void>;
}

interface Tokens {
  /** For the sign-in: the hub accepts what it signed, in whichever of its processes. */
  issuer: Issuer;
  addRoute(app: Express, audit: Account): void;
}

const tokenSeconds = 300;
const maxAssertionSeconds = 300;
const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** Why an assertion is not believed. The code is for the audit; whoever sent it hears only that it was not. */
class Refusal extends Error {}

export async function openTokens({ pool, publicUrl, audience, now }: TokenOptions): Promise<Tokens> {
  const key = await hubKey(pool);
  const signingKey = await importJWK(key, algorithm);
  const endpoint = `${publicUrl}/oauth/token`;
  const seconds = () => Math.floor(now().getTime() / 1000);

  async function signFor(client: ClientApplication): Promise<string> {
    return new SignJWT({
      tandem_role: client.role,
      name: client.name,
      client_id: client.id,
      ...(client.organisation === null ? {} : { organisation: client.organisation }),
    })
      .setProtectedHeader({ alg: algorithm, kid: key.kid!, typ: 'at+jwt' })
      .setIssuer(publicUrl)
      .setAudience(audience)
      .setSubject(client.id)
      .setJti(randomUUID())
      .setIssuedAt(seconds())
      .setExpirationTime(seconds() + tokenSeconds)
      .sign(signingKey);
  }

  /** @throws Refusal */
  async function check(client: ClientApplication, assertion: string): Promise<void> {
    const payload = await verify(client, assertion);
    // A list of services could be handed on from one of them to another.
    if (payload.aud !== endpoint) throw new Refusal('ASSERTION_AUDIENCE');
    if (payload.exp! > seconds() + maxAssertionSeconds) throw new Refusal('ASSERTION_TOO_LONG');
    const { jti } = payload;
    if (typeof jti !== 'string' || jti.length === 0 || jti.length > 200) throw new Refusal('ASSERTION_ID');
    if (!(await use(client.id, jti, payload.exp!))) throw new Refusal('ASSERTION_REUSED');
  }

  async function verify(client: ClientApplication, assertion: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(assertion, createLocalJWKSet(client.jwks!), {
        algorithms: [assertionAlgorithm],
        issuer: client.id,
        subject: client.id,
        audience: endpoint,
        currentDate: now(),
        requiredClaims: ['exp', 'jti'],
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw new Refusal(error.code);
      throw error;
    }
  }

  /** False where it was used before. What has long expired need not be kept: its end refuses it. */
  async function use(clientId: string, jti: string, exp: number): Promise<boolean> {
    const { rowCount } = await pool.query(
      `with over as (delete from client_assertion where expires_at < $4::timestamptz - interval '5 minutes')
       insert into client_assertion (client_id, jti, expires_at) values ($1, $2, to_timestamp($3))
       on conflict do nothing`,
      [clientId, jti, exp, now().toISOString()],
    );
    return rowCount === 1;
  }

  async function answer(form: Record<string, unknown> | undefined, res: Response, audit: Account) {
    const { grant_type, client_assertion_type, client_assertion } = form ?? {};
    if (grant_type !== 'client_credentials') return refuse(res, 400, 'unsupported_grant_type');
    if (client_assertion_type !== assertionType || typeof client_assertion !== 'string') {
      return refuse(res, 400, 'invalid_request');
    }
    const id = clientNamedIn(client_assertion);
    const client = id === null ? null : await enabledClient(pool, id);
    // Of somebody unknown there is nobody to give an account of.
    if (client === null || client.jwks === null) return refuse(res, 401, 'invalid_client');
    const account = (outcome: 'DONE' | 'REFUSED', reason?: string) =>
      audit.record({
        at: now(),
        requestId: String(res.getHeader('x-request-id')),
        correlationId: null,
        viewer: {
          subject: `${publicUrl}#${client.id}`,
          role: client.role!,
          organisation: client.organisation,
        },
        action: outcome === 'DONE' ? 'READ' : 'DENY',
        object: 'token',
        outcome,
        personIds: [],
        ...(reason === undefined ? {} : { reason }),
      });
    try {
      await check(client, client_assertion);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await account('REFUSED', error.message);
      return refuse(res, 401, 'invalid_client');
    }
    await account('DONE');
    res.json({ access_token: await signFor(client), token_type: 'Bearer', expires_in: tokenSeconds });
  }

  const { d: _private, ...publicKey } = key;
  return {
    issuer: {
      url: publicUrl,
      audience,
      algorithms: [algorithm],
      viewerOf: readingAll,
      keys: createLocalJWKSet({ keys: [publicKey] }),
    },
    addRoute(app, audit) {
      const secret: RequestHandler = (_req, res, next) => {
        res.setHeader('cache-control', 'no-store');
        next();
      };
      const notReadable: ErrorRequestHandler = (_error, _req, res, _next) =>
        refuse(res, 400, 'invalid_request');
      app.use('/oauth/token', secret, form, notReadable);
      app.post('/oauth/token', (req, res) => answer(req.body, res, audit));
    },
  };
}

const form = express.urlencoded({ extended: false, limit: '16kb', parameterLimit: 20 });

const descriptions = {
  unsupported_grant_type: 'grant_type must be client_credentials.',
  invalid_request: 'Send a form with grant_type, client_assertion_type and client_assertion.',
  invalid_client:
    'The assertion is not accepted: it must be new, of this endpoint, of at most five minutes, and signed with RS512 by a registered key.',
};

function refuse(res: Response, status: number, error: keyof typeof descriptions): void {
  res.status(status).json({ error, error_description: descriptions[error] });
}

/** Who it claims to be of; its key then shows whether it is. */
function clientNamedIn(assertion: string): string | null {
  try {
    const { iss, sub } = decodeJwt(assertion);
    return typeof iss === 'string' && iss === sub ? iss : null;
  } catch {
    return null;
  }
}
