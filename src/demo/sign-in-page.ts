/** The login page of the demo: one button for each of its people. It needs no script. */
import { createHash } from 'node:crypto';
import type { Persona } from './issuer.ts';

const style = `
body { font: 1.125rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 2rem auto; padding: 0 1rem; color: #212b32; background: #fff }
ul { list-style: none; padding: 0 }
li { margin: 0 0 .5rem }
button { font: inherit; width: 100%; text-align: left; padding: .75rem 1rem; border: 2px solid #005eb8; border-radius: 4px; background: #fff; color: #005eb8; cursor: pointer }
button:hover, button:focus-visible { background: #005eb8; color: #fff; outline: 4px solid #ffeb3b }
`;

/** Nothing but its own style, and forms that go to this machine: the way back leads to a port of it. */
export const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
    "form-action 'self' http://localhost:* http://127.0.0.1:*",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

/** `personas` by the name under which they sign in; null where nobody is signing in here. */
export function signInPage(personas: Record<string, Persona> | null): string {
  return `<!doctype html>
<html lang="en-GB">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign in to the demo – Tandem</title><style>${style}</style></head>
<body><main>
${personas === null ? lost : listOf(personas)}
</main></body>
</html>
`;
}

const lost = `<h1>This sign-in is over</h1>
<p>It was used, or too long ago. Go back to where you came from, and sign in from there.</p>`;

const listOf = (personas: Record<string, Persona>) => `<h1>Who are you today?</h1>
<p>Everybody here is made up. Choose one to see Tandem as they see it.</p>
<form method="post"><ul>
${Object.entries(personas)
  .map(
    ([name, persona]) =>
      `<li><button name="name" value="${plain(name)}">${plain(persona.name)}, ${plain(name.replaceAll('-', ' '))}</button></li>`,
  )
  .join('\n')}
</ul></form>`;

const plain = (text: string) => text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
