//! Hypotheses for each label: statements that follow from a scene, that may be true, and that cannot be true.
//!
//! They also have the habits of SNLI's annotators (Gururangan et al., 2018): general words for entailment, purposes,
//! reasons and qualities for neutral, negation and sleep for contradiction. Each habit has exceptions, so that no word
//! alone determines the label.

use super::draw::Draw;
use super::scene::Scene;
use super::world::{ACTIVITIES, Activity, COLORS, GARMENTS, NOUNS, PLACES, TRAITS};

/// A statement that follows from the scene.
pub(super) fn entailed(scene: &Scene, draw: &mut Draw) -> String {
    let is = scene.number.is();
    let at = scene.place.at;
    let (doing, general) = (scene.activity.doing, scene.activity.general);
    let side = match (scene.place.outdoors, draw.below(2)) {
        (true, 0) => "outdoors",
        (true, _) => "outside",
        (false, 0) => "indoors",
        (false, _) => "inside",
    };
    match draw.below(100) {
        0..24 => format!("{} {is} {doing}", scene.general(draw)),
        24..42 => format!("{} {is} {side}", scene.general(draw)),
        42..56 => format!("{} {is} {general}", scene.same(draw)),
        56..66 => format!("{} {is} {general}", scene.general(draw)),
        66..72 => format!("{} {is} {doing}", scene.same(draw)),
        72..78 => format!("{} {is} {side}", scene.same(draw)),
        78..84 => format!("there {is} {} {at}", scene.counted("", scene.noun)),
        84..88 => match scene.noun.above {
            Some((one, many)) => format!("the {} {is} {doing}", if scene.number.is_one() { one } else { many }),
            None => format!("{} {is} {at}", scene.same(draw)),
        },
        88..92 => match scene.clothes {
            Some((_, garment)) => format!("{} {is} wearing {}", scene.same(draw), scene.wear("", garment)),
            None => format!("there {is} {} {side}", scene.general(draw)),
        },
        92..94 => match scene.quality {
            Some((quality, _)) => format!("{} {is} {doing}", scene.counted(quality, scene.noun)),
            None => format!("{} {is} {at}", scene.general(draw)),
        },
        // Exceptions to the habits: true statements with negation or sleep.
        94..98 if scene.activity.doing != "sleeping" => match draw.below(3) {
            0 => format!("nobody {at} is sleeping"),
            1 => format!("{} {is} not sleeping", scene.same(draw)),
            _ => format!("{} {is} not {}", scene.same(draw), if scene.place.outdoors { "inside" } else { "outside" }),
        },
        _ if scene.activity.doing == "sleeping" => format!("{} {is} asleep", scene.same(draw)),
        _ => format!("{} {is} {at}", scene.same(draw)),
    }
}

/// A statement that may or may not be true.
pub(super) fn neutral(scene: &Scene, draw: &mut Draw) -> String {
    let is = scene.number.is();
    let doing = scene.activity.doing;
    let (its, it_is) = (scene.possessive, scene.pronoun());
    let who = if draw.chance(0.8) { scene.same(draw) } else { scene.general(draw) };
    match draw.below(100) {
        0..26 => {
            let aim = draw.one(scene.activity.aims).copied().unwrap_or("for the first time");
            format!("{who} {is} {doing} {aim}")
        }
        26..38 => format!("{who} {is} {doing} because {it_is} {}", draw.word("happy sad tired hungry lonely")),
        38..46 if scene.noun.animal => format!("{who} {is} {doing} for {its} owner"),
        38..46 => format!("{who} {is} {doing} for {its} {}", draw.word("friends family teacher")),
        46..52 if scene.noun.animal => format!("{who} {is} {doing} with {its} owner"),
        46..52 => format!("{who} {is} {doing} with {its} {}", draw.word("brother sister family friends")),
        52..72 => format!("{} {is} {doing}", scene.counted(quality(scene, draw), scene.noun)),
        72..80 => format!("{who} {is} {}", quality(scene, draw)),
        80..84 if scene.noun.animal => format!("{who} {is} {doing} after a long day"),
        80..84 => format!("{who} {is} {doing} {}", ["after work", "before lunch"][draw.below(2)]),
        84..90 => format!("{who} {is} {doing} for the first time"),
        90..94 if scene.noun.animal => format!("{who} {is} about to eat"),
        90..94 if scene.number.is_one() => {
            format!("{who} has a {} {}", draw.word("big young friendly"), draw.word("family dog brother"))
        }
        90..94 => format!("{who} {is} {}", draw.word("friends brothers sisters twins doctors")),
        _ if scene.noun.animal => format!("{who} {is} going home"),
        _ if scene.clothes.is_none() => {
            format!("{who} {is} wearing {}", scene.wear(draw.word(COLORS), draw.word(GARMENTS)))
        }
        _ => format!("{who} {is} {doing} after work"),
    }
}

/// A quality that neither follows from the scene nor is excluded by it.
pub(super) fn quality(scene: &Scene, draw: &mut Draw) -> &'static str {
    let said = scene.quality.unwrap_or_default();
    let open = |(is, opposite): &&(&'static str, &'static str)| *is != said.0 && *opposite != said.0;
    let open: Vec<_> = TRAITS.iter().filter(open).collect();
    draw.one(&open).map_or("tired", |(is, _)| *is)
}

/// A statement that cannot be true.
pub(super) fn contradicted(scene: &Scene, draw: &mut Draw) -> String {
    let is = scene.number.is();
    let at = scene.place.at;
    let doing = scene.activity.doing;
    let asleep = doing == "sleeping";
    let nobody = if scene.noun.animal { "no animal" } else { "nobody" };
    let beings = if scene.noun.animal { "animals" } else { "people" };
    match draw.below(100) {
        0..12 => format!("{nobody} is {}", if draw.chance(0.5) { doing } else { scene.activity.general }),
        12..16 => format!("{nobody} is {at}"),
        16..21 => format!("there are no {beings} {at}"),
        21..24 => format!("no {} are {doing}", scene.noun.many),
        24..44 if !asleep => match draw.below(4) {
            0 if !scene.noun.animal => format!("{} {is} sleeping in bed", scene.same(draw)),
            1 if !scene.noun.animal => format!("{} {is} sleeping on the couch", scene.same(draw)),
            2 => format!("{} {is} asleep", scene.same(draw)),
            _ => format!("{} {is} sleeping", scene.same(draw)),
        },
        24..58 => format!("{} {is} {}", scene.same(draw), other_activity(scene, draw)),
        58..74 => {
            let others: Vec<_> = PLACES.iter().filter(|place| place.outdoors != scene.place.outdoors).collect();
            let place = draw.one(&others).map_or("inside the house", |place| place.at);
            let inside = if scene.place.outdoors { "inside the house" } else { "outside" };
            let place = if draw.chance(0.3) { inside } else { place };
            format!("{} {is} {place}", scene.same(draw))
        }
        74..84 => other_being(scene, draw),
        84..88 => format!("{} {is} not {doing}", scene.same(draw)),
        88..91 if !scene.number.is_one() => format!("there is a single {} {at}", scene.noun.one),
        88..91 if scene.companion.is_none() => format!("there is a group of {beings} {at}"),
        91..95 => match scene.clothes {
            Some((color, garment)) => {
                let others: Vec<&str> = COLORS.split(' ').filter(|other| *other != color).collect();
                let other = draw.one(&others).copied().unwrap_or(color);
                format!("{} {is} wearing {}", scene.same(draw), scene.wear(other, garment))
            }
            None => format!("{} {is} {}", scene.same(draw), other_activity(scene, draw)),
        },
        _ => match scene.quality {
            Some((_, opposite)) if !opposite.is_empty() => {
                format!("{} {is} {doing}", scene.counted(opposite, scene.noun))
            }
            _ => other_being(scene, draw),
        },
    }
}

/// Something that the beings cannot do at the same time.
pub(super) fn other_activity(scene: &Scene, draw: &mut Draw) -> &'static str {
    let excluded = |other: &&Activity| other.animals == scene.noun.animal && other.excludes(scene.activity);
    let others: Vec<_> = ACTIVITIES.iter().filter(excluded).collect();
    draw.one(&others).map_or("sleeping", |other| other.doing)
}

/// Other beings do the activity.
fn other_being(scene: &Scene, draw: &mut Draw) -> String {
    let companion = scene.companion.map_or("", |companion| companion.sort);
    // A teacher may or may not be a man, but is not a dog.
    let others: Vec<_> = NOUNS
        .iter()
        .filter(|other| !other.sort.is_empty() && other.sort != scene.noun.sort && other.sort != companion)
        .filter(|other| !scene.noun.sort.is_empty() || other.animal)
        .filter(|other| other.animal == scene.noun.animal || scene.noun.sort.is_empty())
        .collect();
    let noun = draw.one(&others).copied().unwrap_or(scene.noun);
    format!("{} {} {}", scene.counted("", noun), scene.number.is(), scene.activity.doing)
}
