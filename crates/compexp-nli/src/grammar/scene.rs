//! Scenes, and the premises that describe them.

use super::draw::Draw;
use super::world::{ACTIVITIES, Activity, COLORS, GARMENTS, NOUNS, Noun, Place, TRAITS};

/// How many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    One,
    Two,
    Three,
    Several,
    Group,
}

impl Number {
    pub(super) fn is_one(self) -> bool {
        self == Self::One
    }

    /// `is` or `are`.
    pub(super) fn is(self) -> &'static str {
        if self.is_one() { "is" } else { "are" }
    }

    fn text(self) -> &'static str {
        match self {
            Self::One => "a",
            Self::Two => "two",
            Self::Three => "three",
            Self::Several => "several",
            Self::Group => "a group of",
        }
    }
}

/// A color and a garment.
pub(super) type Clothes = (&'static str, &'static str);

/// The content of a premise.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) noun: &'static Noun,
    pub(super) number: Number,
    /// `his`, `her`, `its`, `their`.
    pub(super) possessive: &'static str,
    /// The quality of the beings, with its opposite.
    pub(super) quality: Option<(&'static str, &'static str)>,
    pub(super) clothes: Option<Clothes>,
    /// An animal that a single being has with it.
    pub(super) companion: Option<&'static Noun>,
    pub(super) activity: &'static Activity,
    pub(super) place: &'static Place,
}

impl Scene {
    /// Draws a scene in which nothing contradicts anything.
    pub(super) fn draw(draw: &mut Draw) -> Self {
        let animal = draw.chance(0.22);
        let of_kind = |noun: &&Noun| noun.animal == animal;
        let nouns: Vec<&'static Noun> = NOUNS.iter().filter(of_kind).collect();
        let activities: Vec<_> = ACTIVITIES.iter().filter(|activity| activity.animals == animal).collect();
        // Most of SNLI's pictures show men or women, and most of its pictures of animals show dogs.
        let known = if draw.chance(0.45) { 2 } else { nouns.len() };
        let noun = draw.one(&nouns[..known]).copied().unwrap_or(&NOUNS[0]);
        let activity = draw.one(&activities).copied().unwrap_or(&ACTIVITIES[0]);
        let place = draw.one(&activity.places()).copied().unwrap_or(&super::world::PLACES[0]);
        let numbers =
            [(52, Number::One), (22, Number::Two), (8, Number::Three), (9, Number::Several), (9, Number::Group)];
        let number = draw.weighted(&numbers).unwrap_or(Number::One);
        let pets: Vec<_> = NOUNS.iter().filter(|noun| noun.animal && noun.sort != "duck").collect();
        let possessive = match noun.possessive {
            _ if !number.is_one() => "their",
            "" => ["his", "her"][draw.below(2)],
            known => known,
        };
        let walks =
            activity.doing == "running" || activity.doing == "walking" || activity.doing == "sitting on a bench";
        let companion = (walks && !animal && number.is_one() && draw.chance(0.4)).then(|| draw.one(&pets).copied());
        let quality = draw.chance(0.28).then(|| draw.one(TRAITS).copied()).flatten();
        let dressed = !animal && draw.chance(0.25) && activity.general != "in the water";
        let clothes = dressed.then(|| (draw.word(COLORS), draw.word(GARMENTS)));
        Self { noun, number, possessive, quality, clothes, companion: companion.flatten(), activity, place }
    }

    /// One of the possible descriptions.
    pub(super) fn premise(&self, draw: &mut Draw) -> String {
        let mut who = self.counted(self.quality.map_or("", |(is, _)| is), self.noun);
        if let Some((color, garment)) = self.clothes {
            who += &format!(" {} {}", ["in", "wearing"][draw.below(2)], self.wear(color, garment));
        }
        if let Some(companion) = self.companion {
            who += &format!(" and a {}", companion.one);
        }
        let is = if self.companion.is_some() { "are" } else { self.number.is() };
        let (doing, at) = (self.activity.doing, self.place.at);
        match draw.below(20) {
            0..9 => format!("{who} {is} {doing} {at}"),
            9..13 => format!("{who} {doing} {at}"),
            13..16 => format!("{at} , {who} {is} {doing}"),
            _ => format!("there {is} {who} {doing} {at}"),
        }
    }

    /// As many beings of a kind as there are: `two old men`.
    pub(super) fn counted(&self, quality: &str, noun: &Noun) -> String {
        let name = if self.number.is_one() { noun.one } else { noun.many };
        let blank = if quality.is_empty() { "" } else { " " };
        format!("{} {quality}{blank}{name}", self.number.text())
    }

    /// The beings by their own kind, as a hypothesis takes them up.
    pub(super) fn same(&self, draw: &mut Draw) -> String {
        let name = if self.number.is_one() { self.noun.one } else { self.noun.many };
        match draw.below(5) {
            0..2 => format!("the {name}"),
            2..4 => self.counted("", self.noun),
            _ if self.number.is_one() => format!("a {name}"),
            _ => format!("some {name}"),
        }
    }

    /// The beings by the most general kind.
    pub(super) fn general(&self, draw: &mut Draw) -> String {
        let name = match (self.noun.animal, self.number.is_one()) {
            (true, true) => "an animal",
            (true, false) => ["animals", "some animals"][draw.below(2)],
            (false, true) => ["a person", "a person", "someone"][draw.below(3)],
            (false, false) => ["people", "some people"][draw.below(2)],
        };
        name.to_owned()
    }

    /// `it is`, for the beings.
    pub(super) fn pronoun(&self) -> &'static str {
        match self.possessive {
            "his" => "he is",
            "her" => "she is",
            "its" => "it is",
            _ => "they are",
        }
    }

    /// `a red hat`, or `red hats` if there are several beings.
    pub(super) fn wear(&self, color: &str, garment: &str) -> String {
        let blank = if color.is_empty() { "" } else { " " };
        match self.number.is_one() {
            true => format!("a {color}{blank}{garment}"),
            false => format!("{color}{blank}{garment}s"),
        }
    }
}
