/**
 * How each kind of issuer says who somebody is, and what the hub believes of it. An issuer speaks for the organisations
 * and roles that its entry of the sign-in file names, and for no other: what it says beyond that makes no viewer.
 *
 * Sources of the claims' names: docs/sign-in.md.
 */
import { z } from 'zod';
import { odsCode, type Viewer, type ViewerRole, viewerOf, viewerRoles } from './viewer.ts';

const role = z.enum(viewerRoles);
/** What a claim says → the role. Where a token has several, the first named here counts. */
const roleTable = z.record(z.string().min(1), role).refine((table) => Object.keys(table).length > 0);
const organisations = z.array(odsCode).min(1);

/** An entry's `claims`. */
export const claimRules = z.discriminatedUnion('kind', [
  /** The hub's own names: `tandem_role`, `organisation`, `nhs_number`, `purpose`, `assurance`. */
  z.strictObject({ kind: z.literal('TANDEM'), roles: z.array(role).min(1), organisations }),
  /** NHS Care Identity Service 2. Codes are whole (`S8000:G8000:R8001`), or the last part of one. */
  z.strictObject({ kind: z.literal('NHS_CIS2'), roles: roleTable, organisations }),
  z.strictObject({ kind: z.literal('NHS_LOGIN'), role: z.enum(['PERSON', 'REPRESENTATIVE']) }),
  /** Microsoft Entra: app roles by value, groups by object id. */
  z.strictObject({ kind: z.literal('ENTRA'), tenant: z.guid(), roles: roleTable, organisation: odsCode }),
]);

type ClaimRules = z.infer<typeof claimRules>;
type Rules<Kind> = Extract<ClaimRules, { kind: Kind }>;

export type ReadViewer = (claims: Record<string, unknown>) => Viewer | null;

/** Makes a verified token's claims a viewer, or null where the issuer may not say that. */
export function reading(rules: ClaimRules): ReadViewer {
  return (claims) => {
    switch (rules.kind) {
      case 'TANDEM':
        return ofTandem(rules, claims);
      case 'NHS_CIS2':
        return ofCis2(rules, claims);
      case 'NHS_LOGIN':
        return ofNhsLogin(rules, claims);
      case 'ENTRA':
        return ofEntra(rules, claims);
    }
  };
}

/** The one issuer of a hub that has no other: it speaks for everybody. */
export const readingAll: ReadViewer = (claims) => viewerOf(tandemFacts(claims));

type Claims = Record<string, unknown>;

/** What OpenID Connect and OAuth say alike, whoever the issuer is. */
const commonFacts = (claims: Claims) => ({
  subject: subjectOf(claims, claims.sub),
  name: claims.name,
  client: claims.azp ?? claims.client_id ?? null,
  signedInAt: claims.auth_time,
});

/** Null, which makes no viewer, where the claim names nobody. */
const subjectOf = ({ iss }: Claims, id: unknown): string | null =>
  typeof id === 'string' && id.length > 0 && id.length <= 200 ? `${iss}#${id}` : null;

const tandemFacts = (claims: Claims) => ({
  ...commonFacts(claims),
  role: claims.tandem_role,
  organisation: claims.organisation,
  nhsNumber: claims.nhs_number,
  purpose: claims.purpose,
  assurance: claims.assurance,
});

function ofTandem(rules: Rules<'TANDEM'>, claims: Claims): Viewer | null {
  const viewer = viewerOf(tandemFacts(claims));
  if (viewer === null || !rules.roles.includes(viewer.role)) return null;
  return viewer.organisation === null || rules.organisations.includes(viewer.organisation) ? viewer : null;
}

const cis2Claims = z.object({
  nhsid_useruid: z.string().optional(),
  uid: z.string().optional(),
  sub: z.string(),
  selected_roleid: z.string().optional(),
  nhsid_nrbac_roles: z.array(
    z.object({ person_roleid: z.string(), org_code: z.string(), role_code: z.string() }),
  ),
});

/** Somebody may hold roles in many organisations: the one they chose counts, or the only one that is of use here. */
function ofCis2(rules: Rules<'NHS_CIS2'>, claims: Claims): Viewer | null {
  const { success, data } = cis2Claims.safeParse(claims);
  if (!success) return null;
  const usable = data.nhsid_nrbac_roles.flatMap((held) => {
    const known = roleOfCode(rules.roles, held.role_code);
    const isOurs = known !== undefined && rules.organisations.includes(held.org_code);
    const isChosen = data.selected_roleid === undefined || data.selected_roleid === held.person_roleid;
    return isOurs && isChosen ? [{ role: known, organisation: held.org_code }] : [];
  });
  const [acting, another] = usable;
  if (acting === undefined || another !== undefined) return null;
  return viewerOf({
    ...commonFacts(claims),
    subject: subjectOf(claims, data.nhsid_useruid ?? data.uid ?? data.sub),
    ...acting,
  });
}

const roleOfCode = (table: Record<string, ViewerRole>, code: string): ViewerRole | undefined =>
  table[code] ?? table[code.split(':').at(-1)!];

const nhsLoginClaims = z.object({
  nhs_number: z.string(),
  identity_proofing_level: z.literal('P9'),
  given_name: z.string().optional(),
  family_name: z.string().optional(),
  vot: z.string().optional(),
});

/** Below P9 nobody has looked whether the NHS number is theirs. */
function ofNhsLogin({ role }: Rules<'NHS_LOGIN'>, claims: Claims): Viewer | null {
  const { success, data } = nhsLoginClaims.safeParse(claims);
  if (!success) return null;
  const name = [data.given_name, data.family_name].filter(Boolean).join(' ');
  return viewerOf({
    ...commonFacts(claims),
    name: name === '' ? null : name,
    role,
    nhsNumber: data.nhs_number.replaceAll(' ', ''),
    assurance: assuranceOf(data.vot),
  });
}

/**
 * Of a vector of trust (RFC 8485), such as `P9.Cp.Cd`: high is whoever was looked at (P9) and came in with a key of a
 * device (Cm, Ck), or with a password on a known device (Cp and Cd).
 */
function assuranceOf(vector: string | undefined): Viewer['assurance'] {
  const parts = new Set(vector?.split('.'));
  const isStrong = parts.has('Cm') || parts.has('Ck') || (parts.has('Cp') && parts.has('Cd'));
  return parts.has('P9') && isStrong ? 'HIGH' : 'LOW';
}

const entraClaims = z.object({
  oid: z.string(),
  tid: z.string(),
  roles: z.array(z.string()).default([]),
  groups: z.array(z.string()).default([]),
});

/** A tenant is one council. `oid` is the same whichever application asks; `sub` is another for each. */
function ofEntra(rules: Rules<'ENTRA'>, claims: Claims): Viewer | null {
  const { success, data } = entraClaims.safeParse(claims);
  if (!success || data.tid !== rules.tenant) return null;
  const held = new Set([...data.roles, ...data.groups]);
  const acting = Object.entries(rules.roles).find(([name]) => held.has(name));
  if (acting === undefined) return null;
  return viewerOf({
    ...commonFacts(claims),
    subject: subjectOf(claims, data.oid),
    client: claims.azp ?? claims.appid ?? null,
    role: acting[1],
    organisation: rules.organisation,
  });
}
