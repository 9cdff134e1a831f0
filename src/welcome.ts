/** What a newcomer is told once the demo runs: what to try, and as whom. */
import { demoIssuerUrl, demoToken, openDemoKey } from './demo/issuer.ts';
import { type PersonaName, personas } from './demo/persona.ts';
import { founding, type Place } from './demo/place.ts';
import { tellStory } from './demo/story.ts';
import { londonDay } from './platform/day.ts';

interface SignIn {
  url: string;
  port: number;
  audience: string;
  dataDir: string;
  place: Place;
}

async function tokensFor({ port, audience, dataDir, place }: SignIn) {
  const key = await openDemoKey(dataDir);
  const options = { issuer: demoIssuerUrl(port), audience, key, now: new Date() };
  const everybody = personas(place);
  return (name: PersonaName) => demoToken(everybody[name], options);
}

/** What the two sides agree in the hub, told through its API; false when it was told at an earlier start. */
export async function tellDemoStory(signIn: SignIn): Promise<boolean> {
  const tokenOf = await tokensFor(signIn);
  return tellStory({
    place: signIn.place,
    today: londonDay(new Date()),
    async ask(as, query, variables) {
      const response = await fetch(`${signIn.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${await tokenOf(as)}` },
        body: JSON.stringify({ query, variables }),
      });
      const { data, errors } = (await response.json()) as {
        data: Record<string, unknown>;
        errors?: { message: string }[];
      };
      if (errors?.[0] !== undefined) throw new Error(`the demo's story: ${errors[0].message}`);
      return data;
    },
  });
}

interface Welcome extends SignIn {
  say: (line: string) => void;
}

const record = `{ familyName birthDate
    sources { side availability asAt }
    plan { title status whatMatters outcomes { text } lines { what weeklyCost { formatted } } signOffs { party name } }
    nextReviews { joint { on because } duties { duty dueOn because } }
    combined { agreed { formatted } paidIn { formatted } spent { formatted } left { formatted }
      byFunder { source left { formatted } } }
    packages { serviceType providerName } reviews { kind heldOn } people { role individualName } }`;

export async function sayHowToTry({ say, ...signIn }: Welcome): Promise<void> {
  const { url, place } = signIn;
  const iris = place.people[founding.irisHolloway]!;
  const tokenOf = await tokensFor(signIn);
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
    say(`    ${await tokenOf(name)}`);
  }
  say('');
  say('Ctrl-C stops everything. The data stay in the data folder for the next start.');
}
