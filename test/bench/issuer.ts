/** Who asks the hub in the benchmark. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { demoPublicKeys, demoToken, openDemoKey } from '../../src/demo/issuer.ts';
import { icb } from './data.ts';

export const audience = 'bench';
/** Of the hub's cursors, so that the benchmark can make some for any place of a list. */
export const cursorSecret = Buffer.from('bench');

export interface Asker {
  role: 'CARE_COORDINATOR' | 'FINANCE' | 'PROVIDER';
  organisation: string;
}

/** A sign-in of the bench's own, and tokens for people: of the board that knows everybody, where nobody else is named. */
export async function startIssuer(dataDir: string, role: Asker['role'], organisation = icb) {
  const key = await openDemoKey(dataDir);
  const server = createServer((req, res) => {
    const configuration = { issuer, jwks_uri: `${issuer}/jwks` };
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(req.url?.endsWith('/jwks') ? demoPublicKeys(key) : configuration));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sub = 'bench';
  const tokenOf = (sub: string) => {
    const persona = { sub, name: 'Bench', tandem_role: role, organisation };
    return demoToken(persona, { issuer, audience, key, now: new Date() });
  };
  return {
    issuer,
    token: await tokenOf(sub),
    tokenOf,
    subject: `${issuer}#${sub}`,
    stop: () =>
      new Promise((done) => {
        server.close(done);
        server.closeAllConnections();
      }),
  };
}
