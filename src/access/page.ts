/** The policy table as people read it: `docs/access.md`. `npm run access-page` writes it. */

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commands, fields, type Kind, kinds, type Part, parts } from './table.ts';
import { isOfProvider } from './viewer.ts';

const called: Record<Kind, string> = {
  CARE_COORDINATOR: 'NHS team',
  SOCIAL_WORKER: 'council team',
  PROVIDER: 'provider: administrator',
  PROVIDER_WORKER: 'provider: worker',
  PROVIDER_FINANCE: 'provider: finance',
  FINANCE: 'finance',
  PERSON: 'the person',
  REPRESENTATIVE: 'representative',
  AUDITOR: 'auditor',
  PRIVACY_OFFICER: 'privacy officer',
  ADMIN: 'administrator',
  EMERGENCY: 'in an emergency',
};

const authorityWords = { CARE: 'over care', MONEY: 'over money', ANY: 'yes' };

function cell(part: Part, kind: Kind): string {
  const { authority } = parts[part];
  if (!(parts[part].kinds as readonly Kind[]).includes(kind)) return '';
  if (isOfProvider(kind) && 'byOperator' in parts[part]) return 'as operator';
  if ('afterwards' in parts[part]) return 'afterwards';
  return kind === 'REPRESENTATIVE' ? authorityWords[authority] : 'yes';
}

const row = (cells: string[]) => `| ${cells.join(' | ')} |`;

const table = (head: string[], rows: string[][]) =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

const byKind = (firsts: string[], cells: (kind: Kind) => string[]) =>
  table(
    ['', ...kinds.map((kind) => called[kind])],
    firsts.map((first, n) => [first, ...kinds.map((kind) => cells(kind)[n]!)]),
  );

const partNames = Object.keys(parts) as Part[];

/** The page, as Markdown. */
export function accessPage(): string {
  const words = (names: string) =>
    names
      .split(/\s+/)
      .map((name) => `\`${name}\``)
      .join(' ');
  return `# Who sees what, who does what

This page is made of [\`src/access/table.ts\`](../src/access/table.ts), which the hub itself decides by:
\`npm run access-page\` writes it anew, and a test holds the two together. A field or a command that is not here is
refused to everybody: the hub does not start with one.

Whom somebody sees at all is decided person by person, in the statement that reads:

- **a team, finance or a provider**: people for whom their organisation has a role on the record that is live today and
  not suspended, as long as they work for it;
- **the person**: themself, by the NHS number that their sign-in has verified;
- **a representative**: whom they represent today, as attorney, deputy, nominee or representative. Being family is none;
- **in an emergency**: the record that they opened by \`openEmergencyAccess\`, for an hour, through \`emergencyRecord\` alone;
- **auditors, privacy officers, administrators**: nobody.

What they do not see looks like what does not exist. What of a record is hidden from somebody who does see the person is
\`null\`: \`extensions.restricted\` of the answer lists such fields by their path, and \`Person.withheld\` says for each part
why.

## The parts of a record, and who reads them

${byKind(
  partNames.map((part) => `**${part}**`),
  (kind) => partNames.map((part) => cell(part, kind)),
)}

For a representative, the authority that a part asks for: over care (attorney for health and welfare, deputy,
representative), over money (attorney for property and finance, deputy, nominee, representative), or any of them. As
operator: a provider that operates an account of the person's today. Afterwards: a provider that operated one, through
\`keptRecords\` alone.

${partNames
  .map((part) => {
    const { says, choice } = parts[part];
    const kept =
      choice === null
        ? ''
        : ` The person can keep one side's from the other (\`${choice}\` of \`recordSharingChoice\`).`;
    return `- **${part}**: ${says}${kept}`;
  })
  .join('\n')}

## Which fields are in which part

${table(
  ['type', 'part', 'fields'],
  Object.entries(fields).flatMap(([type, byPart]) =>
    Object.entries(byPart).map(([part, names], n) => [n === 0 ? `\`${type}\`` : '', part, words(names)]),
  ),
)}

## Who may give which command

Whom a command may concern follows from whom they see; a representative must have the authority that it asks for.

${byKind(
  Object.keys(commands).map((name) => `\`${name}\``),
  (kind) => Object.values(commands).map((roles) => ((roles as readonly Kind[]).includes(kind) ? 'yes' : '')),
)}
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('../../docs/access.md', import.meta.url), accessPage());
}
