//! Sentences of different lengths in one batch, step by step.

use crate::error::{Error, Result};

/// A batch of sequences, each a list of indices of rows of the input matrix. Equal steps may share a row: an LSTM
/// projects every row once, however often it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequences {
    rows: Vec<u32>,
    ends: Vec<usize>,
}

impl Sequences {
    /// A batch of these sequences, in this order.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut batch = Self::default();
        for sequence in sequences {
            batch.rows.extend_from_slice(sequence);
            batch.ends.push(batch.rows.len());
        }
        batch
    }

    /// The number of sequences.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of steps of all sequences.
    pub fn steps(&self) -> usize {
        self.rows.len()
    }

    /// The rows of a sequence, in order.
    pub fn get(&self, index: usize) -> &[u32] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.rows[start..self.ends[index]]
    }

    /// Refuses rows beyond a matrix of `n_rows`.
    pub(crate) fn check(&self, n_rows: usize) -> Result<()> {
        match self.rows.iter().find(|&&row| row as usize >= n_rows) {
            Some(row) => Err(Error::mismatch("row of a sequence's input", row, format!("one of {n_rows}"))),
            None => Ok(()),
        }
    }

    /// Numbers the distinct rows from 0 in ascending order: the sequences in these numbers, and the row of each.
    pub fn distinct(&self) -> (Self, Vec<u32>) {
        let mut rows = self.rows.clone();
        rows.sort_unstable();
        rows.dedup();
        let mut numbered = self.clone();
        for row in &mut numbered.rows {
            *row = rows.partition_point(|r| r < row) as u32;
        }
        (numbered, rows)
    }
}

/// [`Sequences`] turned into steps: the longest sequence first, so that those still running at a step are the first
/// ones, and a step's values are contiguous in a `(steps of all sequences, ...)` matrix.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps {
    /// The sequence at each place, longest first; equal lengths stay in order.
    pub(crate) order: Vec<usize>,
    /// The first position of each step, and the number of all.
    pub(crate) starts: Vec<usize>,
    /// The input row of each position.
    pub(crate) rows: Vec<u32>,
}

impl Steps {
    /// The steps of a batch, of every sequence read backwards where `reversed`.
    pub(crate) fn new(batch: &Sequences, reversed: bool) -> Self {
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(batch.get(i).len()));
        let mut steps = Self { order, starts: vec![0], rows: Vec::with_capacity(batch.steps()) };
        while steps.rows.len() < batch.steps() {
            let t = steps.starts.len() - 1;
            for &i in &steps.order {
                let rows = batch.get(i);
                if rows.len() <= t {
                    break;
                }
                steps.rows.push(if reversed { rows[rows.len() - 1 - t] } else { rows[t] });
            }
            steps.starts.push(steps.rows.len());
        }
        steps
    }

    /// The number of steps of the longest sequence.
    pub(crate) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The positions of step `t`; none beyond the last.
    pub(crate) fn at(&self, t: usize) -> std::ops::Range<usize> {
        if t < self.count() { self.starts[t]..self.starts[t + 1] } else { self.rows.len()..self.rows.len() }
    }

    /// For each position from the second step on, the position of its sequence one step before.
    pub(crate) fn before(&self) -> Vec<usize> {
        (1..self.count()).flat_map(|t| (0..self.at(t).len()).map(move |i| self.starts[t - 1] + i)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_hold_the_running_sequences_longest_first() {
        let batch = Sequences::new([&[5, 6][..], &[], &[1, 2, 3], &[7, 8]]);
        let steps = Steps::new(&batch, false);
        assert_eq!(steps.order, [2, 0, 3, 1]);
        assert_eq!(steps.starts, [0, 3, 6, 7]);
        assert_eq!(steps.rows, [1, 5, 7, 2, 6, 8, 3]);
        assert_eq!(steps.before(), [0, 1, 2, 3]);
        assert_eq!(Steps::new(&batch, true).rows, [3, 6, 8, 2, 5, 7, 1]);
        assert_eq!(Steps::new(&Sequences::default(), false).count(), 0);
    }

    #[test]
    fn distinct_rows_stand_for_the_same_inputs() {
        let batch = Sequences::new([&[9, 4, 9][..], &[7]]);
        let (numbered, rows) = batch.distinct();
        assert_eq!(rows, [4, 7, 9]);
        assert_eq!((numbered.get(0), numbered.get(1)), (&[2, 0, 2][..], &[1][..]));
    }
}
