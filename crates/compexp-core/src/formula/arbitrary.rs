//! Random formulas for property tests.

use proptest::prelude::*;

use super::tree::{Atom, Formula};
use crate::concept::ConceptId;

/// Random formulas over the concepts 0..6, at most 4 deep.
pub(crate) fn any_formula() -> impl Strategy<Value = Formula> {
    let atom =
        (any::<bool>(), 0u32..6).prop_map(|(neighbors, id)| Formula::Atom(Atom { neighbors, concept: ConceptId(id) }));
    atom.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(Formula::not),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| a.and(b)),
            (inner.clone(), inner).prop_map(|(a, b)| a.or(b)),
        ]
    })
}
