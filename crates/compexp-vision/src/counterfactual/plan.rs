//! Chooses cases, and the segments for them.

use compexp_core::concept::ConceptId;
use compexp_core::probe::Annotation;
use compexp_core::random::Random;
use compexp_trust::behaviour::contribution::{Measure, Role};
use rayon::prelude::*;

use super::masks::{Masks, both, count};
use super::{Config, Subject, Unit};
use crate::error::{Error, Result};
use crate::paste::Segment;
use crate::random::Purpose;

/// The least number of images of a class for a case that is chosen automatically.
const FEWEST_TARGETS: usize = 3;

/// The least share of an image that a segment covers: smaller ones are too coarse when they are enlarged.
const SMALLEST: f64 = 0.03;

/// The number of images that are searched for segments, and for a control.
const LOOKED_AT: usize = 300;

/// For every unit and image, the number of positions on which the unit's formula is true.
pub struct Survey {
    /// `(n_units, n_images)`
    areas: Vec<Vec<u32>>,
}

/// A unit that could change predictions of one class to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The place of the unit among those given.
    pub at: usize,
    /// The class that the unit supports.
    pub to: usize,
    /// The class of the images to be changed.
    pub from: usize,
    /// The unit's weight to the class `to`.
    pub weight: f64,
    /// The unit's mean feature on images where its formula is true somewhere, minus its mean on the others.
    pub gain: f64,
}

impl Candidate {
    /// If the formula becomes true, the expected change of the logit of `to`.
    pub fn expected(&self) -> f64 {
        self.weight * self.gain
    }
}

/// A pasted segment, on which the formula is true, and its control.
pub(super) struct Cuts {
    pub(super) tested: Cut,
    pub(super) control: Cut,
}

/// A segment and where it is from.
pub(super) struct Cut {
    pub(super) image: usize,
    pub(super) concept: ConceptId,
    pub(super) segment: Segment,
}

/// Everything that is needed to try a case.
pub(super) struct Plan {
    pub(super) concept: ConceptId,
    pub(super) targets: Vec<usize>,
    pub(super) cuts: Vec<Cuts>,
}

impl Survey {
    /// Looks at the annotation of every image; `progress` receives the number done.
    ///
    /// # Errors
    /// The errors of the annotation source, if it cannot read an image's annotations.
    pub fn of(subject: &Subject<'_>, units: &[Unit], progress: &(dyn Fn(usize) + Sync)) -> Result<Self> {
        let done = std::sync::atomic::AtomicUsize::new(0);
        let areas = |image: usize| -> Result<Vec<u32>> {
            let masks = subject.masks(image)?;
            let area = |unit: &Unit| count(&masks.formula(&unit.formula, &masks.whole)) as u32;
            let areas = units.iter().map(area).collect();
            progress(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(areas)
        };
        let rows: Vec<Result<Vec<u32>>> = (0..subject.images.len()).into_par_iter().map(areas).collect();
        let rows: Vec<Vec<u32>> = rows.into_iter().collect::<Result<_>>()?;
        Ok(Self { areas: (0..units.len()).map(|unit| rows.iter().map(|row| row[unit]).collect()).collect() })
    }

    /// Whether the formula of a unit is true nowhere on an image.
    fn is_false(&self, at: usize, image: usize) -> bool {
        self.areas[at][image] == 0
    }

    /// The candidates, the one with the greatest expected effect first: each unit with the class that it supports most
    /// of those to which it contributes by `weight`, and the class nearest to that.
    ///
    /// The expected effect is weight x gain; the nearest class is that whose images with a false formula have the
    /// smallest mean difference between its own logit and that of the class supported.
    pub fn candidates(&self, subject: &Subject<'_>, units: &[Unit], weight: &Measure) -> Vec<Candidate> {
        let n_classes = subject.head.classes.len();
        let candidate = |at: usize| {
            let gain = self.gain(subject, units, at)?;
            let supported = |class: &usize| weight.role(units[at].unit, *class) == Role::Contributor;
            let to = (0..n_classes).filter(supported).max_by(|a, b| {
                let weight = |class: usize| weight.values[[units[at].unit, class]];
                weight(*a).total_cmp(&weight(*b)).then(b.cmp(a))
            })?;
            let from = self.nearest(subject, at, to)?;
            Some(Candidate { at, to, from, weight: weight.values[[units[at].unit, to]], gain })
        };
        let mut all: Vec<Candidate> = (0..units.len()).into_par_iter().filter_map(candidate).collect();
        all.sort_by(|a, b| b.expected().total_cmp(&a.expected()).then(a.at.cmp(&b.at)));
        all
    }

    /// The candidate of a given unit and class; without `from`, with the nearest class.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if no class but `to` has images on which the formula is false.
    pub fn chosen(
        &self,
        subject: &Subject<'_>,
        units: &[Unit],
        at: usize,
        to: usize,
        from: Option<usize>,
    ) -> Result<Candidate> {
        let from = from.or_else(|| self.nearest(subject, at, to)).ok_or_else(|| {
            Error::mismatch(
                "classes with images on which the unit's formula is false",
                0,
                "at least one; name another unit",
            )
        })?;
        let weight = f64::from(subject.head.weights[[to, units[at].unit]]);
        Ok(Candidate { at, to, from, weight, gain: self.gain(subject, units, at).unwrap_or(0.0) })
    }

    /// None if the formula is true on all images, or on none.
    fn gain(&self, subject: &Subject<'_>, units: &[Unit], at: usize) -> Option<f64> {
        let (mut sums, mut counts) = ([0.0; 2], [0_usize; 2]);
        for (value, area) in subject.features.view().column(units[at].unit).iter().zip(&self.areas[at]) {
            let side = usize::from(*area > 0);
            sums[side] += f64::from(*value);
            counts[side] += 1;
        }
        counts.iter().all(|n| *n > 0).then(|| sums[1] / counts[1] as f64 - sums[0] / counts[0] as f64)
    }

    fn nearest(&self, subject: &Subject<'_>, at: usize, to: usize) -> Option<usize> {
        let distance = |class: usize| {
            let images: Vec<usize> = subject.images_of(class).filter(|image| self.is_false(at, *image)).collect();
            let ahead = |image: &usize| f64::from(subject.logits_of(*image)[class] - subject.logits_of(*image)[to]);
            let sum: f64 = images.iter().map(ahead).sum();
            (images.len() >= FEWEST_TARGETS).then(|| (sum / images.len() as f64, class))
        };
        let classes = (0..subject.head.classes.len()).filter(|class| *class != to).filter_map(distance);
        classes.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, class)| class)
    }

    /// Finds the target images and segments of a candidate: of `concept` if one is given, else of the concept that the
    /// formula asks for and whose segments make it true most often.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the class has no such images, no segment of the concept makes the
    /// formula true, or none fits into the image or has a control; the errors of the annotation source and of
    /// [`Framing::read`](crate::framing::Framing::read).
    pub(super) fn plan(
        &self,
        subject: &Subject<'_>,
        unit: &Unit,
        candidate: &Candidate,
        concept: Option<ConceptId>,
        config: &Config,
    ) -> Result<Plan> {
        let name = &subject.head.classes[candidate.from];
        let mut images: Vec<usize> = subject.images_of(candidate.from).collect();
        if images.is_empty() {
            let expected = "at least one; name a class that the network predicts for images of the probe set";
            return Err(Error::mismatch(
                format!("images that the network takes for `{name}`, rightly where that is known"),
                0,
                expected,
            ));
        }
        images.retain(|image| self.is_false(candidate.at, *image));
        if images.is_empty() {
            let expected = "at least one; name another class";
            return Err(Error::mismatch(
                format!("images of `{name}` on which the unit's formula is true nowhere"),
                0,
                expected,
            ));
        }
        let place = unit.unit as u64;
        Random::new(config.seed, Purpose::Targets, place).shuffle(&mut images);
        let mut targets: Vec<usize> = images.into_iter().take(config.targets).collect();
        targets.sort_unstable();
        let mut wholes = Vec::new();
        for image in &targets {
            wholes.push(subject.masks(*image)?.whole);
        }
        wholes.sort();
        wholes.dedup();
        let search = Search { survey: self, subject, unit, at: candidate.at, wholes: &wholes, config };
        let concepts = concept.map_or_else(|| unit.asked_for(), |concept| vec![concept]);
        let mut best: Option<(f64, ConceptId, Found)> = None;
        let mut misfits = 0;
        for concept in concepts {
            let found = search.segments(concept)?;
            misfits += found.misfits;
            let share = (found.segments.len() + found.misfits) as f64 / found.seen.max(1) as f64;
            if !found.segments.is_empty() && best.as_ref().is_none_or(|(most, ..)| share > *most) {
                best = Some((share, concept, found));
            }
        }
        let Some((_, concept, found)) = best else {
            let largest = config.sizes.iter().copied().fold(0.0, f64::max);
            return Err(match misfits {
                0 => Error::mismatch(
                    "segments of the concept on which the unit's formula is true",
                    0,
                    "at least one; name another concept of the formula, one that has positions of its own",
                ),
                _ => Error::mismatch(
                    format!("segments of the concept that fit into the image at {largest} of its area"),
                    format!("none of {misfits}: all would be larger than the image"),
                    "at least one; give smaller sizes",
                ),
            });
        };
        let mut cuts = Vec::new();
        for (image, segment) in found.segments {
            if let Some(control) = search.control(image, concept, cuts.len())? {
                cuts.push(Cuts { tested: Cut { image, concept, segment }, control });
            }
            if cuts.len() == config.segments {
                break;
            }
        }
        if cuts.is_empty() {
            let expected = "at least one; the formula is true on nearly everything";
            return Err(Error::mismatch("control segments on which the unit's formula is false", 0, expected));
        }
        Ok(Plan { concept, targets, cuts })
    }
}

/// A search for segments.
struct Search<'a> {
    survey: &'a Survey,
    subject: &'a Subject<'a>,
    unit: &'a Unit,
    at: usize,
    /// The annotations of the target images as a whole, each once.
    wholes: &'a [Vec<u32>],
    config: &'a Config,
}

struct Found {
    segments: Vec<(usize, Segment)>,
    /// All segments of the concept that were looked at.
    seen: usize,
    /// The segments that are suitable except for their size.
    misfits: usize,
}

impl Search<'_> {
    /// Segments of a concept on at least half of which the formula is true, twice as many as are needed, since some may
    /// have no control.
    fn segments(&self, concept: ConceptId) -> Result<Found> {
        let mut images: Vec<usize> =
            (0..self.subject.images.len()).filter(|image| !self.survey.is_false(self.at, *image)).collect();
        Random::new(self.config.seed, Purpose::Segments, self.unit.unit as u64).shuffle(&mut images);
        let mut found = Found { segments: Vec::new(), seen: 0, misfits: 0 };
        for image in images.into_iter().take(LOOKED_AT) {
            let masks = self.subject.masks(image)?;
            let Some(segment) = masks.segment(concept.0).filter(|s| self.is_large(s)) else { continue };
            let mostly =
                |whole: &[u32]| 2 * both(&masks.formula(&self.unit.formula, whole), &segment) >= count(&segment);
            if !mostly(&masks.whole) || !self.wholes.iter().all(|whole| mostly(whole)) {
                continue;
            }
            match self.cut(image, &masks.positions(&segment))? {
                Some(segment) => found.segments.push((image, segment)),
                None => found.misfits += 1,
            }
            if found.segments.len() >= 2 * self.config.segments {
                break;
            }
        }
        Ok(found)
    }

    /// A segment of another concept on which the formula is true nowhere: from an image of the same class if one has
    /// such, else from any.
    fn control(&self, beside: usize, concept: ConceptId, nth: usize) -> Result<Option<Cut>> {
        let class = self.subject.class_of(beside);
        let place = (self.unit.unit * self.config.segments + nth) as u64;
        let mut random = Random::new(self.config.seed, Purpose::Controls, place);
        let (mut near, mut far): (Vec<usize>, Vec<usize>) =
            (0..self.subject.images.len()).partition(|image| self.subject.class_of(*image) == class);
        random.shuffle(&mut near);
        random.shuffle(&mut far);
        far.truncate(LOOKED_AT);
        for image in near.into_iter().chain(far) {
            let masks = self.subject.masks(image)?;
            let mut concepts: Vec<u32> = masks.concepts().filter(|other| *other != concept.0).collect();
            random.shuffle(&mut concepts);
            for other in concepts {
                let Some(segment) = masks.segment(other).filter(|s| self.is_large(s)) else { continue };
                let never = |whole: &[u32]| both(&masks.formula(&self.unit.formula, whole), &segment) == 0;
                if !never(&masks.whole) || !self.wholes.iter().all(|whole| never(whole)) {
                    continue;
                }
                if let Some(segment) = self.cut(image, &masks.positions(&segment))? {
                    return Ok(Some(Cut { image, concept: ConceptId(other), segment }));
                }
            }
        }
        Ok(None)
    }

    fn is_large(&self, segment: &[u64]) -> bool {
        count(segment) as f64 >= SMALLEST * self.subject.annotations.grid().positions() as f64
    }

    /// A segment that fits into its own image at every size; all images are of one size.
    fn cut(&self, image: usize, mask: &[bool]) -> Result<Option<Segment>> {
        let image = self.subject.preparation.framing.read(&self.subject.images[image])?;
        let pixels = (image.height * image.width) as f64;
        let fits = |segment: &Segment| {
            self.config.sizes.iter().all(|size| {
                let (height, width) = segment.size_at(size * pixels);
                height <= image.height && width <= image.width
            })
        };
        Ok(Segment::cut(&image, self.subject.annotations.grid(), mask).filter(fits))
    }
}

impl Subject<'_> {
    pub(super) fn masks(&self, image: usize) -> Result<Masks> {
        let mut annotation = Annotation::default();
        self.annotations.annotate(image, &mut annotation)?;
        Ok(Masks::new(&annotation, self.annotations.grid()))
    }
}
