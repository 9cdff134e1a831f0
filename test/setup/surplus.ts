import type { TestHub } from './hub.ts';

export const nhsFinance = { sub: 'fay', name: 'Fay', tandem_role: 'FINANCE', organisation: 'QWN' };
export const nhsFinanceToo = { sub: 'gus', name: 'Gus', tandem_role: 'FINANCE', organisation: 'QWN' };
export const councilFinance = { sub: 'hal', name: 'Hal', tandem_role: 'FINANCE', organisation: '999' };
export const councilFinanceToo = { sub: 'ida', name: 'Ida', tandem_role: 'FINANCE', organisation: '999' };

/** What the two commissioners of the made-up place say of their money from 2020 on. */
export async function sayPolicies(kit: TestHub, values: Record<string, unknown>): Promise<void> {
  const said = { effective_from: '2020-01-01', citation: 'wenshire.example/policy', ...values };
  const names = Object.keys(said);
  await kit.database.pool.query(
    `insert into commissioner_policy (organisation_id, source, ${names.join(', ')})
     select o.id, f.source::funding_source, ${names.map((_, n) => `$${n + 1}`).join(', ')}
       from (values ('QWN', 'ICB'), ('999', 'COUNCIL')) as f(code, source) join organisation o on o.ods_code = f.code
     on conflict (organisation_id, source, effective_from) do update
       set ${names.map((name) => `${name} = excluded.${name}`).join(', ')}`,
    Object.values(said),
  );
}

export const pence = ({ amount }: { amount: string }) => BigInt(amount.replace('.', ''));
