/** Who is asking. Taken from the token alone; for whom they may ask is decided in the statement (`policy.ts`). */
import { z } from 'zod';

export const viewerRoles = [
  'CARE_COORDINATOR',
  'SOCIAL_WORKER',
  'PROVIDER',
  'PROVIDER_WORKER',
  'PROVIDER_FINANCE',
  'PERSON',
  'REPRESENTATIVE',
  'FINANCE',
  'AUDITOR',
  'PRIVACY_OFFICER',
  'ADMIN',
] as const;

export type ViewerRole = (typeof viewerRoles)[number];

const assurances = ['LOW', 'MEDIUM', 'HIGH'] as const;

/** What each role may be at work for. The first is meant where the token does not say. */
const purposes = {
  CARE_COORDINATOR: ['DIRECT_CARE', 'COMMISSIONING'],
  SOCIAL_WORKER: ['DIRECT_CARE', 'COMMISSIONING'],
  PROVIDER: ['DIRECT_CARE'],
  PROVIDER_WORKER: ['DIRECT_CARE'],
  PROVIDER_FINANCE: ['DIRECT_CARE'],
  FINANCE: ['COMMISSIONING'],
  PERSON: ['OWN_CARE'],
  REPRESENTATIVE: ['OWN_CARE'],
  AUDITOR: ['OVERSIGHT'],
  PRIVACY_OFFICER: ['OVERSIGHT'],
  ADMIN: ['OPERATION'],
} as const satisfies Record<ViewerRole, readonly string[]>;

export interface Viewer {
  /** Issuer and subject of the token, as one string: who it is, everywhere and for ever. */
  subject: string;
  name: string | null;
  role: ViewerRole;
  /** ODS code of the organisation they act for. */
  organisation: string | null;
  /** NHS number that the sign-in has verified, for a person or their representative. */
  nhsNumber: string | null;
  /** The application that asks, as the issuer knows it. */
  client: string | null;
  purpose: (typeof purposes)[ViewerRole][number];
  /** When they proved who they are; null where the token does not tell. A renewed token does not change it. */
  signedInAt: Date | null;
  /** How surely the sign-in knows who they are; null where it does not tell. */
  assurance: (typeof assurances)[number] | null;
}

const providerRoles: readonly ViewerRole[] = ['PROVIDER', 'PROVIDER_WORKER', 'PROVIDER_FINANCE'];
const organisationRoles: readonly ViewerRole[] = [
  'CARE_COORDINATOR',
  'SOCIAL_WORKER',
  ...providerRoles,
  'FINANCE',
];

/** They work for a provider: in its administration, with the families, or in its finance. */
export const isOfProvider = (role: string): boolean => (providerRoles as readonly string[]).includes(role);

/** They act for an organisation, and see whom it has to do with. */
export const isOfOrganisation = (role: ViewerRole): boolean => organisationRoles.includes(role);

const purposesOf = (role: ViewerRole): readonly string[] => purposes[role];

export const odsCode = z.string().regex(/^[A-Z0-9]{3,10}$/);

/** Whoever acts for an organisation needs one, whoever acts for themself an NHS number. */
const shape = z
  .object({
    subject: z.string().min(1).max(500),
    name: z.string().max(200).nullish(),
    role: z.enum(viewerRoles),
    organisation: odsCode.nullish(),
    nhsNumber: z
      .string()
      .regex(/^\d{10}$/)
      .nullish(),
    client: z.string().min(1).max(200).nullish(),
    purpose: z.string().nullish(),
    /** Seconds since 1970, as `auth_time` has it. */
    signedInAt: z.number().int().positive().nullish(),
    assurance: z.enum(assurances).nullish(),
  })
  .refine((v) => !isOfOrganisation(v.role) || v.organisation != null)
  .refine((v) => !['PERSON', 'REPRESENTATIVE'].includes(v.role) || v.nhsNumber != null)
  .refine((v) => v.purpose == null || purposesOf(v.role).includes(v.purpose));

/** The viewer that these facts make, or null when they do not make one. */
export function viewerOf(facts: unknown): Viewer | null {
  const { success, data } = shape.safeParse(facts);
  if (!success) return null;
  return {
    subject: data.subject,
    name: data.name ?? null,
    role: data.role,
    organisation: data.organisation ?? null,
    nhsNumber: data.nhsNumber ?? null,
    client: data.client ?? null,
    purpose: (data.purpose as Viewer['purpose'] | undefined) ?? purposes[data.role][0],
    signedInAt: data.signedInAt == null ? null : new Date(data.signedInAt * 1000),
    assurance: data.assurance ?? null,
  };
}
