//! The words of the grammar: each with its tag, its lemma, and the classes of meaning that its vector is made from.

/// Rows of a Penn tag, classes of meaning, and words, each with `=` and its lemma if that differs from the word.
///
/// A word has one tag and one lemma in every place, so that the grammar can be written in plain English.
const ROWS: &[(&str, &str, &str)] = &[
    (".", "mark", ". ,"),
    ("DT", "determiner", "a an the some"),
    ("DT", "negation", "no"),
    ("NN", "negation", "nobody"),
    ("RB", "negation", "not"),
    ("CD", "number", "two three"),
    ("JJ", "number", "several"),
    ("EX", "determiner", "there"),
    ("CC", "determiner", "and"),
    ("VBZ", "being-verb", "is=be has=have"),
    ("VBP", "being-verb", "are=be"),
    ("IN", "preposition", "in on of with against after before about"),
    ("IN", "reason", "because for"),
    ("TO", "reason", "to"),
    ("PRP", "pronoun", "he she it they"),
    ("PRP$", "pronoun owner", "his her=her its their"),
    ("NN", "person generic", "person someone"),
    ("NNS", "person generic many", "people"),
    ("NN", "person man", "man guy"),
    ("NNS", "person man many", "men=man guys=guy"),
    ("NN", "person woman", "woman lady"),
    ("NNS", "person woman many", "women=woman ladies=lady"),
    ("NN", "person young", "boy girl child teenager"),
    ("NNS", "person young many", "boys=boy girls=girl children=child teenagers=teenager"),
    ("NN", "person job", "chef farmer teacher worker soldier"),
    (
        "NNS",
        "person job many",
        "chefs=chef farmers=farmer teachers=teacher workers=worker soldiers=soldier doctors=doctor",
    ),
    ("NN", "person relation", "friend brother sister owner rival"),
    ("NNS", "person relation many", "friends=friend brothers=brother sisters=sister twins=twin"),
    ("NN", "group", "group crowd team family"),
    ("NN", "animal generic", "animal"),
    ("NNS", "animal generic many", "animals=animal"),
    ("NN", "animal pet", "dog puppy cat kitten"),
    ("NNS", "animal pet many", "dogs=dog puppies=puppy cats=cat kittens=kitten"),
    ("NN", "animal farm", "horse cow goat duck"),
    ("NNS", "animal farm many", "horses=horse cows=cow goats=goat ducks=duck"),
    ("NN", "place outdoor", "park street beach field forest mountain lake river garden yard"),
    ("NN", "place indoor", "kitchen restaurant office library bedroom classroom gym barn bed couch house"),
    ("RB", "place outdoor generic", "outside outdoors"),
    ("RB", "place indoor generic", "inside indoors"),
    (
        "VBG",
        "doing moving",
        "running=run walking=walk dancing=dance jumping=jump riding=ride swimming=swim chasing=chase",
    ),
    ("VBG", "doing moving generic", "moving=move going=go"),
    ("VBG", "doing sport", "playing=play"),
    ("VBG", "doing rest", "sleeping=sleep resting=rest sitting=sit"),
    ("JJ", "doing rest", "asleep"),
    ("VBG", "doing craft", "making=make preparing=prepare cooking=cook chopping=chop singing=sing painting=paint"),
    ("VBG", "doing meal", "eating=eat drinking=drink"),
    ("VBG", "doing desk", "reading=read writing=write working=work talking=talk using=use taking=take"),
    ("VBG", "doing chore", "sweeping=sweep cleaning=clean washing=wash planting=plant gardening=garden"),
    ("VBG", "doing clothes", "wearing=wear"),
    ("NN", "thing sport", "sport soccer basketball tennis game race ball bike"),
    ("NN", "thing music", "guitar piano song music art picture"),
    ("NN", "thing food", "food dinner sandwich apple coffee lunch grass water"),
    ("NNS", "thing food", "vegetables=vegetable"),
    ("NN", "thing desk", "book newspaper letter computer phone camera photo test school history"),
    ("NN", "thing chore", "floor car bench bus"),
    ("NNS", "thing chore", "flowers=flower"),
    ("NN", "thing", "something"),
    ("NN", "purpose", "prize money weight contest party time day work home"),
    ("VB", "purpose act", "win lose catch get earn impress pass learn kill help find please bring grow wait feel eat"),
    ("JJ", "trait body", "tall short young old"),
    ("JJ", "trait mood", "happy sad tired hungry lonely friendly"),
    ("JJ", "trait standing", "famous big first long better fat single"),
    ("JJ", "color", "red blue green yellow white black"),
    ("NN", "clothes", "shirt jacket hat sweater coat"),
    ("NNS", "clothes many", "shirts=shirt jackets=jacket hats=hat sweaters=sweater coats=coat"),
];

/// The entry of a word.
pub(super) struct Entry {
    pub(super) word: &'static str,
    pub(super) lemma: &'static str,
    pub(super) tag: &'static str,
    pub(super) classes: &'static str,
}

/// All words, in a fixed order.
pub(super) fn entries() -> impl Iterator<Item = Entry> {
    ROWS.iter().flat_map(|&(tag, classes, words)| {
        words.split(' ').map(move |word| {
            let (word, lemma) = word.split_once('=').unwrap_or((word, word));
            Entry { word, lemma, tag, classes }
        })
    })
}
