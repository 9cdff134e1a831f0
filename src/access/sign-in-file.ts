/** The sign-in file: whose tokens the hub accepts, and what it believes of each issuer. Described in docs/sign-in.md. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { claimRules, reading } from './claims.ts';
import { algorithms, type Issuer } from './sign-in.ts';

const here = ['localhost', '127.0.0.1', '[::1]'];

const address = z.string().refine((text) => {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  if (username || password || search || hash) return false;
  return protocol === 'https:' || (protocol === 'http:' && here.includes(hostname));
}, 'an https:// address without user, query or fragment (http:// on this machine only)');

const shape = z.strictObject({
  issuers: z
    .array(
      z.strictObject({
        url: address,
        audience: z.string().min(1),
        algorithms: z.array(z.enum(algorithms)).min(1),
        userInfo: z.boolean().default(false),
        claims: claimRules,
      }),
    )
    .min(1)
    .superRefine((issuers, context) => {
      const seen = new Set<string>();
      for (const [index, { url, audience }] of issuers.entries()) {
        const key = JSON.stringify([url, audience]);
        if (seen.has(key))
          context.addIssue({
            code: 'custom',
            path: [index],
            message: 'stands there twice for this audience',
          });
        seen.add(key);
      }
    }),
});

type SignInFile = { issuers: Issuer[]; problems?: never } | { issuers?: never; problems: string[] };

/** The issuers, or every problem of the file at once, one a line. No problem repeats a value of the file. */
export async function readSignInFile(path: string): Promise<SignInFile> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read';
    return { problems: [`SIGN_IN_FILE: the file ${why}`] };
  }
  const { data, error } = shape.safeParse(content);
  if (error !== undefined) {
    return { problems: error.issues.map(({ path, message }) => `SIGN_IN_FILE: ${place(path)}${message}`) };
  }
  return { issuers: data.issuers.map(({ claims, ...issuer }) => ({ ...issuer, viewerOf: reading(claims) })) };
}

/** `issuers[1].claims.roles: `. A key may be a value of theirs, such as the id of a group, and tells no secret. */
const place = (path: PropertyKey[]): string => {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text === '' ? '' : `${text.slice(1)}: `;
};
