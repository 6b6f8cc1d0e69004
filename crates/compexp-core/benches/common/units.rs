//! Units that look for concepts: low-resolution maps in which noise rises where favourite concepts are.

use std::ops::Range;

use compexp_core::partition::{Partition, PositionMap};
use compexp_core::probe::{Annotation, AnnotationSource};
use compexp_core::profile::{Band, Profile, from_activations};
use compexp_core::threshold::{ThresholdRule, thresholds};
use ndarray::Array4;
use rayon::prelude::*;

use super::images::{COLORS, Images, OBJECTS, PARTS, SCENES, SIDE};
use super::random::Random;

/// A unit fires where its activation is among its top half percent.
pub(crate) const TOP: ThresholdRule = ThresholdRule::TopQuantile(0.005);

/// The side of a unit's map.
pub(crate) const LOW: usize = 7;
const N_CONCEPTS: usize = 1108;
const PATCH: usize = SIDE / LOW;

/// What a unit looks for.
struct Taste {
    favourites: Vec<(u32, f32)>,
    /// Makes the favourites count more where it is too.
    color: u32,
}

impl Taste {
    fn new(unit: usize) -> Self {
        let random = &mut Random::new(3, unit as u64);
        let favourites = (0..1 + random.below(3)).map(|_| {
            let (id, weight) = match random.below(10) {
                0 => (SCENES.start + random.below(30) as u32, 0.3),
                1 | 2 => (PARTS.start + random.below(PARTS.len()) as u32, 1.0),
                _ => (OBJECTS.start + 2 + random.below(100) as u32, 0.6),
            };
            (id, weight * (0.8 + 0.4 * random.unit()))
        });
        Self { favourites: favourites.collect(), color: COLORS.start + random.below(COLORS.len()) as u32 }
    }
}

/// The maps of `n_units` units on all images: `(n_examples, n_units, 7, 7)`.
pub(crate) fn maps(images: &Images, n_units: usize) -> Array4<f32> {
    let n = images.n_examples();
    let values = block(images, n_units, 0..n);
    Array4::from_shape_vec((n, n_units, LOW, LOW), values).expect("as many values as the shape has")
}

/// The maps of `n_units` units on some of the images.
pub(crate) fn block(images: &Images, n_units: usize, examples: Range<usize>) -> Vec<f32> {
    let tastes: Vec<Taste> = (0..n_units).map(Taste::new).collect();
    let mut values = vec![0.0; examples.len() * n_units * LOW * LOW];
    let scratch = || (Annotation::default(), vec![0.0f32; LOW * LOW * N_CONCEPTS]);
    values.par_chunks_exact_mut(n_units * LOW * LOW).zip(examples.into_par_iter()).for_each_init(
        scratch,
        |(annotation, share), (out, example)| {
            annotation.clear();
            images.annotate(example, annotation).expect("painting cannot fail");
            shares(annotation, share);
            for (unit, (taste, map)) in tastes.iter().zip(out.chunks_exact_mut(LOW * LOW)).enumerate() {
                noise(&mut Random::new(4 + unit as u64, example as u64), map);
                for (value, share) in map.iter_mut().zip(share.chunks_exact(N_CONCEPTS)) {
                    let rise: f32 = taste.favourites.iter().map(|(id, weight)| share[*id as usize] * weight).sum();
                    *value += rise * (0.7 + 0.3 * share[taste.color as usize]);
                }
            }
        },
    );
    values
}

/// The share of every patch that carries each concept: `(patches, concepts)`.
fn shares(annotation: &Annotation, share: &mut [f32]) {
    share.fill(0.0);
    for layer in annotation.layers.chunks_exact(SIDE * SIDE) {
        for (p, id) in layer.iter().enumerate().filter(|(_, id)| **id != Annotation::NONE) {
            let patch = p / SIDE / PATCH * LOW + p % SIDE / PATCH;
            share[patch * N_CONCEPTS + *id as usize] += 1.0 / (PATCH * PATCH) as f32;
        }
    }
    for patch in share.chunks_exact_mut(N_CONCEPTS) {
        for id in &annotation.scalars {
            patch[*id as usize] = 1.0;
        }
    }
}

/// Smooth noise with a level of its own for every image.
fn noise(random: &mut Random, map: &mut [f32]) {
    let level = 0.4 * (random.unit() + random.unit());
    let rough: [f32; LOW * LOW] = std::array::from_fn(|_| level + 0.5 * (random.unit() + random.unit()));
    for (i, value) in map.iter_mut().enumerate() {
        let (y, x) = (i / LOW, i % LOW);
        let around = rough[y.saturating_sub(1) * LOW + x]
            + rough[(y + 1).min(LOW - 1) * LOW + x]
            + rough[y * LOW + x.saturating_sub(1)]
            + rough[y * LOW + (x + 1).min(LOW - 1)];
        *value = 0.6 * rough[i] + 0.1 * around;
    }
}

/// The profiles of all units, each above its top half percent.
pub(crate) fn profiles(maps: &Array4<f32>, partition: &Partition, map: &PositionMap) -> Vec<Profile> {
    let view = maps.view();
    let cuts = thresholds(&view, TOP, &|_| ()).expect("generated values are finite");
    let units: Vec<usize> = (0..maps.dim().1).collect();
    from_activations(&view, &Band::of_units(&units, &cuts), map, partition.n_cells(), 20, &|_| ())
        .expect("shapes agree")
}
