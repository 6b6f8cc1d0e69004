//! The formulas of a beam, with their counts, their sets of cells and their counts over all columns.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::chain::{Chain, Op};
use super::order::Standing;
use super::scan::Counted;
use super::table::{AllCells, Known, UnitCells, count, derive};
use crate::formula::{Atom, Formula};
use crate::partition::{CellSet, Partition};
use crate::profile::Profile;
use crate::score::Counts;

/// Up to this number of cells, comparing sets costs almost nothing, so every known set is tried as a starting point.
const FEW_CELLS: usize = 1 << 15;

/// One unit's view of a partition.
pub(super) struct UnitView<'a> {
    pub(super) partition: &'a Partition,
    /// The columns that are counted: the concepts, or all.
    pub(super) n_columns: usize,
    /// `|U|`.
    pub(super) area: u64,
    /// All positions.
    pub(super) universe: u64,
    /// `|U and L|` for every column.
    pub(super) both: Vec<u32>,
    all: AllCells<'a>,
    unit: UnitCells<'a>,
    every_cell: CellSet,
    every_touched: CellSet,
    touched_of_column: RefCell<HashMap<usize, Rc<CellSet>>>,
}

impl<'a> UnitView<'a> {
    pub(super) fn new(partition: &'a Partition, profile: &'a Profile, n_columns: usize) -> Self {
        let all = AllCells::new(partition, n_columns);
        let unit = UnitCells::new(&all, profile);
        let every_touched = CellSet::full(unit.len());
        Self {
            partition,
            n_columns,
            area: profile.area(),
            universe: partition.n_positions(),
            both: count(&unit, n_columns, &every_touched),
            all,
            unit,
            every_cell: CellSet::full(partition.n_cells()),
            every_touched,
            touched_of_column: RefCell::default(),
        }
    }

    /// The counts of a formula of `size` positions, `both` of them in the unit.
    #[inline(always)]
    pub(super) fn counts(&self, size: u64, both: u64) -> Counts {
        Counts { universe: self.universe, formula: size, unit: self.area, both }
    }

    /// The unit's cells that carry a column.
    fn touched_of(&self, column: usize) -> Rc<CellSet> {
        let mut sets = self.touched_of_column.borrow_mut();
        sets.entry(column).or_insert_with(|| Rc::new(self.unit.restrict(self.partition.set_of(column)))).clone()
    }
}

/// A formula in a beam.
pub(super) struct Member {
    pub(super) chain: Chain,
    pub(super) counts: Counts,
    /// The column of the last literal, and the member that it was joined to.
    column: usize,
    parent: Option<(Rc<Member>, Op)>,
    formula: OnceCell<Formula>,
    cells: OnceCell<CellSet>,
    touched: OnceCell<Rc<CellSet>>,
    x: OnceCell<Arc<[u32]>>,
    ux: OnceCell<Arc<[u32]>>,
}

impl Member {
    fn new(chain: Chain, counts: Counts, column: usize, parent: Option<(Rc<Self>, Op)>) -> Self {
        Self {
            chain,
            counts,
            column,
            parent,
            formula: OnceCell::new(),
            cells: OnceCell::new(),
            touched: OnceCell::new(),
            x: OnceCell::new(),
            ux: OnceCell::new(),
        }
    }

    pub(super) fn literal(atom: Atom, column: usize, counts: Counts) -> Self {
        Self::new(Chain::literal(atom), counts, column, None)
    }

    pub(super) fn extended(parent: &Rc<Self>, op: Op, atom: Atom, column: usize, counts: Counts) -> Self {
        Self::new(parent.chain.extended(op, atom), counts, column, Some((parent.clone(), op)))
    }

    pub(super) fn standing(&self) -> Standing {
        Standing { counts: self.counts, length: self.chain.length() }
    }

    /// The formula as [`Chain::ordered_formula`] gives it.
    pub(super) fn ordered_formula(&self) -> &Formula {
        self.formula.get_or_init(|| self.chain.ordered_formula())
    }

    /// Whether two members are true at the same positions.
    pub(super) fn same_mask(&self, other: &Self, view: &UnitView<'_>) -> bool {
        self.counts == other.counts
            && *self.touched(view) == *other.touched(view)
            && *self.cells(view) == *other.cells(view)
    }

    fn cells<'m>(&'m self, view: &'m UnitView<'_>) -> &'m CellSet {
        let literal = view.partition.set_of(self.column);
        match &self.parent {
            None => literal,
            Some((parent, op)) => self.cells.get_or_init(|| op.combine(parent.cells(view), literal)),
        }
    }

    fn touched(&self, view: &UnitView<'_>) -> &Rc<CellSet> {
        self.touched.get_or_init(|| {
            let literal = view.touched_of(self.column);
            match &self.parent {
                None => literal,
                Some((parent, op)) => Rc::new(op.combine(parent.touched(view), &literal)),
            }
        })
    }

    /// Counts all columns over the member's cells, starting from the counts of `others` or of its parent, which must be
    /// counted already.
    pub(super) fn count(&self, view: &UnitView<'_>, others: &[Rc<Self>]) {
        self.x.get_or_init(|| {
            let Some((parent, op)) = &self.parent else {
                return view.partition.cooccurrence(self.column)[..view.n_columns].into();
            };
            let few = view.partition.n_cells() <= FEW_CELLS;
            let near = others.iter().filter(|o| few || o.counts == self.counts);
            let mut known: Vec<Known<'_>> =
                near.filter_map(|o| Some(Known { set: o.cells(view), counts: o.x.get()? })).collect();
            let whole = Known { set: &view.every_cell, counts: view.partition.areas() };
            let row =
                Known { set: view.partition.set_of(self.column), counts: view.partition.cooccurrence(self.column) };
            known.extend([whole, row]);
            let parent = parent.x.get().map(|x| Known { set: parent.cells(view), counts: x });
            known.extend(parent);
            let union = parent.filter(|_| *op == Op::Or).map(|p| (p, row));
            derive(&view.all, view.n_columns, self.cells(view), &known, union)
        });
        self.ux.get_or_init(|| {
            let others = others.iter().chain(self.parent.iter().map(|(p, _)| p));
            let mut known: Vec<Known<'_>> =
                others.filter_map(|o| Some(Known { set: o.touched(view), counts: o.ux.get()? })).collect();
            known.push(Known { set: &view.every_touched, counts: &view.both });
            derive(&view.unit, view.n_columns, self.touched(view), &known, None)
        });
    }

    /// The counts of a member that [`Member::count`] has been called on.
    pub(super) fn counted(&self) -> Counted<'_> {
        Counted {
            size: self.counts.formula,
            both: self.counts.both,
            x: self.x.get().map_or(&[], |x| x),
            ux: self.ux.get().map_or(&[], |ux| ux),
        }
    }
}

/// Counts every member of a beam; `before` is the beam it came from.
pub(super) fn count_all(view: &UnitView<'_>, beam: &[Rc<Member>], before: &[Rc<Member>]) {
    let mut others = before.to_vec();
    for member in beam {
        member.count(view, &others);
        others.push(member.clone());
    }
}
