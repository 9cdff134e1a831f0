/** The sections of the plan that are words for people, in the shape of the PRSB personalised care and support plan. */
import type { PlanSection } from '../generated/prisma/enums.ts';

/** A column of `plan_item` that holds words, or the name of a kind. */
type WordColumn = 'text' | 'kind' | 'who' | 'procedure' | 'reference';

interface Section {
  section: PlanSection;
  /** The type of its entries. */
  type: string;
  /** Where each field of an entry is kept, in the API's answers as in its inputs. */
  columns: Record<string, WordColumn | 'on_day'>;
}

export const sections = {
  strengths: { section: 'STRENGTH', type: 'PlanStrength', columns: { what: 'text' } },
  actions: {
    section: 'ACTION',
    type: 'PlanAction',
    columns: { what: 'text', who: 'who', dueOn: 'on_day' },
  },
  contingencies: {
    section: 'CONTINGENCY',
    type: 'PlanContingency',
    columns: { what: 'text', steps: 'procedure', who: 'who' },
  },
  risks: {
    section: 'RISK',
    type: 'PlanRisk',
    columns: { kind: 'kind', what: 'text', procedure: 'procedure', agreedWith: 'who' },
  },
  training: {
    section: 'TRAINING',
    type: 'PlanTraining',
    columns: { what: 'text', who: 'who', dueOn: 'on_day' },
  },
  assets: { section: 'ASSET', type: 'PlanAsset', columns: { kind: 'kind', what: 'text', who: 'who' } },
  documents: {
    section: 'DOCUMENT',
    type: 'PlanDocument',
    columns: { title: 'text', keptAt: 'reference', dated: 'on_day' },
  },
  legal: {
    section: 'LEGAL',
    type: 'PlanLegalInformation',
    columns: { kind: 'kind', what: 'text', who: 'who', dated: 'on_day', keptAt: 'reference' },
  },
} satisfies Record<string, Section>;

export type SectionName = keyof typeof sections;

export const sectionNames = Object.keys(sections) as SectionName[];
