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

const below = (baseUrl: string, path: string) =>
  new URL(path, baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`).href;

/** `pageSize` is the rows asked for at a time. */
export function connectorsOf({ pageSize }: { pageSize: number }): Connectors {
  return {
    NHS_FHIR: nhsFeeds.map((name) => ({
      name,
      fetch: ({ baseUrl }, cursor, now) =>
        fetchNhsPage(baseUrl, name, (cursor as NhsCursor | null) ?? firstNhsCursor, { pageSize, now }),
    })),
    COUNCIL: [
      {
        name: 'cld',
        fetch: ({ baseUrl, organisationCode: laCode }, cursor, now) =>
          fetchCldPage(below(baseUrl, 'cld/'), cursor as CldCursor | null, { laCode, limit: pageSize, now }),
      },
      ...financeFeeds.map(
        (name): Feed => ({
          name,
          fetch: ({ baseUrl, organisationCode: laCode }, cursor, now) =>
            fetchFinancePage(below(baseUrl, 'finance/'), name, cursor as FinanceCursor | null, {
              laCode,
              limit: pageSize,
              now,
            }),
        }),
      ),
    ],
  };
}

/** As many rows at a time as keep one transaction well under a second. */
export const connectors = connectorsOf({ pageSize: 500 });
