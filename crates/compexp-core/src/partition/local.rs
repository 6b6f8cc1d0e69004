//! The cells of one example: positions that carry the same set of concepts.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::error::{Error, Result};
use crate::probe::Annotation;

/// One example's cells, in the order in which its positions first meet them.
pub(super) struct LocalCells {
    /// The sorted concept ids of each cell.
    pub(super) sets: Vec<Box<[u32]>>,
    /// The number of positions of each cell.
    pub(super) sizes: Vec<u32>,
}

/// Divides examples into cells; holds the memory that one example after the other can use.
#[derive(Default)]
pub(super) struct Divider {
    pairs: HashMap<u64, u32, BuildHasherDefault<PairHasher>>,
    /// For every layer that divides, the class of the layer before and the concept that each of its classes adds.
    steps: Vec<Vec<(u32, u32)>>,
}

impl Divider {
    /// Divides the positions of an example; `ids` receives the local cell of each.
    ///
    /// Layer by layer, positions of one class part where the layer's entries differ. Runs of equal positions are looked
    /// up once, so that the cost is near one comparison a position and layer.
    pub(super) fn divide(&mut self, annotation: &Annotation, ids: &mut [u32]) -> Result<LocalCells> {
        let positions = ids.len();
        if !annotation.layers.len().is_multiple_of(positions) {
            return Err(Error::mismatch(
                "entries in the layers of an annotation",
                annotation.layers.len(),
                format!("a multiple of the {positions} positions of the grid"),
            ));
        }
        ids.fill(0);
        self.steps.clear();
        for layer in annotation.layers.chunks_exact(positions) {
            if layer.iter().any(|v| *v != Annotation::NONE) {
                self.refine(layer, ids);
            }
        }
        let n_classes = self.steps.last().map_or(1, Vec::len);
        let mut cells = LocalCells { sets: Vec::with_capacity(n_classes), sizes: Vec::new() };
        let mut cell_of_set: HashMap<Box<[u32]>, u32> = HashMap::with_capacity(n_classes);
        let mut cell_of_class = Vec::with_capacity(n_classes);
        for class in 0..n_classes {
            let set = self.set_of(class, &annotation.scalars);
            let next = cells.sets.len() as u32;
            let cell = *cell_of_set.entry(set).or_insert_with_key(|set| {
                cells.sets.push(set.clone());
                next
            });
            cell_of_class.push(cell);
        }
        cells.sizes = vec![0; cells.sets.len()];
        for id in ids {
            *id = cell_of_class[*id as usize];
            cells.sizes[*id as usize] += 1;
        }
        Ok(cells)
    }

    /// Parts the classes `ids` by the entries of `layer`; new classes are numbered as positions first meet them.
    fn refine(&mut self, layer: &[u32], ids: &mut [u32]) {
        self.pairs.clear();
        let mut classes: Vec<(u32, u32)> = Vec::new();
        // No class has the number u32::MAX, so that the first position is always looked up.
        let (mut last, mut last_class) = ((u32::MAX, u32::MAX), 0);
        for (id, value) in ids.iter_mut().zip(layer) {
            let pair = (*id, *value);
            if pair != last {
                let key = u64::from(pair.0) << 32 | u64::from(pair.1);
                last_class = *self.pairs.entry(key).or_insert_with(|| {
                    classes.push(pair);
                    classes.len() as u32 - 1
                });
                last = pair;
            }
            *id = last_class;
        }
        self.steps.push(classes);
    }

    /// The sorted concepts of a class of the last layer.
    fn set_of(&self, class: usize, scalars: &[u32]) -> Box<[u32]> {
        let mut set: Vec<u32> = scalars.to_vec();
        let mut class = class;
        for step in self.steps.iter().rev() {
            let (before, value) = step[class];
            set.push(value);
            class = before as usize;
        }
        set.sort_unstable();
        set.dedup();
        if set.last() == Some(&Annotation::NONE) {
            set.pop();
        }
        set.into()
    }
}

/// Spreads a pair of small numbers over 64 bits; the standard hasher is several times slower here.
#[derive(Default)]
pub(super) struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.write_u64(u64::from(*b));
        }
    }

    fn write_u64(&mut self, n: u64) {
        let product = u128::from(self.0 ^ n) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}
