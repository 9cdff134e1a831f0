/**
 * What one FHIR R4 resource of an NHS system says in the hub's words. Pure: a row that waits can be tried again from
 * its `raw`. The mapping is described in `docs/formats/nhs-fhir.md`.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Problem, Submission } from '../../src/intake/submission.ts';
import { parseNhsNumber } from '../../src/platform/nhs-number.ts';
import { complaintOf } from './nhs-fhir-element.ts';
import { episodeOfCareSchema } from './nhs-fhir-eligibility.ts';
import { type Fact, idSchema, metaSchema } from './nhs-fhir-fact.ts';
import { accountSchema, paymentNoticeSchema } from './nhs-fhir-money.ts';
import { patientSchema, relatedPersonSchema } from './nhs-fhir-person.ts';
import { carePlanSchema, goalSchema, procedureSchema } from './nhs-fhir-plan.ts';

/** One resource gives a person, or a budget with the roles around it; or it gives one Problem and nothing else. */
export function toSubmissions(resource: unknown): (Submission | Problem)[] {
  const header = headerSchema.safeParse(resource).data;
  const resourceType = header?.resourceType ?? 'Resource';
  const id = header?.id ?? `unnamed-${hashOf(resource).slice(0, 16)}`;
  const row = {
    version: header?.meta?.versionId ?? header?.meta?.lastUpdated ?? hashOf(resource),
    raw: resource,
    // Systems that use the NHS number as id must not have it appear wherever a place is shown.
    place: `${resourceType}/${parseNhsNumber(id) ? '(NHS number)' : id}`,
  };
  const read = schemas[resourceType]?.safeParse(resource);
  if (read?.success) return read.data.map((fact) => ({ ...fact, ...row }));
  const complaint = read
    ? complaintOf(read.error.issues[0]!, resourceType, resource)
    : {
        code: 'RESOURCE_UNKNOWN',
        column: resourceType,
        found: 'a resource type outside the agreed feeds',
        advice: 'Send only the agreed resource types.',
      };
  return [{ kind: 'problem', externalId: `${resourceType}/${id}`, ...row, ...complaint }];
}

const hashOf = (resource: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(resource) ?? '')
    .digest('hex');

/** What can be had of any resource, however broken, so that it is known when it is sent again. */
const headerSchema = z.looseObject({
  resourceType: z
    .string()
    .regex(/^[A-Z][A-Za-z]{1,63}$/)
    .optional()
    .catch(undefined),
  id: idSchema.optional().catch(undefined),
  meta: metaSchema.optional().catch(undefined),
});

const schemas: Record<string, z.ZodType<Fact[]>> = {
  Patient: patientSchema,
  EpisodeOfCare: episodeOfCareSchema,
  RelatedPerson: relatedPersonSchema,
  Goal: goalSchema,
  CarePlan: carePlanSchema,
  Account: accountSchema,
  PaymentNotice: paymentNoticeSchema,
  Procedure: procedureSchema,
};
