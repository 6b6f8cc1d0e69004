//! The cells of one example: positions that carry the same set of concepts.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::probe::Annotation;

/// One example's cells, in the order in which its positions first have them.
pub(super) struct LocalCells {
    /// The sorted concept ids of each cell.
    pub(super) sets: Vec<Box<[u32]>>,
    /// The number of positions of each cell.
    pub(super) sizes: Vec<u32>,
}

/// How many layers are compared together. Most of the time is spent on mispredicted branches, one for each position at which
/// a layer's entry changes: layers compared together cost one branch.
const TOGETHER: usize = 3;

/// A class of positions by the groups of layers before, and the entries of the next group.
type Step = (u32, [u32; TOGETHER]);

/// Divides examples into cells; keeps its memory from one example to the next.
#[derive(Default)]
pub(super) struct Divider {
    /// A hash table from packed steps to classes, with open addressing; `FREE` is an empty slot. Its size is a power of two.
    slots: Vec<(u128, u32)>,
    /// For each group of layers the steps that make its classes.
    steps: Vec<Vec<Step>>,
}

/// No step: no class has the number `u32::MAX`.
const FREE: u128 = u128::MAX;

impl Divider {
    /// Divides the positions of an example; `ids` receives the local cell of each.
    ///
    /// Positions of one class are separated where the entries of the next group of layers differ. A run of equal positions
    /// takes one look-up.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if a layer does not fill the grid.
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
        let layers = annotation.layers.chunks_exact(positions);
        let layers: Vec<&[u32]> = layers.filter(|l| l.iter().any(|v| *v != Annotation::NONE)).collect();
        for layers in layers.chunks(TOGETHER) {
            self.refine(layers, ids);
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

    /// Divides the classes `ids` by the entries of a group of layers; new classes are numbered in the order of positions.
    fn refine(&mut self, layers: &[&[u32]], ids: &mut [u32]) {
        let mut met: Vec<Step> = Vec::new();
        self.slots.fill((FREE, 0));
        let (mut last, mut class) = (FREE, 0);
        for (position, id) in ids.iter_mut().enumerate() {
            let entries = std::array::from_fn(|l| layers.get(l).map_or(Annotation::NONE, |layer| layer[position]));
            let key = pack((*id, entries));
            if key != last {
                last = key;
                class = self.number(&mut met, (*id, entries));
            }
            *id = class;
        }
        self.steps.push(met);
    }

    /// The class of a step: a new one if the step has not been met.
    fn number(&mut self, met: &mut Vec<Step>, step: Step) -> u32 {
        if self.slots.len() <= 2 * met.len() {
            self.slots.clear();
            self.slots.resize((4 * met.len()).max(1024).next_power_of_two(), (FREE, 0));
            for (class, step) in (0..).zip(met.iter()) {
                let slot = self.slot(pack(*step));
                self.slots[slot] = (pack(*step), class);
            }
        }
        let slot = self.slot(pack(step));
        if self.slots[slot].0 == FREE {
            self.slots[slot] = (pack(step), met.len() as u32);
            met.push(step);
        }
        self.slots[slot].1
    }

    /// The slot of a key, or the free slot for it; at least half of the slots are free.
    fn slot(&self, key: u128) -> usize {
        let mask = self.slots.len() - 1;
        let mixed =
            (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((key >> 64) as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let mut slot = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.slots[slot].0 != key && self.slots[slot].0 != FREE {
            slot = (slot + 1) & mask;
        }
        slot
    }

    /// The sorted concepts of a class of the last layers.
    fn set_of(&self, class: usize, scalars: &[u32]) -> Box<[u32]> {
        let mut set: Vec<u32> = scalars.to_vec();
        let mut class = class;
        for step in self.steps.iter().rev() {
            let (before, entries) = step[class];
            set.extend(entries);
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

fn pack((class, entries): Step) -> u128 {
    entries.iter().fold(u128::from(class), |key, entry| key << 32 | u128::from(*entry))
}
