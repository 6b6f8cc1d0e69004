//! The latents that fire at each position.

/// Rows of which most values are 0: the latents that fire, in ascending order, with their values, which are above 0.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    /// Where each row begins, and the end of the last one.
    starts: Vec<usize>,
    latents: Vec<u32>,
    values: Vec<f32>,
}

impl Default for SparseRows {
    /// No rows.
    fn default() -> Self {
        Self { starts: vec![0], latents: Vec::new(), values: Vec::new() }
    }
}

impl SparseRows {
    /// The number of rows: one a position.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of all rows that are not 0.
    pub fn entries(&self) -> usize {
        self.latents.len()
    }

    /// The latents of a row, ascending, and their values. Empty for a number that is too high.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        match self.starts.get(row..=row.saturating_add(1)) {
            Some(&[from, to]) => (&self.latents[from..to], &self.values[from..to]),
            _ => (&[], &[]),
        }
    }

    /// All rows, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u32], &[f32])> {
        (0..self.len()).map(|row| self.row(row))
    }

    /// Adds a row: latents, ascending, with their values.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = (u32, f32)>) {
        for (latent, value) in row {
            self.latents.push(latent);
            self.values.push(value);
        }
        self.starts.push(self.latents.len());
    }

    /// Adds the rows of another.
    pub(super) fn append(&mut self, other: &Self) {
        let before = self.latents.len();
        self.latents.extend(&other.latents);
        self.values.extend(&other.values);
        self.starts.extend(other.starts[1..].iter().map(|start| before + start));
    }
}
