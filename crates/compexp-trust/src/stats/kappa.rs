//! Cohen's kappa: how far two sortings of the same things agree beyond what their shares alone give.

use serde::Serialize;

/// The agreement of two sortings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// How many things were sorted.
    pub n: usize,
    /// The share that both sort alike.
    pub observed: f64,
    /// That share, were the two independent, with the same number of things in each class.
    pub expected: f64,
    /// (observed - expected) / (1 - expected): 1 where all agree, 0 as independent ones would; none where both put
    /// everything into one class.
    pub kappa: Option<f64>,
    /// How many things the first puts into the class of the row, and the second into that of the column.
    pub confusion: Vec<Vec<usize>>,
}

impl Agreement {
    /// The agreement of pairs of classes, numbered from 0 and less than `classes`; none without any pair.
    pub fn of(pairs: &[[usize; 2]], classes: usize) -> Option<Self> {
        let mut confusion = vec![vec![0; classes]; classes];
        for [first, second] in pairs {
            *confusion.get_mut(*first)?.get_mut(*second)? += 1;
        }
        let n = pairs.len();
        if n == 0 {
            return None;
        }
        let share = |count: usize| count as f64 / n as f64;
        let observed = share((0..classes).map(|class| confusion[class][class]).sum());
        let row = |class: usize| confusion[class].iter().sum();
        let column = |class: usize| confusion.iter().map(|row| row[class]).sum();
        let expected = (0..classes).map(|class| share(row(class)) * share(column(class))).sum();
        let kappa = (expected < 1.0).then(|| (observed - expected) / (1.0 - expected));
        Some(Self { n, observed, expected, kappa, confusion })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        classes: usize,
        pairs: Vec<[usize; 2]>,
        kappa: Option<f64>,
    }

    #[test]
    fn kappa_is_that_of_scikit_learn() {
        let text = include_str!("../../../../tests/golden/statistics/kappa.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        assert!(cases.len() > 5);
        for case in cases {
            let found = Agreement::of(&case.pairs, case.classes).unwrap();
            assert_eq!(found.confusion.iter().flatten().sum::<usize>(), case.pairs.len());
            match (found.kappa, case.kappa) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12, "{}: {found}", case.name),
                (found, expected) => assert_eq!(found, expected, "{}", case.name),
            }
        }
    }

    #[test]
    fn nothing_and_unknown_classes_have_no_agreement() {
        assert_eq!(Agreement::of(&[], 3), None);
        assert_eq!(Agreement::of(&[[0, 3]], 3), None);
    }
}
