/** Words the made-up place is furnished with. No name here stands for anybody. */

interface Origin {
  female: readonly string[];
  male: readonly string[];
  family: readonly string[];
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

const english: Origin = {
  female:
    words(`Margaret Dorothy Jean Joan Sheila Patricia Brenda Maureen Susan Christine Julie Karen Tracey Sarah
    Emma Rebecca Charlotte Hannah Olivia Amelia Sophie Lucy Grace Ruby Evelyn Florence`),
  male: words(`John William Kenneth Ronald Derek Brian Keith Alan Trevor Graham Stephen Paul Andrew Mark Simon
    Darren Lee Craig Matthew Daniel James Thomas Oliver Harry George Arthur Jack`),
  family:
    words(`Smith Taylor Brown Wilson Walker Wright Robinson Thompson White Hughes Edwards Green Hall Wood Harris
    Clarke Jackson Turner Hill Cooper Ward Morris Moore Baker Harrison Morgan Allen Parker Cook Bennett Shaw Price
    Ashworth Birtwistle Cartwright Dunstable Fairclough Garside Hargreaves Kershaw Lockwood Moorcroft Openshaw
    Pickering Ramsbottom Sutcliffe Thistlethwaite Underhill Wetherby Yardley`),
};

const british: Origin = {
  female: words('Bronwen Carys Siân Eilidh Morag Fiona Niamh Siobhán Aoife Róisín Ceridwen Catriona'),
  male: words('Gareth Rhys Dylan Ewan Hamish Callum Declan Cormac Seán Niall Emyr Fergus'),
  family:
    words(`Davies Evans Llewellyn Pritchard Griffiths MacDonald Campbell Fraser Murphy O'Brien O'Sullivan
    Gallagher McCarthy Byrne Sinclair`),
};

const southAsian: Origin = {
  female:
    words(`Parveen Shabana Nasreen Fatima Ayesha Priya Anjali Meena Sunita Kavita Harpreet Gurpreet Manjit
    Rukhsana Nadia Lakshmi`),
  male: words(`Mohammed Imran Tariq Asif Bilal Rajesh Sanjay Vikram Anil Harjit Gurdeep Balwinder Zahid Naveed
    Suresh Arjun`),
  family:
    words(`Khan Hussain Ahmed Ali Begum Malik Mahmood Patel Shah Desai Mistry Singh Kaur Gill Dhillon Sandhu
    Chaudhry Rahman Miah Iyer Perera`),
};

const african: Origin = {
  female: words('Ngozi Chiamaka Folake Abimbola Adwoa Efua Tendai Rudo Hawa Amina Selam Wanjiru'),
  male: words('Chukwuemeka Olumide Tunde Kwame Kofi Tafadzwa Farai Abdi Yusuf Dawit Kamau Ibrahim'),
  family:
    words(`Okeke Adeyemi Balogun Eze Nwosu Mensah Owusu Boateng Moyo Ndlovu Chikwanha Mohamud Warsame Tesfaye
    Mwangi`),
};

const caribbean: Origin = {
  female: words('Beverley Marcia Yvonne Sonia Claudette Shanice Kezia Winsome'),
  male: words('Winston Delroy Errol Leroy Clive Marlon Jermaine Desmond'),
  family: words('Campbell Francis Grant Gordon Reid Samuels Blake Bogle Lindo Thorpe'),
};

const european: Origin = {
  female: words('Agnieszka Katarzyna Małgorzata Ioana Elena Lucia Giulia Marta Ingrid Olena'),
  male: words('Piotr Krzysztof Tomasz Andrei Mihai Marco Giuseppe João Lukas Oleksandr'),
  family: words(
    'Kowalski Nowak Wiśniewski Zieliński Popescu Ionescu Rossi Bianchi Ferreira Schäfer Shevchenko',
  ),
};

const eastAsian: Origin = {
  female: words('Mei Ling Hui Xiu Linh Thuy Maricel Aiko'),
  male: words('Wei Jun Chi Ming Minh Duc Ramon Kenji'),
  family: words('Chan Wong Li Zhang Chen Nguyen Tran Santos Reyes Tanaka'),
};

/** Repeated by weight. */
export const origins: readonly Origin[] = [
  ...Array<Origin>(11).fill(english),
  ...Array<Origin>(3).fill(british),
  ...Array<Origin>(3).fill(southAsian),
  african,
  caribbean,
  european,
  eastAsian,
];

/** What people call themselves to a council, whatever stands on the NHS record. */
export const shortNames: Readonly<Record<string, string>> = {
  Margaret: 'Maggie',
  Dorothy: 'Dot',
  Patricia: 'Pat',
  Susan: 'Sue',
  Christine: 'Chris',
  Rebecca: 'Becky',
  William: 'Bill',
  Kenneth: 'Ken',
  Ronald: 'Ron',
  Stephen: 'Steve',
  Matthew: 'Matt',
  Thomas: 'Tom',
  Mohammed: 'Mo',
  Katarzyna: 'Kasia',
  Krzysztof: 'Krzys',
};

export const relationships = [
  { code: 'DAU', display: 'daughter' },
  { code: 'SON', display: 'son' },
  { code: 'WIFE', display: 'wife' },
  { code: 'HUSB', display: 'husband' },
  { code: 'SIS', display: 'sister' },
  { code: 'BRO', display: 'brother' },
  { code: 'NIECE', display: 'niece' },
  { code: 'DOMPART', display: 'domestic partner' },
] as const;

export const whatMatters = [
  'I want to stay in my own home, near my friends, and choose who comes through my door.',
  'Getting to worship every week, and not being rushed in the morning.',
  'Being a parent at weekends without having to plan every lift and every toilet.',
  'My allotment. If I can get there twice a week the rest falls into place.',
  'People who know me and do not need telling every time how I like things done.',
  'Swimming keeps the pain down better than any tablet, and I meet people there.',
  'I would like to finish my course and find paid work that I can do from a chair.',
  'Quiet. I cannot bear noise, and I need the same two or three people around me.',
  'Music. I sang in a choir for thirty years and I want to sing again.',
  'Cooking my own food, the way my mother did, even if it takes all afternoon.',
  'That my family can sleep at night, and go back to being my family and not my nurses.',
  'Walking the dog every day, whatever the weather.',
] as const;

export const needs = [
  'Help with washing, dressing and getting up, morning and evening',
  'Support to eat and drink safely',
  'Help to move from bed to chair with a hoist and two people',
  'Prompting with medicines',
  'Someone nearby at night',
  'Support when anxious or confused, from people who are known',
  'Breathing support and suction, by carers trained for it',
  'Skin care, to prevent pressure sores',
  'Help to manage money and letters',
  'Support to get out of the house and meet people',
  'A rest for the family carer each week',
  'Equipment for posture and mobility',
] as const;

export const goals = [
  'Go out twice a week with someone I have chosen',
  'Have no stay in hospital that could have been avoided this year',
  'Join a class at the leisure centre and keep going for three months',
  'Make my own breakfast on most days',
  'Sleep through the night in my own bed',
  'Have the same team of carers for six months',
  'See my grandchildren every other Sunday',
  'Use my wheelchair to get to college on my own',
  'Take fewer medicines for distress, agreed with my doctor',
  'Start two days a week of paid or voluntary work',
  'Manage my own rota and payroll with help',
  'Speak up at my own review',
] as const;

export const coordinators = [
  'Ruth Ellery',
  'Manisha Trivedi',
  'Gwen Parfitt',
  'Tobias Lund',
  'Comfort Asante',
  'Alison Peart',
] as const;

/** What people buy beside wages. */
export const purchases = [
  'Wenshire Leisure, swimming and gym membership',
  'Harbourside Taxis, journeys to day centre',
  'Fernbank Day Centre, two days',
  'Meadow Lane Art Studio, course fee',
  'Tideway Mobility, wheelchair service',
  'Larch House, respite weekend',
  'Clearspeech Therapy, four sessions',
  'Brightwater Insurance, employer liability',
] as const;

export const agencies = [
  { name: 'Wenbrook Home Care', location: '1-990000101' },
  { name: 'Saltmarsh Care at Home', location: '1-990000102' },
  { name: 'Kestrel Community Support', location: '1-990000103' },
  { name: 'Ashdene Home Support', location: '1-990000104' },
] as const;

export const careHomes = [
  { name: 'Larch House', location: '1-990000201' },
  { name: 'The Beeches', location: '1-990000202' },
  { name: 'Quayside Lodge', location: '1-990000203' },
] as const;
