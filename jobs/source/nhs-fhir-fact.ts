/** What every resource has, and what it is turned into. */
import { z } from 'zod';
import type { Submission } from '../../src/intake/submission.ts';

/** A submission before it is said which row it came from. */
export type Fact = Submission extends infer S
  ? S extends Submission
    ? Omit<S, 'version' | 'raw' | 'place'>
    : never
  : never;

export const idSchema = z.string().regex(/^[A-Za-z0-9.-]{1,64}$/);
// Without a version or an instant, a hash of the content tells one version from another.
export const metaSchema = z.looseObject({
  versionId: z.string().optional().catch(undefined),
  lastUpdated: z.string().optional().catch(undefined),
});

export const base = { id: idSchema, meta: metaSchema.optional() };
