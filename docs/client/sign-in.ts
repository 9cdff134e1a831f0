/** Signs in as a system, by a JWT signed with its own key: `docs/sign-in.md`, "Systems". */
import { readFile } from 'node:fs/promises';
import { importPKCS8, SignJWT } from 'jose';

export interface SignInOptions {
  /** Where the hub answers, without a slash at its end. */
  hubUrl: string;
  /** Where the hub says that it is found: its `PUBLIC_URL`, which its assertions must name. */
  publicUrl: string;
  clientId: string;
  /** A private key in PKCS #8; the operator of the hub has registered the public one. */
  keyFile: string;
}

/** Gives a token that is good for a while yet: the one it has, or a new one. */
export async function openSignIn({ hubUrl, publicUrl, clientId, keyFile }: SignInOptions) {
  const key = await importPKCS8(await readFile(keyFile, 'utf8'), 'RS512');
  let known: { token: string; until: number } | undefined;

  return async function token(): Promise<string> {
    if (known !== undefined && Date.now() < known.until) return known.token;
    const now = Math.floor(Date.now() / 1000);
    const assertion = await new SignJWT()
      .setProtectedHeader({ alg: 'RS512' })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(`${publicUrl}/oauth/token`)
      .setJti(crypto.randomUUID())
      .setExpirationTime(now + 240)
      .sign(key);
    const response = await fetch(`${hubUrl}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: assertion,
      }),
    });
    const answer = (await response.json()) as { access_token: string; expires_in: number; error?: string };
    if (!response.ok) throw new Error(`The hub does not let us in: ${answer.error}`);
    // A minute before its end, so that none ends on its way.
    known = { token: answer.access_token, until: Date.now() + (answer.expires_in - 60) * 1000 };
    return known.token;
  };
}
