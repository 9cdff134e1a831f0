/**
 * How a browser signs in to the demo: an OpenID Connect provider whose login page asks who of the made-up place one is.
 * Authorization code with PKCE, and access tokens that the hub accepts.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import express, { type Express } from 'express';
import type { Configuration, JWK, Provider } from 'oidc-provider';
import { type DemoKey, demoAlgorithm, demoTokenSeconds, type Persona } from './issuer.ts';
import { pageHeaders, signInPage } from './sign-in-page.ts';
import { demoStore } from './sign-in-store.ts';

interface DemoSignIn {
  issuer: string;
  audience: string;
  key: DemoKey;
  /** By the name under which they sign in. */
  personas: Record<string, Persona>;
}

/** Who may ask for a sign-in: whatever runs on this machine, at any port. */
export const demoClient = {
  id: 'tandem-demo',
  paths: ['/portal/signed-in', '/explorer/', '/signed-in'],
};

/** Mounted at `/demo`. Nothing of it is loaded before somebody comes. */
export function addDemoSignIn(app: Express, options: DemoSignIn): void {
  let opened: Promise<Provider> | undefined;
  const provider = () => {
    opened ??= openProvider(options);
    return opened;
  };

  app.get('/demo/sign-in/:uid', async (req, res) => {
    const details = await (await provider()).interactionDetails(req, res).catch(() => null);
    res.writeHead(details === null ? 400 : 200, pageHeaders);
    res.end(signInPage(details === null ? null : options.personas));
  });
  app.post('/demo/sign-in/:uid', express.urlencoded({ extended: false, limit: '1kb' }), async (req, res) => {
    const persona = options.personas[String(req.body?.name)];
    const oidc = await provider();
    const details = await oidc.interactionDetails(req, res).catch(() => null);
    if (details === null || persona === undefined) {
      res.writeHead(400, pageHeaders);
      res.end(signInPage(null));
      return;
    }
    await oidc.interactionFinished(req, res, { login: { accountId: persona.sub, remember: false } });
  });
  app.use('/demo', async (req: IncomingMessage, res: ServerResponse) => {
    (await provider()).callback()(req, res);
  });
}

async function openProvider({ issuer, audience, key, personas }: DemoSignIn): Promise<Provider> {
  const { default: OidcProvider, interactionPolicy } = await quietly(() => import('oidc-provider'));
  const people = new Map(Object.values(personas).map((persona) => [persona.sub, persona]));
  const resource = new URL('/graphql', issuer).href;
  const policy = interactionPolicy.base();
  policy.remove('consent');
  // Whoever comes is asked each time who they are: in a demo one wants to be somebody else.
  const isToBeAsked = new interactionPolicy.Check(
    'who',
    'say who you are',
    ({ oidc }) => !oidc.result?.login,
  );
  policy.get('login')!.checks.add(isToBeAsked);

  const configuration: Configuration = {
    adapter: demoStore(),
    jwks: { keys: [{ ...key.jwk, kid: key.kid, alg: demoAlgorithm, use: 'sig' } as JWK] },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    clients: [
      {
        client_id: demoClient.id,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        redirect_uris: ['localhost', '127.0.0.1'].flatMap((host) =>
          demoClient.paths.map((path) => `http://${host}${path}`),
        ),
        id_token_signed_response_alg: demoAlgorithm,
      },
    ],
    clientDefaults: { id_token_signed_response_alg: demoAlgorithm },
    enabledJWA: { idTokenSigningAlgValues: [demoAlgorithm] },
    responseTypes: ['code'],
    scopes: ['openid', 'profile'],
    claims: { openid: ['sub'], profile: ['name'] },
    pkce: { required: () => true },
    ttl: {
      AccessToken: demoTokenSeconds,
      AuthorizationCode: 60,
      Grant: demoTokenSeconds,
      IdToken: 3600,
      Interaction: 3600,
      Session: demoTokenSeconds,
    },
    interactions: { policy, url: (_ctx, { uid }) => `/demo/sign-in/${uid}` },
    findAccount: (_ctx, sub) => {
      const persona = people.get(sub);
      return persona && { accountId: sub, claims: () => ({ sub, name: persona.name }) };
    },
    async loadExistingGrant({ oidc }) {
      const grant = new oidc.provider.Grant({
        clientId: oidc.client!.clientId,
        accountId: oidc.session!.accountId!,
      });
      grant.addOIDCScope('openid profile');
      grant.addResourceScope(resource, '');
      await grant.save();
      return grant;
    },
    extraTokenClaims: ({ oidc }, token) => {
      const { sub: _subject, ...claims } = people.get('accountId' in token ? token.accountId : '')!;
      return { ...claims, auth_time: oidc.entities.AuthorizationCode?.authTime };
    },
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: demoTokenSeconds,
          jwt: { sign: { alg: demoAlgorithm } },
        }),
      },
    },
    renderError(ctx, { error, error_description }) {
      ctx.type = 'text';
      ctx.body = `${error}: ${error_description ?? ''}\n`;
    },
  };
  return new OidcProvider(issuer, configuration);
}

/** It warns of Node 20, on which it works: the newcomer can do nothing about it. */
async function quietly<T>(load: () => Promise<T>): Promise<T> {
  const { warn } = console;
  console.warn = (...words) => {
    if (!String(words[0]).includes('Unsupported runtime')) warn(...words);
  };
  try {
    return await load();
  } finally {
    console.warn = warn;
  }
}
