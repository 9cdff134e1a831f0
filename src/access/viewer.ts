/** Who is asking. Taken from the token alone; for whom they may ask is decided in the statement (`policy.ts`). */
import { z } from 'zod';

export const viewerRoles = [
  'CARE_COORDINATOR',
  'SOCIAL_WORKER',
  'PROVIDER',
  'PERSON',
  'REPRESENTATIVE',
  'FINANCE',
  'AUDITOR',
  'PRIVACY_OFFICER',
  'ADMIN',
] as const;

export type ViewerRole = (typeof viewerRoles)[number];

export interface Viewer {
  /** Issuer and subject of the token, as one string: who it is, everywhere and for ever. */
  subject: string;
  name: string | null;
  role: ViewerRole;
  /** ODS code of the organisation they act for. */
  organisation: string | null;
  /** NHS number that the sign-in has verified, for a person or their representative. */
  nhsNumber: string | null;
  /** The client application they use, as the issuer names it. */
  client: string | null;
}

const organisationRoles = new Set<ViewerRole>(['CARE_COORDINATOR', 'SOCIAL_WORKER', 'PROVIDER', 'FINANCE']);

/** The claims the hub reads. Whoever acts for an organisation needs one, whoever acts for themself an NHS number. */
const claims = z
  .object({
    iss: z.string().min(1),
    sub: z.string().min(1).max(200),
    azp: z.string().min(1).max(200).optional(),
    name: z.string().max(200).optional(),
    tandem_role: z.enum(viewerRoles),
    organisation: z
      .string()
      .regex(/^[A-Z0-9]{3,10}$/)
      .optional(),
    nhs_number: z
      .string()
      .regex(/^\d{10}$/)
      .optional(),
  })
  .refine((c) => !organisationRoles.has(c.tandem_role) || c.organisation !== undefined)
  .refine((c) => !['PERSON', 'REPRESENTATIVE'].includes(c.tandem_role) || c.nhs_number !== undefined);

/** The viewer that a verified token stands for, or null when its claims do not make one. */
export function viewerOf(payload: unknown): Viewer | null {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) return null;
  const { iss, sub, azp, name, tandem_role, organisation, nhs_number } = parsed.data;
  return {
    subject: `${iss}#${sub}`,
    name: name ?? null,
    role: tandem_role,
    organisation: organisation ?? null,
    nhsNumber: nhs_number ?? null,
    client: azp ?? null,
  };
}
