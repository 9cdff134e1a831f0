/**
 * What a Client Level Data (CLD) file may say: its 50 headings and the values of its list columns. Release 2 values
 * pass as they are; Release 1 values, which councils still send, become the Release 2 value of the same meaning.
 * Matching is case-sensitive, as it is nationally. The data and their sources: `cld/PROVENANCE.md`.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import published from './cld/cld-values.json' with { type: 'json' };

interface Field {
  heading: string;
  module: string;
  type: string;
}

const fields: Field[] = parse(readFileSync(new URL('./cld/cld-fields.csv', import.meta.url)), {
  columns: true,
});

export const cldHeadings: readonly string[] = fields.map((field) => field.heading);
export const cldPersonHeadings: readonly string[] = fields
  .filter((field) => field.module === 'Person details')
  .map((field) => field.heading);
export const cldDateHeadings: readonly string[] = fields
  .filter((field) => field.type === 'date')
  .map((field) => field.heading);
export const cldListHeadings: readonly string[] = fields
  .filter((field) => field.type === 'list')
  .map((field) => field.heading);

/** Councils write `LA Code`, `la code` and, from a database, `LA_Code`: only letters and digits tell headings apart. */
const bare = (heading: string) => heading.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
const headingByBare = new Map(cldHeadings.map((heading) => [bare(heading), heading]));

/** The published heading that a file's heading stands for, or null. */
export const cldHeadingOf = (text: string): string | null => headingByBare.get(bare(text)) ?? null;

const lists: Record<string, Partial<Record<string, string | string[]>> | string> = published;

function listed(heading: string, release: string): string[] {
  const list = lists[heading];
  const values = typeof list === 'object' ? list[release] : undefined;
  return Array.isArray(values) ? values : [];
}

const ethnicityR2 = listed('Ethnicity', 'R1').map((value) =>
  value === 'No data - Undeclared or Not known'
    ? 'No data: Undeclared or not known'
    : value.replace(' - ', ': '),
);

/** Lists known whole. A column that is not here has a Release 2 list of which only a part, or nothing, is known. */
const releaseTwo = new Map(
  cldListHeadings
    .map((heading): [string, Set<string>] => [
      heading,
      new Set([
        ...listed(heading, 'R2'),
        ...listed(heading, 'R1_R2'),
        ...listed(heading, 'maybe'),
        ...(heading === 'Ethnicity' ? ethnicityR2 : []),
      ]),
    ])
    .filter(([, values]) => values.size > 0),
);

const inOrder = (from: string[], to: string[]) =>
  Object.fromEntries(from.map((value, i) => [value, to[i] ?? null]));

/** Null: Release 2 has no such value and the cell counts as blank. */
const releaseOne: Record<string, Record<string, string | null>> = {
  ...Object.fromEntries(
    ['Client Type', 'Primary Support Reason', 'Employment Status', 'Service Type'].map((heading) => [
      heading,
      inOrder(listed(heading, 'R1'), listed(heading, 'R2')),
    ]),
  ),
  Ethnicity: inOrder(listed('Ethnicity', 'R1'), ethnicityR2),
  'Accommodation Status': {
    Tenant: 'Tenant: Local authority or other social housing provider',
    'Tenant - private landlord': 'Tenant: Private landlord',
    'Settled mainstream housing with family / friends': 'Settled mainstream housing with family or friends',
    'Supported accommodation / supported lodgings / supported group home':
      'Supported accommodation, supported lodgings or supported group home',
    'Sheltered housing / extra care housing / other sheltered housing':
      'Sheltered housing, extra care housing or other sheltered housing',
    'Mobile accommodation for Gypsy / Roma and Traveller communities':
      'Mobile accommodation for Gypsy, Roma and Traveller communities',
    'Rough sleeper / squatting': 'Rough sleeper or squatting',
    'Night shelter / emergency hostel / direct access hostel':
      'Night shelter, emergency hostel or direct access hostel',
    'Staying with family / friends as a short-term guest':
      'Staying with family or friends as a short term guest',
    'Acute / long-term healthcare residential facility or hospital':
      'Acute hospital or long term healthcare residential facility',
    'Prison / Young offenders institution / detention centre':
      'Prison, young offenders institution or detention centre',
    'Unknown - Presumed at home': 'Unknown',
    'Unknown - Presumed in community': 'Unknown',
  },
  // Release 2 says nothing of NHS money: what is left is whether client and council pay.
  'Client Funding Status': {
    '18(3) (full cost client)': 'Fully client funded',
    'Joint Client and Social Care Funded': 'Joint client and social care funded',
    'Fully Social Care Funded': 'Fully social care funded',
    'Self-funder - Metering Only': 'Fully client funded',
    'Joint Health and Social Care Funded': 'Fully social care funded',
    'Fully Health Funded': 'Unknown',
    'Unknown - Individual Level': 'Unknown',
  },
  'Event Outcome': {
    'Progress to Reablement/ST-Max': 'Progress to reablement/ST-Max',
    'Progress to Assessment': 'Progress to assessment, review or reassessment',
    'Progress to Re-assessment / Unplanned Review': 'Progress to assessment, review or reassessment',
    'Progress to financial assessment': 'Progress to assessment, review or reassessment',
    'Progress to Support Planning / Services': 'Progress to support planning or services',
    'No change in package': 'Continuation of support or services',
    'Provision of service': 'Progress to support planning or services',
    'Progress to End of Life Care': 'Progress to support planning or services',
    'NFA - Moved to another LA': 'NFA: Responsibility moved to another local authority',
    'NFA - 100% NHS funded care': 'NFA: Referral to NHS services or NHS funded social care',
    'NFA - Self-funded client (Inc. 12wk disregard)': 'NFA: Self-funded client or under 12wk disregard',
    'NFA - Information & Advice / Signposting only': 'NFA: Information and advice or signposting',
    'NFA - Support declined': 'NFA: Support declined',
    'NFA - Deceased': 'NFA: Deceased',
    'Service ended as planned': 'NFA: Support ended as planned',
    'NFA - Support ended: Other reason': 'NFA: Support ended for other reason',
    'NFA - No services offered: Other reason': 'NFA: No services offered for other reason',
    'NFA- Other': 'NFA: Other',
  },
  'Assessment Type': {
    'Short Term Assessment': 'Short term assessment',
    'Long Term Assessment': 'Long term assessment',
  },
  'Service Component': {
    'Short Term Nursing Care': 'Short term nursing care',
    'Short Term Residential Care': 'Short term residential care',
    'Home Support': 'Home support or domiciliary care',
    'Direct Payment': 'Direct payment',
    'Community Supported Living': 'Community supported living',
    'Carer Respite': 'Unpaid carer respite',
  },
  // Release 1 itself says that metering only is never to be used.
  'Delivery Mechanism': {
    'Direct Payment': 'Direct payment',
    'CASSR Managed Personal Budget': 'CASSR managed personal budget',
    'CASSR Commissioned Support': 'CASSR commissioned support',
    'Self-Funder Metering Only': null,
  },
};

/** Longest text that a list column takes where its list is not known whole. */
const unlistedLengthMax = 200;

/** The Release 2 value of a list cell; null where it counts as blank; undefined where nothing is known of it. */
export function cldValueOf(heading: string, text: string): string | null | undefined {
  if (text === '') return null;
  const known = releaseTwo.get(heading);
  if (known?.has(text)) return text;
  const earlier = releaseOne[heading];
  if (earlier && Object.hasOwn(earlier, text)) return earlier[text];
  return known || text.length > unlistedLengthMax ? undefined : text;
}
