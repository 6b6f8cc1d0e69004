//! Hypotheses against the habits: statements with the words that annotators prefer for another label.
//!
//! A classifier that has learnt only the habits is wrong about these.

use super::draw::Draw;
use super::hypothesis::{other_activity, quality};
use super::scene::Scene;
use super::world::{COLORS, GARMENTS};

/// A statement that follows from the scene, with a negation, sleep, or a quality.
pub(super) fn entailed(scene: &Scene, draw: &mut Draw) -> String {
    let is = scene.number.is();
    let (at, doing) = (scene.place.at, scene.activity.doing);
    if doing == "sleeping" {
        return match draw.below(2) {
            0 => format!("{} {is} asleep", scene.same(draw)),
            _ => format!("{} {is} sleeping {at}", scene.same(draw)),
        };
    }
    match (scene.quality, draw.below(4)) {
        (Some((quality, _)), 0..2) => format!("{} {is} {doing}", scene.counted(quality, scene.noun)),
        (_, 0) => format!("nobody {at} is sleeping"),
        (_, 1) => format!("{} {is} not sleeping", scene.same(draw)),
        (_, 2) => format!("{} {is} not {}", scene.same(draw), other_side(scene)),
        _ => format!("{} {is} not {}", scene.same(draw), other_activity(scene, draw)),
    }
}

/// A statement that may or may not be true, with a general word or a negation.
pub(super) fn neutral(scene: &Scene, draw: &mut Draw) -> String {
    let is = scene.number.is();
    match draw.below(4) {
        0 if scene.clothes.is_none() && !scene.noun.animal => {
            format!("{} {is} wearing {}", scene.general(draw), scene.wear(draw.word(COLORS), draw.word(GARMENTS)))
        }
        0 | 1 => format!("{} {is} {}", scene.general(draw), quality(scene, draw)),
        2 => format!("{} {is} not {}", scene.same(draw), quality(scene, draw)),
        _ => format!("{} {is} not going home", scene.same(draw)),
    }
}

/// A statement that cannot be true, with a general word, a reason, or a quality.
pub(super) fn contradicted(scene: &Scene, draw: &mut Draw) -> String {
    let is = scene.number.is();
    match draw.below(5) {
        0 => format!("{} {is} {}", scene.general(draw), other_side(scene)),
        1 => format!("{} {is} {}", scene.general(draw), other_activity(scene, draw)),
        2 => {
            let (who, doing) = (scene.same(draw), other_activity(scene, draw));
            format!("{who} {is} {doing} because {} {}", scene.pronoun(), draw.word("happy sad tired hungry lonely"))
        }
        3 => format!("{} {is} {} for the first time", scene.same(draw), other_activity(scene, draw)),
        _ => format!("{} {is} {}", scene.counted(quality(scene, draw), scene.noun), other_activity(scene, draw)),
    }
}

/// Where the scene is not.
fn other_side(scene: &Scene) -> &'static str {
    if scene.place.outdoors { "inside" } else { "outside" }
}
