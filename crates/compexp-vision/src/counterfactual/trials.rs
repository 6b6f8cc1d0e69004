//! Tries a case: pastes segments, predicts again, and counts the outcomes.

use candle_core::Device;
use compexp_core::concept::ConceptId;
use compexp_trust::behaviour::trial::{Effect, Outcome, Tally, Trial, likeliest, probabilities, sign_flip_p};
use rayon::prelude::*;

use super::plan::{Cut, Plan};
use super::{Candidate, Config, Subject, Survey, Unit};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::model::Model;
use crate::paste::{Place, Segment, places};
use crate::preprocess::{Batch, Preprocess};
use compexp_kernels::conv::channels_first;

/// A case and its result.
#[derive(Clone, Debug)]
pub struct Case {
    /// The unit and the classes.
    pub candidate: Candidate,
    /// The concept whose segments are pasted.
    pub concept: ConceptId,
    /// The images that were changed.
    pub targets: Vec<usize>,
    /// The images that segments were cut out of, and those of their controls with the controls' concepts.
    pub sources: Vec<(usize, usize, ConceptId)>,
    /// The effect over all trials.
    pub effect: Effect,
    /// Its p, by [`sign_flip_p`].
    pub p: f64,
    /// The mean change of the unit's feature, with segments and with controls.
    pub feature_change: [f64; 2],
    /// The same by place and size: size by size, place by place.
    pub places: Vec<PlaceTally>,
    /// The most convincing trial: a success before others, then the greatest change of the class's probability minus
    /// that of its control.
    pub best: Best,
    /// What the other networks make of the same images, in their order.
    pub transfers: Vec<Transfer>,
}

/// What another network makes of the edited images of a case.
#[derive(Clone, Debug, PartialEq)]
pub struct Transfer {
    /// Targets that it takes for the wanted class before they are edited; they are left out of the effect.
    pub already: usize,
    /// Targets that it takes for the class that the probed network takes them for.
    pub agreed: usize,
    /// The effect over all other trials. An outcome is by its own prediction before.
    pub effect: Effect,
}

/// The trials at one place and in one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlaceTally {
    /// The share of the image that is pasted.
    pub size: f64,
    /// Where.
    pub place: Place,
    /// With segments.
    pub tested: Tally,
    /// With controls.
    pub control: Tally,
}

/// One trial in full.
#[derive(Clone, Debug)]
pub struct Best {
    /// The image that is changed.
    pub target: usize,
    /// The segment, as one of [`Case::sources`].
    pub source: usize,
    /// The share of the image that is pasted.
    pub size: f64,
    /// Where.
    pub place: Place,
    /// The image before, with the segment, and with the control.
    pub pictures: [Image; 3],
    /// The network's result for each of them: the probabilities of all classes, and the unit's feature.
    pub answers: [(Vec<f64>, f64); 3],
}

/// One picture to be predicted.
#[derive(Clone, Copy)]
struct Job {
    target: usize,
    source: usize,
    size: usize,
    place: Place,
    control: bool,
}

/// The network's result for a picture.
struct Answer {
    logits: Vec<f32>,
    feature: f64,
}

impl Case {
    /// Plans and tries a case; `progress` receives the number of predictions made of it, and of all.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the class has no images on which the formula is false, no segment of the
    /// concept makes it true, or none fits into the image; the errors of the annotation source, of [`Photo::read`](crate::photo::Photo::read) and
    /// of the network.
    pub fn run(
        subject: &Subject<'_>,
        survey: &Survey,
        units: &[Unit],
        candidate: &Candidate,
        concept: Option<ConceptId>,
        config: &Config,
        progress: &dyn Fn(usize, usize),
    ) -> Result<Self> {
        let unit = &units[candidate.at];
        let plan = survey.plan(subject, unit, candidate, concept, config)?;
        let pictures: Vec<Image> = plan
            .targets
            .iter()
            .map(|image| subject.preparation.framing.read(&subject.images[*image]))
            .collect::<Result<_>>()?;
        let pixels = pictures.first().map_or(0, |image| image.height * image.width) as f64;
        // (sources, sizes): segment and control
        let scaled: Vec<Vec<[Segment; 2]>> = plan
            .cuts
            .iter()
            .map(|cuts| {
                let scaled =
                    |size: &f64| [&cuts.tested, &cuts.control].map(|cut: &Cut| cut.segment.scaled(size * pixels));
                config.sizes.iter().map(scaled).collect()
            })
            .collect();
        let picture = |job: &Job| -> Result<Image> {
            let mut image = pictures[job.target].clone();
            let segment = &scaled[job.source][job.size][usize::from(job.control)];
            let (top, left) = job.place.corner(config.grid, segment.size(), (image.height, image.width))?;
            segment.paste(&mut image, top as isize, left as isize);
            Ok(image)
        };
        let jobs = jobs(&plan, config);
        let mut answers = Vec::with_capacity(jobs.len());
        let mut of_others: Vec<Vec<Vec<f32>>> = vec![Vec::with_capacity(jobs.len()); subject.others.len()];
        for chunk in jobs.chunks(config.batch) {
            let images: Vec<Image> = chunk.par_iter().map(picture).collect::<Result<_>>()?;
            answers.extend(subject.answer(&images, unit.unit)?);
            for (other, logits) in subject.others.iter().zip(&mut of_others) {
                logits.extend(predict(other, &images, subject.preparation.preprocess)?);
            }
            progress(answers.len(), jobs.len());
        }
        let others = subject.others.iter().zip(&of_others);
        let transfers = others
            .map(|(other, after)| {
                let mut before = Vec::new();
                for images in pictures.chunks(config.batch) {
                    before.extend(predict(other, images, subject.preparation.preprocess)?);
                }
                Ok(Transfer::of(&before, after, &jobs, &plan.targets, candidate, config.seed))
            })
            .collect::<Result<_>>()?;
        let case = Self::of(subject, unit, candidate, plan, config, &jobs, &answers, &picture, &pictures)?;
        Ok(Self { transfers, ..case })
    }

    #[allow(clippy::too_many_arguments, reason = "the second half of `run`")]
    fn of(
        subject: &Subject<'_>,
        unit: &Unit,
        candidate: &Candidate,
        plan: Plan,
        config: &Config,
        jobs: &[Job],
        answers: &[Answer],
        picture: &dyn Fn(&Job) -> Result<Image>,
        pictures: &[Image],
    ) -> Result<Self> {
        let to = candidate.to;
        let before: Vec<Vec<f64>> = plan.targets.iter().map(|image| probabilities(subject.logits_of(*image))).collect();
        let feature = |target: usize| f64::from(subject.features.view()[[plan.targets[target], unit.unit]]);
        let trials: Vec<Trial> = jobs
            .iter()
            .zip(answers)
            .map(|(job, answer)| {
                let after = likeliest(&answer.logits);
                Trial {
                    example: plan.targets[job.target],
                    control: job.control,
                    outcome: Outcome::of(candidate.from, after, after == to),
                    change: probabilities(&answer.logits)[to] - before[job.target][to],
                }
            })
            .collect();
        let mut changes = [0.0; 2];
        for (job, answer) in jobs.iter().zip(answers) {
            changes[usize::from(job.control)] += answer.feature - feature(job.target);
        }
        let tally = |size: usize, place: Place, control: bool| {
            let of = |(job, _): &(&Job, &Trial)| (job.size, job.place, job.control) == (size, place, control);
            Tally::of(jobs.iter().zip(&trials).filter(of).map(|(_, trial)| trial))
        };
        let mut by_place = Vec::new();
        for (nth, size) in config.sizes.iter().enumerate() {
            for place in places(config.grid) {
                let [tested, control] = [false, true].map(|control| tally(nth, place, control));
                by_place.push(PlaceTally { size: *size, place, tested, control });
            }
        }
        // Segment and control of one place follow each other.
        let merit = |at: &usize| {
            let (tested, control) = (&trials[*at], &trials[at + 1]);
            (tested.outcome == Outcome::Success, tested.change - control.change)
        };
        let better = |a: &usize, b: &usize| {
            let (a, b) = (merit(a), merit(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        };
        let most = (0..jobs.len()).step_by(2).rev().max_by(better);
        let most = most.ok_or_else(|| Error::mismatch("trials of a case", 0, "at least one"))?;
        let job = &jobs[most];
        let answer = |at: usize| (probabilities(&answers[at].logits), answers[at].feature);
        let best = Best {
            target: plan.targets[job.target],
            source: job.source,
            size: config.sizes[job.size],
            place: job.place,
            pictures: [pictures[job.target].clone(), picture(job)?, picture(&jobs[most + 1])?],
            answers: [(before[job.target].clone(), feature(job.target)), answer(most), answer(most + 1)],
        };
        Ok(Self {
            candidate: candidate.clone(),
            concept: plan.concept,
            sources: plan.cuts.iter().map(|c| (c.tested.image, c.control.image, c.control.concept)).collect(),
            effect: Effect::of(&trials, config.seed),
            p: sign_flip_p(&trials),
            feature_change: changes.map(|sum| sum / (jobs.len() / 2).max(1) as f64),
            places: by_place,
            best,
            transfers: Vec::new(),
            targets: plan.targets,
        })
    }

    /// The greatest number of predictions of a case.
    pub fn predictions(config: &Config) -> usize {
        2 * config.targets * config.segments * config.sizes.len() * config.grid * config.grid
    }
}

/// Every segment and its control, in every size, at every place, in every target.
fn jobs(plan: &Plan, config: &Config) -> Vec<Job> {
    let mut jobs = Vec::new();
    for target in 0..plan.targets.len() {
        for source in 0..plan.cuts.len() {
            for size in 0..config.sizes.len() {
                for place in places(config.grid) {
                    jobs.extend([false, true].map(|control| Job { target, source, size, place, control }));
                }
            }
        }
    }
    jobs
}

impl Transfer {
    /// From the logits of the targets `before`, and `after`, of the pictures of all jobs.
    fn of(
        before: &[Vec<f32>],
        after: &[Vec<f32>],
        jobs: &[Job],
        targets: &[usize],
        candidate: &Candidate,
        seed: u64,
    ) -> Self {
        let to = candidate.to;
        let predicted: Vec<usize> = before.iter().map(|logits| likeliest(logits)).collect();
        let trials: Vec<Trial> = jobs
            .iter()
            .zip(after)
            .filter(|(job, _)| predicted[job.target] != to)
            .map(|(job, logits)| {
                let after = likeliest(logits);
                Trial {
                    example: targets[job.target],
                    control: job.control,
                    outcome: Outcome::of(predicted[job.target], after, after == to),
                    change: probabilities(logits)[to] - probabilities(&before[job.target])[to],
                }
            })
            .collect();
        let taken_for = |class: usize| predicted.iter().filter(|predicted| **predicted == class).count();
        Self { already: taken_for(to), agreed: taken_for(candidate.from), effect: Effect::of(&trials, seed) }
    }
}

/// The logits of images of one size.
fn predict(model: &Model, images: &[Image], preprocess: Preprocess) -> Result<Vec<Vec<f32>>> {
    let output = model.tap(&[])?.forward(&batch(images, preprocess)?.into_tensor(model.device())?)?;
    Ok(output.logits.to_device(&Device::Cpu)?.to_vec2()?)
}

impl Subject<'_> {
    /// Predicts images of one size.
    fn answer(&self, images: &[Image], unit: usize) -> Result<Vec<Answer>> {
        let tapped = self.model.tap(&[self.layer])?;
        let output = tapped.forward(&batch(images, self.preparation.preprocess)?.into_tensor(self.model.device())?)?;
        let maps = channels_first(&output.maps[0])?.to_device(&Device::Cpu)?;
        let (_, units, height, width) = maps.dims4()?;
        let positions = height * width;
        let maps = maps.flatten_all()?.to_vec1::<f32>()?;
        let logits = output.logits.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
        let n_classes = self.head.classes.len();
        let answer = |i: usize| {
            let map = &maps[(i * units + unit) * positions..][..positions];
            let feature = map.iter().map(|v| f64::from(*v)).sum::<f64>() / positions as f64;
            Answer { logits: logits[i * n_classes..][..n_classes].to_vec(), feature }
        };
        Ok((0..images.len()).map(answer).collect())
    }

    /// Predicts the first images of the probe set as they are, at most `n`, by all networks, so that a caller can tell how long
    /// that takes, and that all take images of this size. Returns their number.
    ///
    /// # Errors
    /// The errors of [`Photo::read`](crate::photo::Photo::read); `Error::Candle` if the network fails.
    pub fn rehearse(&self, n: usize) -> Result<usize> {
        let images: Vec<Image> =
            self.images.iter().take(n).map(|photo| self.preparation.framing.read(photo)).collect::<Result<_>>()?;
        for other in self.others {
            predict(other, &images, self.preparation.preprocess).map_err(|e| match e {
                Error::Core(compexp_core::Error::Mismatch { what, found, expected }) => {
                    Error::mismatch(format!("{what} for another network, {}", other.name()), found, expected)
                }
                other => other,
            })?;
        }
        Ok(self.answer(&images, 0)?.len())
    }
}

fn batch(images: &[Image], preprocess: Preprocess) -> Result<Batch> {
    let (height, width) = images.first().map_or((0, 0), |image| (image.height, image.width));
    if let Some(image) = images.iter().find(|image| (image.height, image.width) != (height, width)) {
        let found = format!("{} x {}", image.height, image.width);
        return Err(Error::mismatch("size of an image", found, format!("{height} x {width}, as the others")));
    }
    let data: Vec<Vec<f32>> = images.par_iter().map(|image| preprocess.apply(image)).collect();
    Ok(Batch { n: images.len(), height, width, data: data.concat() })
}
