/** The made-up place as a whole: its people, and the two systems that hold their records. */
import { startCouncilSystem } from './council-system.ts';
import type { Faults } from './fault.ts';
import { startNhsSystem } from './nhs-system.ts';
import { makePlace, wenshire } from './place.ts';

interface DemoOptions {
  /** The day in Europe/London. */
  today: string;
  now: () => Date;
  /** Ports of the NHS side and the council side; 0 takes any. */
  ports: { nhs: number; council: number };
  size?: number;
  faults?: { nhs: Faults; council: Faults };
  /** Folder in which the council also leaves its files. */
  dropDir?: string;
}

export async function startDemo({ today, now, ports, size, faults, dropDir }: DemoOptions) {
  const place = makePlace({ today, ...(size === undefined ? {} : { size }) });
  const nhs = await startNhsSystem({ place, port: ports.nhs, now, faults: faults?.nhs ?? [] });
  const council = await startCouncilSystem({
    place,
    port: ports.council,
    now,
    faults: faults?.council ?? [],
    ...(dropDir === undefined ? {} : { dropDir }),
  }).catch(async (error) => {
    await nhs.close();
    throw error;
  });
  return {
    place,
    nhs,
    council,
    /** As the hub keeps them. */
    sources: [
      {
        code: 'wenshire-nhs',
        name: 'Wenshire personal health budgets',
        kind: 'NHS_FHIR',
        organisationCode: wenshire.icb.code,
        baseUrl: nhs.url,
        everySeconds: 60,
        demo: true,
      },
      {
        code: 'wenshire-council',
        name: 'Wenshire adult social care',
        kind: 'COUNCIL',
        organisationCode: wenshire.council.code,
        baseUrl: council.url,
        everySeconds: 60,
        demo: true,
      },
    ] as const,
    organisations: [
      { kind: 'ICB', ...wenshire.icb },
      { kind: 'COUNCIL', ...wenshire.council },
      { kind: 'PROVIDER', ...wenshire.charity },
      { kind: 'PROVIDER', ...wenshire.fundHolder },
    ] as const,
    async close() {
      await Promise.all([nhs.close(), council.close()]);
    },
  };
}
