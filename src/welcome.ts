/** What a newcomer is told once the demo runs: what to try, and as whom. */
import { demoIssuerUrl, demoToken, openDemoKey } from './demo/issuer.ts';
import { type PersonaName, personas } from './demo/persona.ts';
import { founding, type Place } from './demo/place.ts';

interface Welcome {
  say: (line: string) => void;
  url: string;
  port: number;
  audience: string;
  dataDir: string;
  place: Place;
}

const record = `{ familyName birthDate
    sources { side availability asAt }
    plan { whatMatters outcomes { text } }
    combined { agreed { formatted } paidIn { formatted } spent { formatted } left { formatted }
      byFunder { source left { formatted } } }
    packages { serviceType providerName } reviews { kind heldOn } people { role individualName } }`;

export async function sayHowToTry({ say, url, port, audience, dataDir, place }: Welcome): Promise<void> {
  const iris = place.people[founding.irisHolloway]!;
  const key = await openDemoKey(dataDir);
  const options = { issuer: demoIssuerUrl(port), audience, key, now: new Date() };
  say('');
  say(`API       ${url}/graphql`);
  say(`Explorer  ${url}/explorer/`);
  say('');
  say('Three operations to paste into the explorer, as care-coordinator:');
  say(`  # ${iris.givenName} ${iris.familyName}: her NHS and council halves as one record`);
  say(`  { person(nhsNumber: "${iris.nhsNumber}") ${record} }`);
  say('  # the people of your caseload who have both budgets');
  say(
    '  { caseload(first: 10, filter: { knownToBoth: true }) { nodes { id familyName givenName combined { left { formatted } } } } }',
  );
  say('  # what the hub took from the two systems, and what waits to be mended');
  say(
    '  { syncRuns(first: 5) { nodes { source { name } status received created waiting } } waitingRows(first: 5) { nodes { place code advice } } }',
  );
  say('');
  say('Sign in as one of these; the token goes into the explorer, or into "Authorization: Bearer …"');
  say('(again at any time: npm run -s hub -- token NAME):');
  const everybody = personas(place);
  for (const name of Object.keys(everybody) as PersonaName[]) {
    say(`  ${name} (${everybody[name].name})`);
    say(`    ${await demoToken(everybody[name], options)}`);
  }
  say('');
  say('Ctrl-C stops everything. The data stay in the data folder for the next start.');
}
