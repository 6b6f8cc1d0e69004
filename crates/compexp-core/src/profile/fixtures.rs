//! Small sources for the tests of this module.

use crate::activation::MaskSource;
use crate::error::Result;
use crate::probe::{Annotation, AnnotationSource, Grid};

/// Annotations of a grid, one layer per example.
pub(super) struct Layers(pub(super) Grid, pub(super) Vec<Vec<u32>>);

impl AnnotationSource for Layers {
    fn n_examples(&self) -> usize {
        self.1.len()
    }
    fn grid(&self) -> Grid {
        self.0
    }
    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        into.layers.extend(&self.1[example]);
        Ok(())
    }
}

/// Masks of a grid, unit by unit.
pub(super) struct Masks(pub(super) Grid, pub(super) Vec<Vec<bool>>);

impl MaskSource for Masks {
    fn n_examples(&self) -> usize {
        self.1[0].len() / self.0.positions()
    }
    fn n_units(&self) -> usize {
        self.1.len()
    }
    fn grid(&self) -> Grid {
        self.0
    }
    fn read(&self, unit: usize, first: usize, out: &mut [bool]) -> Result<()> {
        out.copy_from_slice(&self.1[unit][first * self.0.positions()..][..out.len()]);
        Ok(())
    }
}

pub(super) const GRID: Grid = Grid { height: 9, width: 8 };
