//! Counts over the cells of a set for all columns at once: `|F and L|` and `|U and F and L|` for all L.

use std::sync::Arc;

use crate::partition::{CellSet, Partition};
use crate::profile::Profile;

/// Rows of columns with a weight each: all cells with their sizes, or a unit's cells with their hits.
pub(super) trait Rows {
    /// The columns of a row.
    fn columns(&self, row: u32) -> &[u16];
    /// The weight of a row.
    fn weight(&self, row: u32) -> u32;
}

/// All cells of a partition, with their sizes.
pub(super) struct AllCells<'a> {
    partition: &'a Partition,
    n_columns: usize,
}

impl<'a> AllCells<'a> {
    /// Rows over the first `n_columns` columns: either the concepts or all of them.
    pub(super) fn new(partition: &'a Partition, n_columns: usize) -> Self {
        Self { partition, n_columns }
    }
}

impl Rows for AllCells<'_> {
    #[inline(always)]
    fn columns(&self, row: u32) -> &[u16] {
        if self.n_columns == self.partition.n_concepts() {
            self.partition.concepts_of(row)
        } else {
            self.partition.columns_of(row)
        }
    }

    #[inline(always)]
    fn weight(&self, row: u32) -> u32 {
        self.partition.sizes()[row as usize]
    }
}

/// The cells that a unit touches, numbered from 0, with its hits.
pub(super) struct UnitCells<'a> {
    cells: &'a [u32],
    hits: &'a [u32],
    starts: Vec<u32>,
    columns: Vec<u16>,
}

impl<'a> UnitCells<'a> {
    pub(super) fn new(all: &AllCells<'_>, profile: &'a Profile) -> Self {
        let mut starts = Vec::with_capacity(profile.cells.len() + 1);
        let mut columns = Vec::new();
        starts.push(0);
        for cell in &profile.cells {
            columns.extend_from_slice(all.columns(*cell));
            starts.push(columns.len() as u32);
        }
        Self { cells: &profile.cells, hits: &profile.hits, starts, columns }
    }

    /// The unit's cells that lie in a set of the partition's cells.
    pub(super) fn restrict(&self, set: &CellSet) -> CellSet {
        let inside = self.cells.iter().zip(0u32..).filter(|(cell, _)| set.contains(**cell)).map(|(_, i)| i);
        CellSet::from_cells(self.cells.len(), inside)
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }
}

impl Rows for UnitCells<'_> {
    #[inline(always)]
    fn columns(&self, row: u32) -> &[u16] {
        &self.columns[self.starts[row as usize] as usize..self.starts[row as usize + 1] as usize]
    }

    #[inline(always)]
    fn weight(&self, row: u32) -> u32 {
        self.hits[row as usize]
    }
}

/// The sum of the weights of the rows of `set`, for every column.
pub(super) fn count(rows: &impl Rows, n_columns: usize, set: &CellSet) -> Vec<u32> {
    let mut counts = vec![0; n_columns];
    for row in set.iter() {
        add(rows, row, &mut counts);
    }
    counts
}

#[inline(always)]
fn add(rows: &impl Rows, row: u32, counts: &mut [u32]) {
    let weight = rows.weight(row);
    for c in rows.columns(row) {
        counts[usize::from(*c)] = counts[usize::from(*c)].wrapping_add(weight);
    }
}

#[inline(always)]
fn subtract(rows: &impl Rows, row: u32, counts: &mut [u32]) {
    let weight = rows.weight(row);
    for c in rows.columns(row) {
        counts[usize::from(*c)] = counts[usize::from(*c)].wrapping_sub(weight);
    }
}

/// A set with its counts.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) set: &'a CellSet,
    pub(super) counts: &'a [u32],
}

/// The counts of `set`. They start from those of the known set that differs from it in the fewest rows; these rows are added
/// or subtracted.
///
/// If `set` is the union of two known sets, given as `union`, inclusion and exclusion may be cheaper still. Counts are
/// integers, so that the way taken changes the time and nothing else. Sums may pass below zero in between, hence the wrapping
/// arithmetic.
pub(super) fn derive(
    rows: &impl Rows,
    n_columns: usize,
    set: &CellSet,
    known: &[Known<'_>],
    union: Option<(Known<'_>, Known<'_>)>,
) -> Arc<[u32]> {
    let mut cost = set.count();
    let mut from: Option<Known<'_>> = None;
    for k in known {
        let differing = set.count_combined(k.set, |a, b| a ^ b);
        if differing < cost {
            (cost, from) = (differing, Some(*k));
        }
    }
    if let Some((a, b)) = union
        && a.set.count_combined(b.set, |a, b| a & b) < cost
    {
        let mut counts: Vec<u32> = a.counts.iter().zip(b.counts).map(|(a, b)| a.wrapping_add(*b)).collect();
        for row in a.set.iter_combined(b.set, |a, b| a & b) {
            subtract(rows, row, &mut counts);
        }
        return counts.into();
    }
    let Some(from) = from else { return count(rows, n_columns, set).into() };
    let mut counts = from.counts[..n_columns].to_vec();
    for row in set.iter_combined(from.set, |a, b| a & !b) {
        add(rows, row, &mut counts);
    }
    for row in set.iter_combined(from.set, |a, b| b & !a) {
        subtract(rows, row, &mut counts);
    }
    counts.into()
}
