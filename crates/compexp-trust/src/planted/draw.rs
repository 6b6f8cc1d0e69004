//! Random formulas.

use compexp_core::formula::Formula;
use compexp_core::partition::{CellSet, Partition};
use compexp_core::random::Random;

use crate::{Error, Result};

/// The formulas of a length that are drawn before it is given up.
const TRIES: usize = 2_000;

#[derive(Clone, Copy)]
enum Op {
    And,
    Or,
    AndNot,
}

/// The random numbers of one unit.
pub(super) struct Draw(pub(super) Random);

impl Draw {
    /// A formula of `length` literals that covers at least `least` positions, and leaves out as many, with its cells.
    pub(super) fn formula(&mut self, partition: &Partition, length: usize, least: u64) -> Result<(Formula, CellSet)> {
        for _ in 0..TRIES {
            let Some(chain) = self.chain(partition, length) else { continue };
            let inside = evaluate(partition, &chain, None);
            let area = partition.area_of(&inside);
            let matters =
                |i| [false, true].iter().all(|value| evaluate(partition, &chain, Some((i, *value))) != inside);
            if area >= least && partition.n_positions() - area >= least && (0..length).all(matters) {
                return Ok((tree(partition, &chain), inside));
            }
        }
        let found = format!("none in {TRIES} draws among {} concepts", partition.n_concepts());
        let expected = format!(
            "one that covers {least} positions or more, leaves out as many, and needs each literal; plant shorter formulas, or allow smaller ones"
        );
        Err(Error::mismatch(format!("formula of length {length}"), found, expected))
    }

    /// Columns of distinct concepts with what joins them; the first one's connective is not used.
    fn chain(&mut self, partition: &Partition, length: usize) -> Option<Vec<(Op, usize)>> {
        let mut chain = Vec::with_capacity(length);
        while chain.len() < length {
            let op = [Op::And, Op::Or, Op::AndNot][self.0.below(3)];
            let column = match op {
                _ if chain.is_empty() => self.0.below(partition.n_concepts().max(1)),
                Op::Or => self.0.below(partition.n_concepts()),
                // Most pairs of concepts never meet: take one that some cell of the formula has.
                Op::And | Op::AndNot => {
                    let inside: Vec<u32> = evaluate(partition, &chain, None).iter().collect();
                    let cell = *inside.get(self.0.below(inside.len().max(1)))?;
                    let concepts = partition.concepts_of(cell);
                    usize::from(*concepts.get(self.0.below(concepts.len().max(1)))?)
                }
            };
            if column >= partition.n_concepts() || chain.iter().any(|(_, other)| *other == column) {
                return None;
            }
            chain.push((op, column));
        }
        Some(chain)
    }
}

/// The cells of a chain; where `fixed`, one of its atoms is taken to be true everywhere, or nowhere.
fn evaluate(partition: &Partition, chain: &[(Op, usize)], fixed: Option<(usize, bool)>) -> CellSet {
    let n = partition.n_cells();
    let constants = fixed.map(|(_, value)| if value { CellSet::full(n) } else { CellSet::empty(n) });
    let mut inside = CellSet::empty(n);
    for (i, (op, column)) in chain.iter().enumerate() {
        let set = match (&constants, fixed) {
            (Some(constant), Some((at, _))) if at == i => constant,
            _ => partition.set_of(*column),
        };
        inside = match op {
            _ if i == 0 => set.clone(),
            Op::And => inside.combine(set, |a, b| a & b),
            Op::Or => inside.combine(set, |a, b| a | b),
            Op::AndNot => inside.combine(set, |a, b| a & !b),
        };
    }
    inside
}

fn tree(partition: &Partition, chain: &[(Op, usize)]) -> Formula {
    let atom = |column: usize| Formula::Atom(partition.columns()[column]);
    let first = chain.first().map_or(0, |(_, column)| *column);
    chain.iter().skip(1).fold(atom(first), |formula, &(op, column)| match op {
        Op::And => formula.and(atom(column)),
        Op::Or => formula.or(atom(column)),
        Op::AndNot => formula.and(atom(column).not()),
    })
}
