//! The world of the grammar: beings, activities, places and clothes.

/// A kind of beings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noun {
    pub(super) one: &'static str,
    pub(super) many: &'static str,
    /// The nearest more general kind below `person` and `animal`, singular and plural, if there is one.
    pub(super) above: Option<(&'static str, &'static str)>,
    /// Beings of different sorts are different beings. Empty if the kind does not determine the sort (a teacher may be
    /// a woman).
    pub(super) sort: &'static str,
    pub(super) animal: bool,
    /// `his`, `her` or `its` for one being; empty if the kind does not determine it.
    pub(super) possessive: &'static str,
}

const fn person(one: &'static str, many: &'static str, sort: &'static str, possessive: &'static str) -> Noun {
    Noun { one, many, above: None, sort, animal: false, possessive }
}

const fn below(noun: Noun, one: &'static str, many: &'static str) -> Noun {
    Noun { above: Some((one, many)), ..noun }
}

const fn animal(one: &'static str, many: &'static str, sort: &'static str) -> Noun {
    Noun { one, many, above: None, sort, animal: true, possessive: "its" }
}

pub(super) const NOUNS: &[Noun] = &[
    person("man", "men", "man", "his"),
    person("woman", "women", "woman", "her"),
    below(person("guy", "guys", "man", "his"), "man", "men"),
    below(person("lady", "ladies", "woman", "her"), "woman", "women"),
    below(person("boy", "boys", "boy", "his"), "child", "children"),
    below(person("girl", "girls", "girl", "her"), "child", "children"),
    person("child", "children", "", ""),
    person("teenager", "teenagers", "", ""),
    person("chef", "chefs", "", ""),
    person("farmer", "farmers", "", ""),
    person("teacher", "teachers", "", ""),
    person("worker", "workers", "", ""),
    person("soldier", "soldiers", "", ""),
    animal("dog", "dogs", "dog"),
    below(animal("puppy", "puppies", "dog"), "dog", "dogs"),
    animal("cat", "cats", "cat"),
    below(animal("kitten", "kittens", "cat"), "cat", "cats"),
    animal("horse", "horses", "horse"),
    animal("cow", "cows", "cow"),
    animal("goat", "goats", "goat"),
    animal("duck", "ducks", "duck"),
];

/// A place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) at: &'static str,
    pub(super) outdoors: bool,
}

const fn outdoors(name: &'static str, at: &'static str) -> Place {
    Place { name, at, outdoors: true }
}

const fn indoors(name: &'static str, at: &'static str) -> Place {
    Place { name, at, outdoors: false }
}

pub(super) const PLACES: &[Place] = &[
    outdoors("park", "in a park"),
    outdoors("street", "on a street"),
    outdoors("beach", "on the beach"),
    outdoors("field", "in a field"),
    outdoors("forest", "in the forest"),
    outdoors("mountain", "on a mountain"),
    outdoors("lake", "in a lake"),
    outdoors("river", "in the river"),
    outdoors("garden", "in a garden"),
    outdoors("yard", "in the yard"),
    indoors("kitchen", "in a kitchen"),
    indoors("restaurant", "in a restaurant"),
    indoors("office", "in an office"),
    indoors("library", "in a library"),
    indoors("bedroom", "in a bedroom"),
    indoors("classroom", "in a classroom"),
    indoors("gym", "in a gym"),
    indoors("barn", "in a barn"),
];

/// How the body is engaged: a being that moves cannot do something at rest at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Moving,
    AtRest,
    Asleep,
}

/// Something that beings do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Activity {
    /// After `is`.
    pub(super) doing: &'static str,
    /// A more general activity that follows from it, after `is`.
    pub(super) general: &'static str,
    pub(super) body: Body,
    pub(super) animals: bool,
    /// Names of [`PLACES`].
    pub(super) places: &'static str,
    /// A possible purpose, after the activity.
    pub(super) aims: &'static [&'static str],
}

const fn people(
    body: Body,
    doing: &'static str,
    general: &'static str,
    places: &'static str,
    aims: &'static [&'static str],
) -> Activity {
    Activity { doing, general, body, animals: false, places, aims }
}

const fn animals(
    body: Body,
    doing: &'static str,
    general: &'static str,
    places: &'static str,
    aims: &'static [&'static str],
) -> Activity {
    Activity { doing, general, body, animals: true, places, aims }
}

use Body::{Asleep, AtRest, Moving};

const SPORT: &[&str] = &["to win a prize", "to win a game", "to lose weight", "against a rival team"];
const EXERCISE: &[&str] = &["to lose weight", "to win a race", "to catch a bus", "to get home"];
const ART: &[&str] = &["to earn money", "for a big crowd", "to impress a friend", "for a contest"];
const MEAL: &[&str] = &["for lunch", "for a big party", "to win a contest", "before going to work"];
const STUDY: &[&str] = &["to pass a test", "for school", "to learn about history", "to kill time"];
const CHORE: &[&str] = &["to earn money", "before a big party", "to help a friend", "before going to work"];
const BEAST: &[&str] = &["to find food", "to get home", "to please a farmer"];

pub(super) const ACTIVITIES: &[Activity] = &[
    people(Moving, "running", "moving", "park street beach field forest gym", EXERCISE),
    people(Moving, "walking", "moving", "park street beach forest mountain", EXERCISE),
    people(Moving, "dancing", "moving", "street beach restaurant gym", ART),
    people(Moving, "jumping", "moving", "park beach field gym yard", SPORT),
    people(Moving, "playing soccer", "playing a sport", "park field beach yard", SPORT),
    people(Moving, "playing basketball", "playing a sport", "park gym yard", SPORT),
    people(Moving, "playing tennis", "playing a sport", "park gym", SPORT),
    people(Moving, "riding a bike", "riding something", "park street forest mountain", EXERCISE),
    people(Moving, "riding a horse", "riding something", "field beach forest", EXERCISE),
    people(Moving, "swimming", "in the water", "lake river", SPORT),
    people(Moving, "sweeping the floor", "cleaning", "kitchen restaurant barn classroom", CHORE),
    people(AtRest, "playing the guitar", "making music", "park street beach restaurant bedroom", ART),
    people(AtRest, "playing the piano", "making music", "restaurant classroom", ART),
    people(AtRest, "singing a song", "making music", "park street classroom restaurant", ART),
    people(AtRest, "painting a picture", "making art", "park garden classroom beach", ART),
    people(AtRest, "cooking dinner", "preparing food", "kitchen restaurant", MEAL),
    people(AtRest, "chopping vegetables", "preparing food", "kitchen restaurant garden", MEAL),
    people(AtRest, "eating a sandwich", "eating", "park kitchen restaurant beach office", MEAL),
    people(AtRest, "eating an apple", "eating", "park kitchen garden classroom", MEAL),
    people(AtRest, "drinking coffee", "drinking something", "kitchen office restaurant street", MEAL),
    people(AtRest, "reading a book", "reading", "library park bedroom classroom beach", STUDY),
    people(AtRest, "reading a newspaper", "reading", "library park kitchen office", STUDY),
    people(AtRest, "writing a letter", "writing", "office library classroom kitchen", STUDY),
    people(AtRest, "working on a computer", "working", "office library bedroom", STUDY),
    people(AtRest, "talking on the phone", "talking", "office street kitchen park", CHORE),
    people(AtRest, "washing a car", "cleaning", "street yard", CHORE),
    people(AtRest, "planting flowers", "gardening", "garden yard field", CHORE),
    people(AtRest, "taking a photo", "using a camera", "beach mountain street forest", ART),
    people(AtRest, "sitting on a bench", "sitting", "park street garden", &["to wait for a bus", "to kill time"]),
    people(Asleep, "sleeping", "resting", "bedroom park beach library", &["to feel better", "after a big party"]),
    animals(Moving, "running", "moving", "park street beach field forest", BEAST),
    animals(Moving, "walking", "moving", "street field forest yard", BEAST),
    animals(Moving, "jumping", "moving", "park field yard garden", BEAST),
    animals(Moving, "swimming", "in the water", "lake river", BEAST),
    animals(Moving, "chasing a ball", "playing", "park beach yard garden", &["to please a child", "to bring it home"]),
    animals(AtRest, "eating grass", "eating", "field garden yard", &["to grow fat", "to please a farmer"]),
    animals(AtRest, "drinking water", "drinking something", "river lake barn yard", &["after a long day"]),
    animals(Asleep, "sleeping", "resting", "barn garden bedroom field", &["after a long day", "to feel better"]),
];

pub(super) const COLORS: &str = "red blue green yellow white black";
pub(super) const GARMENTS: &str = "shirt jacket hat sweater coat";

/// A quality of a being, with its opposite if both cannot be true.
pub(super) const TRAITS: &[(&str, &str)] = &[
    ("tall", "short"),
    ("short", "tall"),
    ("young", "old"),
    ("old", "young"),
    ("happy", "sad"),
    ("sad", "happy"),
    ("tired", ""),
    ("hungry", ""),
    ("famous", ""),
    ("lonely", ""),
    ("friendly", ""),
];

impl Activity {
    pub(super) fn places(&self) -> Vec<&'static Place> {
        let named = |name: &str| PLACES.iter().find(|place| place.name == name);
        self.places.split(' ').filter_map(named).collect()
    }

    /// Whether one being cannot do both at the same time.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        self.body != other.body
    }
}
