/** The feeds of each kind of source, in the order in which they are read: people first. */
import type { SyncSource } from '../src/intake/run.ts';
import { type CldCursor, fetchCldPage } from './source/council-cld.ts';
import { type FinanceCursor, fetchFinancePage, financeFeeds } from './source/council-finance.ts';
import { fetchNhsPage, firstNhsCursor, type NhsCursor, nhsFeeds } from './source/nhs-fhir.ts';
import type { Page } from './source/page.ts';

export interface Feed {
  name: string;
  /** `cursor` is what the page before gave, as JSON brings it back; null before the first. */
  fetch(source: SyncSource, cursor: unknown, now: () => Date): Promise<Page<unknown>>;
}

export type Connectors = Record<SyncSource['kind'], Feed[]>;

/** Rows are asked for in pages that keep one transaction under about a second. */
const pageSize = 500;

const below = (baseUrl: string, path: string) =>
  new URL(path, baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`).href;

export const connectors: Connectors = {
  NHS_FHIR: nhsFeeds.map((name) => ({
    name,
    fetch: ({ baseUrl }, cursor, now) =>
      fetchNhsPage(baseUrl, name, (cursor as NhsCursor | null) ?? firstNhsCursor, { pageSize, now }),
  })),
  COUNCIL: [
    {
      name: 'cld',
      fetch: ({ baseUrl, organisationCode }, cursor, now) =>
        fetchCldPage(below(baseUrl, 'cld/'), cursor as CldCursor | null, {
          laCode: organisationCode,
          limit: pageSize,
          now,
        }),
    },
    ...financeFeeds.map((name) => ({
      name,
      fetch: ({ baseUrl, organisationCode }: SyncSource, cursor: unknown, now: () => Date) =>
        fetchFinancePage(below(baseUrl, 'finance/'), name, cursor as FinanceCursor | null, {
          laCode: organisationCode,
          limit: pageSize,
          now,
        }),
    })),
  ],
};
