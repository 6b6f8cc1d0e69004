//! The reference's two searches: formulas without equality, candidates in insertion order, stable ranking.

use super::bits::{Bits, Counts, Join, Space, Unit};
use super::formula::{Literal, Tree};
use super::{Found, Metric, Settings, Status, refused};

/// What a variant adds to the union before it divides.
const VISION_EPSILON: f64 = 1e-10;
const NLI_EPSILON: f64 = f32::MIN_POSITIVE as f64;

/// A formula with its mask and penalised score.
#[derive(Clone)]
struct Entry {
    tree: Tree,
    mask: Bits,
    counts: Counts,
    score: f64,
}

/// A formula that may enter the beam, in insertion order.
enum Candidate {
    Old(usize),
    Joined { parent: usize, join: Join, concept: usize },
}

fn score(counts: Counts, length: usize, epsilon: f64, settings: &Settings) -> f64 {
    let ratio = |part: u64, whole: u64| if part == 0 { 0.0 } else { part as f64 / whole as f64 };
    let metric = match settings.metric {
        Metric::Iou => counts.both as f64 / (counts.union() as f64 + epsilon),
        Metric::Precision => ratio(counts.both, counts.formula),
        Metric::Recall => ratio(counts.both, counts.unit),
        Metric::F1 => ratio(2 * counts.both, counts.formula + counts.unit),
        Metric::Mcc => panic!("the reference has no correlation"),
    };
    metric * settings.penalty.powf((length - 1) as f64)
}

/// Best first; equal scores keep their order.
fn rank<T>(items: &mut [T], score: impl Fn(&T) -> f64) {
    items.sort_by(|a, b| score(b).total_cmp(&score(a)));
}

impl Space {
    /// See [`super::vision_compat`].
    pub(crate) fn vision_compat(&self, unit: &Unit, settings: &Settings) -> Found {
        let unit_area = unit.area;
        if let Some(status) = refused(unit_area, settings) {
            return Found::nothing(status, "NONE", unit_area);
        }
        let present = (0..self.concepts.len()).filter(|concept| !self.concepts[*concept].mask.is_empty());
        let mut primitives: Vec<(usize, Entry)> =
            present.map(|concept| (concept, self.leaf(concept, unit, VISION_EPSILON, settings))).collect();
        let mut candidates: Vec<usize> = primitives.iter().map(|(concept, _)| *concept).collect();
        rank(&mut primitives, |(_, entry)| entry.score);
        if let Some(limit) = settings.beam_limit {
            candidates = primitives.iter().take(limit).map(|(concept, _)| *concept).collect();
        }
        let beam: Vec<Entry> = primitives.into_iter().map(|(_, entry)| entry).filter(|e| e.score > 0.0).collect();
        if beam.is_empty() {
            return Found::nothing(Status::NoOverlap, "NONE", unit_area);
        }
        self.compat_steps(beam, &candidates, unit, VISION_EPSILON, settings)
    }

    /// See [`super::nli_compat`].
    pub(crate) fn nli_compat(&self, unit: &Unit, settings: &Settings) -> Found {
        let unit_area = unit.area;
        if let Some(status) = refused(unit_area, settings) {
            return Found::nothing(status, "0", unit_area);
        }
        let mut primitives: Vec<(usize, Entry)> = Vec::new();
        for concept in 0..self.concepts.len() {
            primitives.push((concept, self.leaf(concept, unit, NLI_EPSILON, settings)));
            primitives.push((concept, self.neighbors(concept, unit, settings)));
        }
        // A NEIGHBORS node stands for its inner leaf here, so a leaf is in the list twice as a rule.
        let positive = |primitives: &[(usize, Entry)]| -> Vec<usize> {
            primitives.iter().filter(|(_, entry)| entry.score > 0.0).map(|(concept, _)| *concept).collect()
        };
        let mut candidates = positive(&primitives);
        rank(&mut primitives, |(_, entry)| entry.score);
        if let Some(limit) = settings.beam_limit {
            candidates = positive(&primitives);
            candidates.truncate(limit);
        }
        let beam: Vec<Entry> = primitives.into_iter().map(|(_, entry)| entry).collect();
        if beam.is_empty() {
            return Found::nothing(Status::NoOverlap, "0", unit_area);
        }
        self.compat_steps(beam, &candidates, unit, NLI_EPSILON, settings)
    }

    fn leaf(&self, concept: usize, unit: &Unit, epsilon: f64, settings: &Settings) -> Entry {
        let concept = &self.concepts[concept];
        let tree = Tree::Literal(Literal::Concept(concept.id));
        entry(tree, concept.mask.clone(), unit, epsilon, settings)
    }

    fn neighbors(&self, concept: usize, unit: &Unit, settings: &Settings) -> Entry {
        let concept = &self.concepts[concept];
        let tree = Tree::Literal(Literal::Neighbors(concept.id));
        entry(tree, concept.near().clone(), unit, NLI_EPSILON, settings)
    }

    /// From the ranked primitives to the last beam.
    fn compat_steps(
        &self,
        mut beam: Vec<Entry>,
        concepts: &[usize],
        unit: &Unit,
        epsilon: f64,
        settings: &Settings,
    ) -> Found {
        beam.truncate(settings.beam);
        let primitive = (beam[0].tree.to_string(), beam[0].score);
        let mut beams = vec![listing(&beam)];
        for _ in 1..settings.length {
            let mut pool: Vec<(f64, Candidate)> =
                beam.iter().enumerate().map(|(index, entry)| (entry.score, Candidate::Old(index))).collect();
            for (parent, entry) in beam.iter().enumerate() {
                let length = entry.tree.reported_length();
                for &concept in concepts {
                    for join in Join::ALL {
                        let counts = entry.mask.joined_counts(join, &self.concepts[concept].mask, unit);
                        let length = length + if join == Join::AndNot { 2 } else { 1 };
                        let score = score(counts, length, epsilon, settings);
                        pool.push((score, Candidate::Joined { parent, join, concept }));
                    }
                }
            }
            rank(&mut pool, |(score, _)| *score);
            pool.truncate(settings.beam);
            beam = pool
                .into_iter()
                .map(|(_, candidate)| match candidate {
                    Candidate::Old(index) => beam[index].clone(),
                    Candidate::Joined { parent, join, concept } => {
                        let concept = &self.concepts[concept];
                        let tree = beam[parent].tree.clone().join(join, Literal::Concept(concept.id));
                        entry(tree, beam[parent].mask.join(join, &concept.mask), unit, epsilon, settings)
                    }
                })
                .collect();
            beams.push(listing(&beam));
        }
        let best = &beam[0];
        Found {
            status: if best.score > 0.0 { Status::Explained } else { Status::NoOverlap },
            formula: best.tree.to_string(),
            score: best.score,
            intersection: best.counts.both,
            union: best.counts.union(),
            formula_area: best.counts.formula,
            unit_area: best.counts.unit,
            primitive,
            by_length: beams.iter().map(|beam| (beam[0].1, beam[0].0.clone())).collect(),
            beams,
        }
    }
}

fn entry(tree: Tree, mask: Bits, unit: &Unit, epsilon: f64, settings: &Settings) -> Entry {
    let counts = mask.counts(unit);
    let score = score(counts, tree.reported_length(), epsilon, settings);
    Entry { tree, mask, counts, score }
}

fn listing(beam: &[Entry]) -> Vec<(String, f64)> {
    beam.iter().map(|entry| (entry.tree.to_string(), entry.score)).collect()
}
