/**
 * Follows an NHS system that speaks FHIR R4: each feed is a resource type, read in the order in which its resources
 * changed, from where the last run ended. What the resources mean is in `nhs-fhir-resource.ts`, and for whoever runs
 * such a system in `docs/formats/nhs-fhir.md`.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { arriving, ask } from './answer.ts';
import { toSubmissions } from './nhs-fhir-resource.ts';
import { type Page, SourceFault } from './page.ts';

/** In this order, whoever and whatever a row points to has come before it. */
export const nhsFeeds = [
  'Patient',
  'EpisodeOfCare',
  'RelatedPerson',
  'Goal',
  'CarePlan',
  'Account',
  'PaymentNotice',
  'Procedure',
] as const;
export type NhsFeed = (typeof nhsFeeds)[number];

/** Where one feed stands; kept as JSON. */
export interface NhsCursor {
  /** The run asks for what was updated at or after this instant; null asks for everything. */
  since: string | null;
  /** The page to go on with; null starts a run. */
  next: string | null;
  /** The latest update seen in this run, where the next run will start. */
  maxSeen: string | null;
}

export const firstNhsCursor: NhsCursor = { since: null, next: null, maxSeen: null };

export interface NhsAsking {
  pageSize?: number;
  timeoutMs?: number;
  now?: () => Date;
}

/**
 * One page of a feed. Either the whole page is usable, with its faulty rows as Problems, or a SourceFault is thrown
 * and the cursor stays where it was.
 */
export async function fetchNhsPage(
  baseUrl: string,
  feed: NhsFeed,
  cursor: NhsCursor,
  asking: NhsAsking = {},
): Promise<Page<NhsCursor>> {
  const url = new URL(cursor.next ?? firstUrl(baseUrl, feed, cursor.since, asking.pageSize ?? 100));
  // A cursor is stored, and what is stored can be tampered with: we ask nobody but the source.
  if (url.origin !== new URL(baseUrl).origin) throw invalid('Next page is on another host');
  let bundle: Bundle;
  try {
    bundle = await fetchBundle(url, asking);
  } catch (error) {
    if (!isExpired(error) || cursor.next === null || cursor.maxSeen === cursor.since) throw error;
    // The source has forgotten its pages, as after a restart. All up to maxSeen is applied: go on from there.
    return { rows: [], cursor: { ...cursor, since: cursor.maxSeen, next: null }, done: false, total: null };
  }
  const resources = bundle.entry
    .filter((entry) => entry.search?.mode !== 'outcome')
    .map((entry) => entry.resource);
  const maxSeen = latest(resources, cursor.maxSeen);
  const next = bundle.link.find((link) => link.relation === 'next')?.url;
  const nextUrl = next === undefined ? null : new URL(next, url);
  if (nextUrl && nextUrl.origin !== url.origin) throw invalid('Next page is on another host');
  if (nextUrl?.href === url.href) throw invalid('Next page is the same page');
  return {
    rows: resources.flatMap(toSubmissions),
    cursor: nextUrl
      ? { since: cursor.since, next: nextUrl.href, maxSeen }
      : { since: maxSeen ?? cursor.since, next: null, maxSeen: null },
    done: nextUrl === null,
    total: bundle.total ?? null,
  };
}

function firstUrl(baseUrl: string, feed: NhsFeed, since: string | null, pageSize: number): string {
  const query = new URLSearchParams({ _sort: '_lastUpdated', _count: String(pageSize) });
  if (since !== null) query.set('_lastUpdated', `ge${since}`);
  return `${baseUrl}/${feed}?${query}`;
}

const mediaType = 'application/fhir+json';

const bundleSchema = z.looseObject({
  resourceType: z.literal('Bundle'),
  type: z.literal('searchset'),
  total: z.number().int().nonnegative().optional(),
  link: z.array(z.looseObject({ relation: z.string(), url: z.string() })).default([]),
  entry: z
    .array(
      z.looseObject({
        resource: z.looseObject({}),
        search: z.looseObject({ mode: z.string().optional() }).optional(),
      }),
    )
    .default([]),
});
type Bundle = z.infer<typeof bundleSchema>;

async function fetchBundle(url: URL, { timeoutMs, now }: NhsAsking): Promise<Bundle> {
  const headers = { 'X-Request-ID': randomUUID() };
  const answer = await ask(url, { accept: mediaType, headers, timeoutMs, now });
  const text = await arriving(answer.text());
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw invalid('Answer is not whole JSON');
  }
  const bundle = bundleSchema.safeParse(body);
  if (!bundle.success) throw invalid('Answer is not a searchset Bundle');
  return bundle.data;
}

const invalid = (message: string): SourceFault => new SourceFault('SOURCE_ANSWER_INVALID', message);

/** Servers answer any of these for a page that they no longer keep. */
const isExpired = (error: unknown): boolean =>
  error instanceof SourceFault && /status (400|404|410)$/.test(error.message);

const instantSchema = z.looseObject({
  meta: z.looseObject({ lastUpdated: z.iso.datetime({ offset: true }) }),
});

/**
 * The latest update among these, which must not be earlier than those before: a source that ignores `_sort` would
 * make us believe that we have seen everything up to a time when we have not.
 */
function latest(resources: unknown[], before: string | null): string | null {
  let max = before;
  for (const resource of resources) {
    const read = instantSchema.safeParse(resource);
    if (!read.success) continue;
    const { lastUpdated } = read.data.meta;
    if (max !== null && Date.parse(lastUpdated) < Date.parse(max))
      throw invalid('Page is not sorted as asked');
    max = lastUpdated;
  }
  return max;
}
