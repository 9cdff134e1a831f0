/** The rows of the council's Client Level Data file: one for every event of every person whom the council knows. */
import type { Gender } from '../intake/submission.ts';
import { pounds } from './council-finance.ts';
import { type CouncilHalf, type Place, type PlacePerson, wenshire } from './place.ts';

/** The four whole quarters before the one that this day lies in. */
export function lastFourQuarters(today: Date): { from: string; to: string } {
  const quarter = Math.floor(today.getUTCMonth() / 3) * 3;
  const day = (date: number) => new Date(date).toISOString().slice(0, 10);
  return {
    from: day(Date.UTC(today.getUTCFullYear() - 1, quarter, 1)),
    to: day(Date.UTC(today.getUTCFullYear(), quarter, 0)),
  };
}

const genders: Record<Gender, string> = {
  FEMALE: 'Female',
  MALE: 'Male',
  OTHER: 'Other',
  UNKNOWN: 'Unknown',
};

/** A row of the file, Release 2 throughout; its keys, in order, are the 50 headings. */
function cldRow(person: PlacePerson, half: CouncilHalf, period: { from: string; to: string }) {
  return {
    'LA Code': wenshire.council.code as string,
    'Reporting Period Start Date': period.from,
    'Reporting Period End Date': period.to,
    'NHS Number': half.nhsNumber ?? '',
    'LA Person Unique Identifier': half.laPersonId,
    'First Name': half.givenName,
    'Last Name': half.familyName,
    'GP Practice Name': '',
    'GP Practice Code': '',
    Gender: genders[person.gender],
    Ethnicity: 'No data: Undeclared or not known',
    'Date of Birth': half.birthDate,
    'Date of Death': half.deathDate ?? '',
    'Client Type': half.clientType as string,
    'Primary Support Reason': half.primarySupportReason,
    Postcode: half.postcode,
    'Accommodation Status': 'Unknown',
    'Employment Status': 'Unknown',
    'Has Unpaid Carer': 'Unknown',
    'Autism Spectrum Disorder (ASD)': 'Unknown',
    'Visual Impairment': 'Unknown',
    'Hearing Impairment': 'Unknown',
    Dementia: half.dementia as string,
    'Client Funding Status': fundingStatus(half),
    'Event Type': '',
    'Event Reference': '',
    'Event Start Date': '',
    'Event End Date': '',
    'Event Description': '',
    'Event Outcome': '',
    'Request: Route of Access': '',
    'Assessment Type': '',
    'Eligible Needs Identified': '',
    'Method of Assessment': '',
    'Total Hrs Caring per week': '',
    'No. of adults being cared for': '',
    'Adult 1 Linked Person_ID': '',
    'Adult 2 Linked Person_ID': '',
    'Adult 3 Linked Person_ID': '',
    'Service Type': '',
    'Service Component': '',
    'Delivery Mechanism': '',
    'Provider CQC Location Name': '',
    'Provider CQC Location ID': '',
    'Review Reason': '',
    'Review Outcomes Achieved': '',
    'Method of Review': '',
    'Unit Cost': '',
    'Cost Frequency (Unit Type)': '',
    'Planned units per week': '',
  };
}

function fundingStatus({ budget }: CouncilHalf): string {
  if (!budget) return 'Unknown';
  return budget.contributionPence > 0n ? 'Joint client and social care funded' : 'Fully social care funded';
}

function eventsOf(half: CouncilHalf): Partial<ReturnType<typeof cldRow>>[] {
  const event = (
    type: string,
    { reference, from, to }: { reference: string; from: string; to: string | null },
  ) => ({
    'Event Type': type,
    'Event Reference': reference,
    'Event Start Date': from,
    'Event End Date': to ?? '',
  });
  return [
    ...half.requests.map((request) => ({ ...event('Request', request), 'Event Outcome': request.outcome })),
    ...half.assessments.map((assessment) => ({
      ...event('Assessment', assessment),
      'Event Outcome': assessment.outcome,
      'Assessment Type': assessment.type,
    })),
    ...half.services.map((service) => ({
      ...event('Service', service),
      'Service Type': service.type,
      'Service Component': service.component,
      'Delivery Mechanism': service.mechanism,
      'Provider CQC Location Name': service.providerName ?? '',
      'Provider CQC Location ID': service.providerCqcLocationId ?? '',
      'Unit Cost': pounds(service.unitCostPence),
      'Cost Frequency (Unit Type)': service.costFrequency,
      'Planned units per week': service.plannedUnitsPerWeek ?? '',
    })),
    ...half.reviews.map((review) => ({
      ...event('Review', review),
      'Event Outcome': review.outcome,
      'Review Reason': review.reason,
      'Review Outcomes Achieved': review.achieved,
      'Method of Review': review.method,
    })),
  ];
}

export function* cldLines(place: Place, period: { from: string; to: string }): Generator<string> {
  let headed = false;
  for (const person of place.people) {
    if (!person.council) continue;
    const row = cldRow(person, person.council, period);
    if (!headed) yield csvLine(Object.keys(row));
    headed = true;
    // One piece for one person: a write for every row would take twice the time.
    yield eventsOf(person.council)
      .map((event) => csvLine(Object.values({ ...row, ...event })))
      .join('');
  }
}

function csvLine(cells: string[]): string {
  return `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(',')}\r\n`;
}
