"""Word lists of the attacks: contractions, misspellings, synonyms. Plain text, written for this package.

Synonyms are kept as sets of one part of speech in their base form; the other forms are made by rule, so that "started"
is exchanged for "commenced" and not for "commence". A form that several words share, or that is a noun here and a verb
there, is exchanged only for what fits all its readings: "help" for "aid" (noun and verb), never for "assistance";
"started" never for "began", which would be wrong where a participle is meant. A set of one word says that the word has
another use and keeps that form as it is.

    verbs        base, or base/past or base/past/participle where irregular
    nouns        singular, or singular/plural where irregular
"""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache, reduce

CONTRACTIONS = """
aren't are not; can't cannot; couldn't could not; didn't did not; doesn't does not; don't do not; hadn't had not
hasn't has not; haven't have not; isn't is not; mightn't might not; mustn't must not; needn't need not
oughtn't ought not; shan't shall not; shouldn't should not; wasn't was not; weren't were not; won't will not
wouldn't would not; could've could have; might've might have; must've must have; should've should have
would've would have; i'm i am; i've i have; i'll i will; i'd i would; you're you are; you've you have
you'll you will; you'd you would; he's he is; he'll he will; he'd he would; she's she is; she'll she will
she'd she would; it's it is; it'll it will; it'd it would; we're we are; we've we have; we'll we will; we'd we would
they're they are; they've they have; they'll they will; they'd they would; that's that is; that'll that will
that'd that would; there's there is; there'll there will; what's what is; what're what are; who's who is
who'll who will; who've who have; where's where is; when's when is; why's why is; how's how is; here's here is
let's let us
"""

MISSPELLINGS = """
absence absense; accept acept; accidentally accidently; accommodate accomodate; achieve acheive
acknowledge acknowlege; acquire aquire; across accross; address adress; advice advise; affect effect; again agian
aggressive agressive; all al; almost allmost; along allong; already allready; although altough; always allways
amateur amature; among amoung; and adn; another anohter; answer anwser; apparent apparant; appearance appearence
appropriate apropriate; argument arguement; around arround; athlete athelete; attention atention
available availible; average avarage; basically basicly; beautiful beautifull beatiful; because becuase becouse
become becomme; before befor; began begain; beginning begining; behavior behavoir; being beeing; believe beleive
between betwen; beyond beyound; brilliant brillant; business buisness busness; calendar calender; called caled
careful carefull; caught cought; ceiling cieling; certain certian; challenge chalenge; change chnage
character charactor; children childern; clothes cloths; coming comming; commitment committment; committee commitee
community comunity; completely completly; conscious concious; continue continiue; could coud cuold; country contry
course corse; create creat; curiosity curiousity; daily dayly; dangerous dangerus; decision desicion
definitely definately definitly; describe discribe; desperate desparate; despite dispite; develop develope
difference diffrence; different diffrent; difficult dificult; disappear dissapear; disappointed dissapointed
discover discovor; does dose; during durring; each eahc; education educaton; eighth eigth; either iether
embarrass embarass; enough enogh enought; environment enviroment; especially especialy; even evne; every evrey
everything everthing; exactly exactley; excellent excelent; except exept; excited exited; existence existance
experience experiance; explain explane; extremely extremly; familiar familar; family famly; favorite favorit
february febuary; felt flet; finally finaly; first frist; foreign foriegn; forty fourty; forward foward; found fuond
friend freind; from form; fulfill fullfil; further furthur; future futur; generally generaly; government goverment
grammar grammer; great graet; group gruop; guarantee garantee; guard gaurd; happened happend; happiness happyness
have ahve; having haveing; heard herd; height heigth; here heer; history histroy; hope hoep; horizon horizen
hundred hunderd; immediately immediatly; important importent; independent independant; information infomation
instead insted; intelligence inteligence; interest intrest; interesting intresting; into inot; island iland
its it's; just jsut; knew kenw; know konw; knowledge knowlege; known konwn; language langauge; large lagre
later latter; laugh laff; learn laern; length lenght; library libary; life lief; light lihgt; like liek
little litle; lived livd; lonely lonley; looking loking; lose loose; love lvoe; magnificent magnificant
maintenance maintainance; make mkae; many mnay; meant ment; medicine medecine; might mihgt; million milion
minute minuet; moment momment; morning mornig; mother mohter; mountain mountian; much mcuh; mysterious misterious
natural naturel; nature natuer; nearly nearley; necessary neccessary necesary; neighbor nieghbor; never nevr
night nite; ninth nineth; noticeable noticable; number nubmer; occasion occassion; occurred occured; often offten
once onec; only olny; opinion opinon; opportunity oppertunity; other ohter; ought aught; over ovre; own onw
particular particuler; passed past; peace piece; people poeple; perhaps perphaps; person preson; piece peice
place palce; possible posible; power pwoer; preferred prefered; prejudice predjudice; probably probly
problem probelm; process proccess; professor proffesor; promise promiss; public publick; quiet quite
quickly quickley; quite quiet; ready reddy; realized relized; really realy; receive recieve; recent recnet
recommend reccomend; relevant relevent; religious religous; remember rember; repetition repitition; research reserch
resistance resistence; restaurant restaraunt; rhythm rythm; right rihgt; said siad; scene sceen; schedule schedual
school shcool; science sience; search serach; secret sercet; seemed semed; seize sieze; sense sence
sentence sentance; separate seperate; several severel; should shoud; shoulder sholder; similar similiar
simple simpel; since sicne; sincerely sincerly; small samll; society sociaty; some soem; something somthing
sometimes somtimes; soon sonn; special speical; speech speach; still stil; stopped stoped; story stroy
straight strait; strange stange; strength strenght; strong storng; student studnet; studying studing; succeed suceed
success sucess; successful successfull; such shuch; suddenly suddenley; sure shure; surprise suprise; system sytem
than then; that taht; the teh; their thier; them tehm; themselves themselfs; then than; there thier
therefore therefor; these theese; they tehy; thing thnig; think thnik; this tihs; those thsoe; though thuogh
thought thougth; thousand thousend; threw through; through throught; time tiem; today todya; together togather
tomorrow tommorow; tongue tounge; toward towrad; tragedy tradgedy; treasure tresure; tried tryed; trouble truoble
truly truely; trying tring; turned turnd; twelfth twelth; under udner; understand understnad
unfortunately unfortunatly; until untill; unusual unusal; used use; usually usualy; vacuum vaccum; valley vally
very vrey; village vilage; voice vocie; was wsa; watch wacth; weather wether; were wer; what waht; when wehn
where whre; whether wether; which wich; while whlie; whole hole; will wiil; wisdom wisdome; with wiht
without witout; woman women; wonderful wonderfull; word wrod; work wrok; world wrold; would woudl; write rite
writing writting; year yaer; yesterday yesturday; young yuong; your yuor
"""

VERBS = """
begin/began/begun start commence; finish complete conclude; help assist aid support
display demonstrate reveal exhibit; buy/bought purchase acquire; create produce generate
choose/chose/chosen select pick; preserve conserve maintain; speak/spoke/spoken talk; allow permit enable
need require; improve enhance; reduce decrease lessen diminish; change alter modify; explain clarify
describe depict portray; find/found discover uncover; happen occur; answer reply respond; try attempt; want desire
enjoy relish; love adore; hate detest loathe; fear dread; walk stroll; hurry rush hasten; shout yell scream
whisper murmur mutter; laugh chuckle giggle; smile grin; gaze stare peer; throw/threw/thrown toss hurl
grab seize grasp clutch; carry transport convey; build/built construct erect; destroy demolish ruin
break/broke/broken shatter smash; fix repair mend; gather collect assemble; hide/hid/hidden conceal
protect defend guard shield; defeat conquer vanquish; teach/taught instruct educate
understand/understood comprehend grasp; remember recall recollect; imagine envision; decide resolve determine
agree concur; argue contend; announce declare proclaim; admit confess; reject refuse; obtain acquire secure procure
travel journey; stay remain; continue proceed persist; stop cease halt; appear seem; consider contemplate ponder
investigate examine inspect; evaluate assess; ensure guarantee; provide supply; involve entail
emphasize highlight underline; encourage urge; persuade convince; warn caution; promise vow pledge; vanish disappear
glow gleam shimmer; tremble shiver quiver; wander roam; rescue save; eat/ate/eaten consume devour; connect link join
separate divide; influence affect; solve resolve; predict foretell/foretold; cost/cost; aim; present; result; battle
place; sound; smell; target; fight/fought; open; clear; correct; dim; calm; idle; empty; dirty; slow; damp; ship
crowd; mob; book
"""

NOUNS = """
house dwelling residence; child/children kid youngster; friend companion; teacher instructor educator; student pupil
doctor physician; lawyer attorney; car automobile vehicle; path route trail; village hamlet; forest woodland
ocean sea; stone rock; ship vessel boat; job occupation profession; task duty chore; money cash; price cost
error mistake blunder; problem issue difficulty; goal aim objective; method technique; idea notion concept
story tale narrative; picture image photograph; gift present; danger peril hazard; fear dread terror
anger rage fury wrath; joy delight happiness; sadness sorrow grief; courage bravery valor; battle conflict
enemy foe opponent; victory triumph; country nation; area region zone; location site; piece portion
outcome consequence result; purpose intention; opportunity chance; advantage benefit; beginning start outset
ending conclusion; journey trip voyage; odor scent aroma; noise din; conversation discussion dialogue
argument quarrel dispute; researcher investigator; company firm corporation; customer client; employee worker
boss manager supervisor; illness disease sickness; medicine medication; type sort kind; amount quantity
crowd mob throng; answer reply response; question query inquiry; room chamber; edge border boundary; middle center
pain agony; hero/heroes champion; thief/thieves robber burglar; soldier warrior; stranger outsider
memory recollection; moment instant; period era; help assistance aid support; display; purchase; need requirement
change alteration modification; attempt try effort; love; hate; walk stroll; hurry rush; shout yell scream
whisper murmur; laugh chuckle giggle; smile grin; gaze stare; peer; throw toss; transport; ruin; break; repair fix
guard; shield; defeat; recall; desire; talk; pick; permit; produce; decrease; stay; stop; halt; link; supply
guarantee; highlight; caution; urge; promise vow pledge; glow gleam shimmer; shiver quiver tremble; rescue
influence; exhibit; refuse; travel; cold; main; grave; bright; brief; individual
"""

ADJECTIVES = """
big large sizable; huge enormous gigantic immense vast; small tiny miniature; wonderful marvelous fantastic superb
terrible awful dreadful horrible; happy glad joyful cheerful; sad unhappy sorrowful gloomy; angry furious irate
afraid scared frightened; brave courageous bold fearless; smart clever intelligent; stupid foolish silly
beautiful lovely gorgeous; ugly hideous; quick rapid swift; difficult tough challenging; simple easy
important significant; crucial vital critical; famous renowned; rich wealthy affluent; modern contemporary
strange odd peculiar weird bizarre; ordinary normal typical usual; strong powerful mighty; weak feeble frail
tired weary exhausted; hungry starving; chilly cold frigid; wet damp moist; dark dim shadowy
bright brilliant radiant; quiet silent hushed; loud noisy deafening; calm peaceful tranquil serene
dirty filthy grimy; empty vacant; complete entire whole total; accurate precise exact; wrong incorrect mistaken
false untrue; real genuine authentic; obvious evident apparent; different distinct; similar comparable
dangerous risky hazardous perilous; safe secure; rare uncommon scarce; sufficient adequate; possible feasible
gentle tender mild; cruel brutal ruthless; honest truthful sincere; polite courteous; rude impolite; lazy idle
busy occupied; curious inquisitive; eager keen enthusiastic; shy timid bashful; lonely solitary
funny amusing humorous comical; serious solemn; boring dull tedious; interesting fascinating intriguing
surprising astonishing startling; surprised astonished amazed; mysterious enigmatic; magnificent splendid grand
delicious tasty; main primary principal; final ultimate; numerous abundant; complex complicated intricate
global worldwide; annual yearly; legal lawful; useful helpful beneficial handy; harmful damaging detrimental; kind
firm; lower; separate; instant; present; open; objective; narrative; determined; hidden; broken
"""

OTHERS = """
quickly rapidly swiftly speedily; slowly gradually; suddenly abruptly unexpectedly; quietly silently softly
loudly noisily; carefully cautiously; finally eventually ultimately; usually generally typically normally
often frequently; sometimes occasionally; rarely seldom; always invariably; almost nearly; very extremely
really truly genuinely; completely totally entirely fully utterly; probably presumably; maybe perhaps
certainly definitely surely; however nevertheless nonetheless; therefore thus hence consequently
additionally moreover furthermore; mainly mostly primarily chiefly; immediately instantly promptly; recently lately
soon shortly; easily effortlessly; happily cheerfully joyfully; sadly sorrowfully mournfully; angrily furiously
exactly precisely; approximately roughly; clearly obviously evidently; simply merely
especially particularly notably; among amongst; toward towards
"""

_DOUBLED = frozenset(
    {"admit", "permit", "occur", "concur", "begin"}
)  # stressed on the last syllable, which is then doubled
_VOWELS = "aeiou"

Options = Mapping[str, tuple[str, ...]]


def entries(table: str) -> list[list[str]]:
    """The entries of a list, each as its words."""
    return [entry.split() for line in table.strip().splitlines() for entry in line.split(";") if entry.split()]


@lru_cache(maxsize=1)
def expansions() -> Mapping[str, str]:
    """Contraction to what it stands for, in lower case."""
    return {short: " ".join(words) for short, *words in entries(CONTRACTIONS)}


@lru_cache(maxsize=1)
def misspellings() -> Options:
    """Word to its wrong spellings, in lower case."""
    return {right: tuple(w for w in wrong if w != right) for right, *wrong in entries(MISSPELLINGS)}


@lru_cache(maxsize=1)
def synonyms() -> Options:
    """Word form to the forms that may stand in its place, in lower case; forms without any are left out."""
    readings: dict[str, list[set[str]]] = {}
    for table, inflect in ((VERBS, verb_forms), (NOUNS, noun_forms), (ADJECTIVES, _as_it_is), (OTHERS, _as_it_is)):
        for entry in entries(table):
            members = [inflect(word) for word in entry]
            for forms in members:
                for form in dict.fromkeys(forms):
                    readings.setdefault(form, []).append(_substitutes(form, forms, members))
    fits = {form: reduce(set[str].__and__, sets) - {form} for form, sets in readings.items()}
    return {form: tuple(sorted(others)) for form, others in fits.items() if others}


def verb_forms(entry: str) -> tuple[str, ...]:
    """Base, third person, past, participle and -ing form of a verb, e.g. ``"begin/began/begun"``."""
    base, *irregular = entry.split("/")
    stem = base + base[-1] if _doubles(base) else base
    regular = base + "d" if base.endswith("e") else base[:-1] + "ied" if _ends_in_y(base) else stem + "ed"
    past = irregular[0] if irregular else regular
    ing = base[:-1] + "ing" if base.endswith("e") and base[-2] not in "eoy" else stem + "ing"
    return base, _with_s(base), past, irregular[-1] if irregular else regular, ing


def noun_forms(entry: str) -> tuple[str, ...]:
    """Singular and plural of a noun, e.g. ``"child/children"``."""
    singular, *irregular = entry.split("/")
    return singular, irregular[0] if irregular else _with_s(singular)


def _as_it_is(entry: str) -> tuple[str, ...]:
    return (entry,)


def _substitutes(form: str, forms: tuple[str, ...], members: Iterable[tuple[str, ...]]) -> set[str]:
    """Forms of the other words that fit wherever ``form`` can stand."""
    slots = [i for i, f in enumerate(forms) if f == form]
    in_slots = ({other[i] for i in slots} for other in members if other is not forms)
    return {fit.pop() for fit in in_slots if len(fit) == 1}


def _with_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word[:-1] + "ies" if _ends_in_y(word) else word + "s"


def _ends_in_y(word: str) -> bool:
    return word.endswith("y") and word[-2] not in _VOWELS


def _doubles(base: str) -> bool:
    """Whether the last consonant is doubled before -ed and -ing: stop, stopped."""
    if base in _DOUBLED:
        return True
    is_one_syllable = sum(a in _VOWELS and b not in _VOWELS for a, b in zip(base, base[1:] + "-")) == 1
    ends_so = len(base) > 2 and base[-1] not in _VOWELS + "wxy" and base[-2] in _VOWELS and base[-3] not in _VOWELS
    return is_one_syllable and ends_so and not base.endswith("e")
